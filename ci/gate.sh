#!/bin/sh
# One script for every CI: records a test job, makes a profile of what it called, compares that with the
# committed one, and says so on the pull request. See ci/README.md.
set -eu

usage() {
    cat >&2 <<'USAGE'
Usage: gate.sh record [OPTION…] -- COMMAND…   record a test job (options are those of strait record)
       gate.sh compare [RECORDING…]           merge, make the profile, compare it with that of the base
       gate.sh comment                        post the comparison on the pull or merge request
       gate.sh run -- COMMAND…                record, and compare if the tests passed

Set by environment:
  STRAIT_PROFILE     the committed profile          [seccomp.json]
  STRAIT_BASE        what it is taken from: a branch of the remote, refs/…, a full commit hash, or HEAD,
                     HEAD^, HEAD~N                  [the branch that the request is for; else HEAD]
  STRAIT_REMOTE      where branches are fetched     [the project of the request; else origin]
  STRAIT_WORK        where everything else goes     [.strait]
  STRAIT_SHARD       name of this job's recording   [tests]
  STRAIT_RUN         what all jobs of a run share   [the CI's own id; else the commit]
  STRAIT_FAIL_ON     widened, risky, changed, never [widened]
  STRAIT_ALLOW_FILE  reviewed exceptions, from the base too [none]
  STRAIT_GENERATE    more options of strait generate
  STRAIT             the strait command             [strait]
  STRAIT_COMMIT      the commit that is checked, for the comment [HEAD]
  STRAIT_PULL_REQUEST  for comment: URL of the pull request; gh needs GH_TOKEN
  STRAIT_GITLAB_TOKEN  for comment: a token with scope api; the rest is known in a GitLab job

Exit status: 10 if the new profile, or the one that the request commits, is wider than the gate allows; that
of COMMAND if it failed; 1 if there was nothing to compare with, or it could not be fetched.
USAGE
    exit 2
}

strait=${STRAIT:-strait}
work=${STRAIT_WORK:-.strait}
work=${work%/}
profile=${STRAIT_PROFILE:-seccomp.json}
allow_file=${STRAIT_ALLOW_FILE:-}
fail_on=${STRAIT_FAIL_ON:-widened}
shard=${STRAIT_SHARD:-tests}
recordings=$work/recordings
name=$(basename -- "$profile")
new=$work/$name

here=$(dirname -- "$(readlink -f -- "$0")")
# shellcheck source=gate/base.sh
. "$here/gate/base.sh"
# shellcheck source=gate/recordings.sh
. "$here/gate/recordings.sh"
# shellcheck source=gate/comment.sh
. "$here/gate/comment.sh"

# Text that others may have written, on one line and without commands. GitHub's runner obeys `##[` anywhere in
# a line (ActionCommand.TryParse of actions/runner) and Azure's agent `##vso[`; `::` only at the beginning of a
# line, where none of this stands.
plain() {
    printf %s "$*" | LC_ALL=C tr -c '\040-\176' '?' | sed 's/#\[/# [/g; s/#\([vV][sS][oO]\)/# \1/g'
}

# The same as code in Markdown, between two of \140.
code() {
    printf '\140%s\140' "$(plain "$*" | tr '\140' "'")"
}

say() { printf 'gate: %s\n' "$(plain "$*")" >&2; }

fail() {
    say "$*"
    exit 1
}

# What follows steps of GitHub, if this is one.
output() { [ -z "${GITHUB_OUTPUT:-}" ] || printf '%s=%s\n' "$1" "$(plain "$2")" >>"$GITHUB_OUTPUT"; }

# On GitHub, nothing that is printed from here on is taken for a command, whatever prints it.
take_no_commands() {
    [ "${GITHUB_ACTIONS:-}" = true ] || return 0
    # One stream, so that nothing overtakes the first line.
    exec 2>&1
    resume=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    printf '::stop-commands::%s\n' "$resume"
    trap 'printf "::%s::\n" "$resume"' EXIT
}

# These become parts of lines that other programs print too.
for setting in "$profile" "$work" "$shard" "$allow_file"; do
    [ "$setting" = "$(printf %s "$setting" | LC_ALL=C tr -d '\001-\037\177')" ] ||
        fail "the name has a control character or a line break: $setting"
done

folder() { (cd -- "$1" 2>/dev/null && pwd -P); }

compare() {
    take_no_commands
    check_work
    mkdir -p "$work"
    if [ "$(folder "$work")" = "$(folder "$(dirname -- "$profile")")" ]; then
        fail "STRAIT_WORK is where $profile is: it would be compared with itself"
    fi
    # Nothing that was there before is taken for what this run says.
    rm -rf "$work/base" "$work/head"
    rm -f "$work"/diff.* "$work"/committed.* "$work/stderr" "$work/remote" "$new" "${new%.json}.evidence.json"
    whose="of this run"
    if [ $# -gt 0 ]; then
        whose="named by the job"
    else
        check_recordings
        set -- "$recordings"/*/*.recording.json
    fi
    source="Recordings: $#, $whose"
    say "$source: $*"
    "$strait" merge -o "$work/merged.recording.json" -- "$@"
    # The options are words, so they are split here, but are no patterns.
    set -f
    # shellcheck disable=SC2086
    "$strait" generate ${STRAIT_GENERATE:-} -o "$new" -- "$work/merged.recording.json"
    set +f
    find_base
    compare_profiles
}

# Compares the new profile with that of the base, and the one that is committed here too.
compare_profiles() {
    mkdir "$work/base" "$work/head"
    allow=$allow_file
    old=$profile
    against="$profile of this folder, which is in no git repository"
    if [ -n "$commit" ]; then
        old=$work/base/$name
        against="$profile of the base $base@$commit"
        take "$commit" "$profile" "$old" || rm -f "$old"
        take_exceptions
    fi
    output base "$commit"
    say "compared with $against"
    if [ ! -e "$old" ]; then
        nothing_yet
        return
    fi
    status=0
    difference diff "$old" "$new" || status=$?
    output verdict "$(verdict diff)"
    keys=$(key diff)
    {
        printf '\nCommit %s, compared with %s. %s.\n' "$(code "$(checked_commit)")" "$(code "$against")" "$source"
        [ -z "${allow_note:-}" ] || printf '\n%s\n' "$allow_note"
    } >>"$work/diff.markdown"
    check_committed
    printf '%s\n' "$keys" >"$work/diff.key"
    summarize
    return "$status"
}

# The commit that this is about. What GitHub checks out is a merge of it, which exists for the run only.
checked_commit() {
    commit_here=${STRAIT_COMMIT:-${CI_MERGE_REQUEST_SOURCE_BRANCH_SHA:-}}
    if [ -z "$commit_here" ] && is_repository; then
        commit_here=$(git rev-parse --verify --quiet HEAD) || commit_here=
    fi
    printf %s "${commit_here:-none}"
}

# A request that could write its own exceptions would excuse itself.
take_exceptions() {
    [ -n "$allow_file" ] || return 0
    mkdir "$work/base/allow"
    allow=$work/base/allow/$(basename -- "$allow_file")
    if ! take "$commit" "$allow_file" "$allow"; then
        [ -e "$allow_file" ] || fail "there is no $allow_file, neither in the base $base nor here"
        allow=
        allow_note="The exceptions in $(code "$allow_file") are new, and count once the base has them."
    elif ! cmp -s "$allow" "$allow_file"; then
        allow_note="The exceptions in $(code "$allow_file") are changed; those of the base count."
    fi
    [ -z "${allow_note:-}" ] || say "$allow_note"
}

# Passing here would let a path that is spelled wrong pass each time.
nothing_yet() {
    say "nothing to compare with: there is no $profile; read $new, and commit it as $profile"
    output verdict new
    {
        printf '### Seccomp profile: new\n\nCommit %s: there is no %s, so there is nothing to compare with. ' \
            "$(code "$(checked_commit)")" "$(code "$against")"
        printf 'Read %s among the artifacts of this run, and commit it as %s.\n' "$(code "$new")" "$(code "$profile")"
        [ "$fail_on" = never ] || printf '\n**This fails** until the base has one.\n'
    } >"$work/diff.markdown"
    echo new >"$work/diff.key"
    summarize
    [ "$fail_on" = never ]
}

# What the request commits is what will be enforced, whatever was recorded.
check_committed() {
    if [ -z "$commit" ] || [ "$commit" = "$(git rev-parse HEAD)" ]; then
        return 0
    fi
    committed=$work/head/$name
    if ! take HEAD "$profile" "$committed"; then
        say "$profile is removed here, so that nothing will be confined by it"
        output committed removed
        keys=$keys-removed
        printf '\n**This removes %s**, so that nothing will be confined by it.\n' "$(code "$profile")" \
            >>"$work/diff.markdown"
        [ "$fail_on" = never ] || status=10
        return 0
    fi
    if cmp -s "$old" "$committed"; then
        output committed equal
        return 0
    fi
    say "the profile that is committed here differs from that of the base:"
    difference committed "$old" "$committed" || status=$?
    output committed "$(verdict committed)"
    keys=$keys-$(key committed)
    if [ "$(key committed)" = "$(key diff)" ]; then
        printf '\nThe profile that is committed here changes in the same way.\n' >>"$work/diff.markdown"
        return 0
    fi
    {
        printf '\n### The profile that is committed here: %s\n' "$(verdict committed)"
        sed -e 1d -e '/^<details>/,$d' "$work/committed.markdown"
    } >>"$work/diff.markdown"
}

# difference REPORT OLD NEW: writes the reports, and returns 10 if there is something to object to.
difference() {
    report=$work/$1
    set -- --fail-on "$fail_on" ${allow:+--allow-file "$allow"} -- "$2" "$3"
    objection=0
    "$strait" diff "$@" || objection=$?
    [ "$objection" = 0 ] || [ "$objection" = 10 ] || exit "$objection"
    for format in markdown json sarif; do
        # The gate's answer is known, and its warnings have been said.
        "$strait" --quiet diff --format "$format" -o "$report.$format" "$@" 2>"$work/stderr" ||
            [ $? = 10 ] || { cat "$work/stderr" >&2; exit 1; }
    done
    rm -f "$work/stderr"
    return "$objection"
}

verdict() { sed -n 's/^  "verdict": "\(.*\)",$/\1/p' "$work/$1.json"; }

# The same for two reports that say the same, whichever program made the calls, and however often.
key() {
    grep -E '^  "verdict"|^    "failed"|^        "(x86_64|x86|x32|aarch64)"|^      "(abi|syscall|number|direction|what|before|after)"' "$work/$1.json" |
        sha256sum | cut -c 1-16
}

summarize() { [ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$work/diff.markdown" >>"$GITHUB_STEP_SUMMARY"; }

[ $# -gt 0 ] || usage
command=$1
shift
case $command in
    record) record "$@" ;;
    compare) compare "$@" ;;
    comment) comment ;;
    run)
        record "$@"
        compare
        ;;
    *) usage ;;
esac
