#!/bin/sh
# One script for every CI: records a test job, makes a profile of what it called, compares that with the
# committed one, and says so on the pull request. See ci/README.md.
set -eu

usage() {
    cat >&2 <<'USAGE'
Usage: gate.sh record [OPTION…] -- COMMAND…   record a test job (options are those of strait record)
       gate.sh compare [RECORDING…]           merge, make the profile, compare it with the committed one
       gate.sh comment                        post the comparison on the pull or merge request
       gate.sh run -- COMMAND…                record, and compare if the tests passed

Set by environment:
  STRAIT_PROFILE     the committed profile          [seccomp.json]
  STRAIT_WORK        where everything else goes     [.strait]
  STRAIT_SHARD       name of this job's recording   [tests]
  STRAIT_FAIL_ON     widened, risky, changed, never [widened]
  STRAIT_ALLOW_FILE  reviewed exceptions            [none]
  STRAIT_GENERATE    more options of strait generate
  STRAIT             the strait command             [strait]
  STRAIT_PULL_REQUEST  for comment: URL of the pull request; gh needs GH_TOKEN
  STRAIT_GITLAB_TOKEN  for comment: a token with scope api; the rest is known in a GitLab job

Exit status: 10 if the new profile is wider than the gate allows; that of COMMAND if it failed; 1 if there
was nothing to compare with.
USAGE
    exit 2
}

strait=${STRAIT:-strait}
work=${STRAIT_WORK:-.strait}
profile=${STRAIT_PROFILE:-seccomp.json}
fail_on=${STRAIT_FAIL_ON:-widened}
recordings=$work/recordings
name=$(basename -- "$profile")
new=$work/$name

say() { printf 'gate: %s\n' "$*" >&2; }

folder() { (cd -- "$1" 2>/dev/null && pwd -P); }

# What follows steps of GitHub, if this is one.
output() { [ -z "${GITHUB_OUTPUT:-}" ] || printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; }

record() {
    mkdir -p "$recordings"
    where=$recordings/${STRAIT_SHARD:-tests}.recording.json
    for argument; do
        case $argument in
            --) break ;;
            --containers) where=$recordings ;;
        esac
    done
    if [ "$(id -u)" = 0 ]; then
        "$strait" record -o "$where" "$@"
    else
        # Only the recorder is root; the tests run as who they always ran as, and find what they always found:
        # sudo has a PATH of its own.
        sudo --preserve-env env "PATH=$PATH" "$(command -v "$strait")" record -o "$where" --user "$(id -un)" "$@"
    fi
}

compare() {
    mkdir -p "$work"
    # Nothing that an earlier run said is taken for this one's.
    rm -f "$work"/diff.markdown "$work"/diff.json "$work"/diff.sarif
    if [ "$(folder "$work")" = "$(folder "$(dirname -- "$profile")")" ]; then
        say "STRAIT_WORK is where $profile is: it would be compared with itself"
        exit 1
    fi
    [ $# -gt 0 ] || set -- "$recordings"/*.recording.json
    if [ ! -e "$1" ]; then
        say "there is no recording in $recordings: run gate.sh record first"
        exit 1
    fi
    "$strait" merge "$@" -o "$work/merged.recording.json"
    # The options are words, so they are split here.
    # shellcheck disable=SC2086
    "$strait" generate "$work/merged.recording.json" ${STRAIT_GENERATE:-} -o "$new"
    if [ ! -e "$profile" ]; then
        # Else a path that is spelled wrong would pass for ever.
        say "nothing to compare with: $profile does not exist; read $new, and commit it as $profile"
        output verdict new
        [ "$fail_on" = never ] || return 1
        return 0
    fi
    set -- "$profile" "$new" --fail-on "$fail_on"
    [ -z "${STRAIT_ALLOW_FILE:-}" ] || set -- "$@" --allow-file "$STRAIT_ALLOW_FILE"
    status=0
    "$strait" diff "$@" || status=$?
    [ "$status" = 0 ] || [ "$status" = 10 ] || exit "$status"
    for format in markdown json sarif; do
        # The gate's answer is known, and its warnings have been said.
        "$strait" --quiet diff "$@" --format "$format" -o "$work/diff.$format" 2>"$work/stderr" ||
            [ $? = 10 ] || { cat "$work/stderr" >&2; exit 1; }
    done
    rm -f "$work/stderr"
    output verdict "$(sed -n 's/^  "verdict": "\(.*\)",$/\1/p' "$work/diff.json")"
    [ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$work/diff.markdown" >>"$GITHUB_STEP_SUMMARY"
    return "$status"
}

comment() {
    text=$work/diff.markdown
    if [ ! -e "$text" ]; then
        say "there is nothing to say: $text does not exist"
    elif [ -n "${STRAIT_PULL_REQUEST:-}" ]; then
        comment_on_github
    elif [ -n "${CI_MERGE_REQUEST_IID:-}${CI_OPEN_MERGE_REQUESTS:-}" ]; then
        if [ -z "${STRAIT_GITLAB_TOKEN:-}" ]; then
            say "no comment: STRAIT_GITLAB_TOKEN is not set (a project token with scope api)"
            return 0
        fi
        # A pipeline of a branch knows its merge requests as `group/project!7,…`; that of a fork runs in
        # another project than the one that it is for.
        if [ -n "${CI_MERGE_REQUEST_IID:-}" ]; then
            request=${CI_MERGE_REQUEST_PROJECT_ID:-$CI_PROJECT_ID}/merge_requests/$CI_MERGE_REQUEST_IID
        else
            first=${CI_OPEN_MERGE_REQUESTS%%,*}
            request=$(printf %s "${first%!*}" | sed 's|/|%2F|g')/merge_requests/${first##*!}
        fi
        notes=$CI_API_V4_URL/projects/$request/notes
        # The token goes through a file, since command lines can be read by others.
        header=$(mktemp)
        printf 'PRIVATE-TOKEN: %s\n' "$STRAIT_GITLAB_TOKEN" >"$header"
        curl --fail --silent --show-error --output /dev/null --header "@$header" \
            --data-urlencode "body@$text" "$notes" || { rm -f "$header"; exit 1; }
        rm -f "$header"
    else
        say "this is no pull request, so there is nowhere to comment"
    fi
}

# One comment for each profile, which is edited when there is something new to say. Other comments of the same
# account, such as those of other actions, are left alone.
comment_on_github() {
    GATE_MARKER="<!-- strait gate: $profile -->"
    export GATE_MARKER
    printf '%s\n\n' "$GATE_MARKER" | cat - "$text" >"$work/comment.markdown"
    own=$(gh pr view "$STRAIT_PULL_REQUEST" --json comments --jq \
        '[.comments[] | select(.viewerDidAuthor and (.body | startswith(env.GATE_MARKER))) | .url][0] // ""')
    if [ -z "$own" ]; then
        gh pr comment "$STRAIT_PULL_REQUEST" --body-file "$work/comment.markdown"
        return
    fi
    # https://HOST/OWNER/REPOSITORY/pull/7#issuecomment-123
    path=${own#*://}
    repository=${path#*/}
    repository=${repository%/pull/*}
    gh api --silent --method PATCH --hostname "${path%%/*}" \
        "repos/$repository/issues/comments/${own##*-}" -F "body=@$work/comment.markdown"
}

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
