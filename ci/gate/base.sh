# shellcheck shell=sh
# What a request is compared with: the base, taken from where the request cannot write.

# Settings of the checkout start no program, paths are no patterns, nothing is asked, and the messages are in
# the language that is looked for below.
git() {
    LC_ALL=C GIT_LITERAL_PATHSPECS=1 GIT_NO_REPLACE_OBJECTS=1 GIT_TERMINAL_PROMPT=0 \
        command git -c core.fsmonitor=false -c core.hooksPath=/dev/null "$@"
}

is_repository() {
    said=$(git rev-parse --git-dir 2>&1) && return 0
    # 127: there is no git.
    case $?:$said in
        127:* | *'not a git repository'*) return 1 ;;
        *) fail "cannot read the git repository: $(printf %s "$said" | tr '\n' ' ')" ;;
    esac
}

is_request() {
    case ${GITHUB_EVENT_NAME:-}${CI_PIPELINE_SOURCE:-} in
        pull_request* | merge_group | merge_request_event) return 0 ;;
        *) [ -n "${STRAIT_PULL_REQUEST:-}${CI_OPEN_MERGE_REQUESTS:-}" ] ;;
    esac
}

# Finds what to compare with: base is its name, and commit is what that stands for; both empty where there is
# no repository, but only the file as it is.
find_base() {
    base=${STRAIT_BASE:-}
    remote=${STRAIT_REMOTE:-origin}
    commit=
    if [ -n "$base" ]; then
        :
    elif [ -n "${GITHUB_BASE_REF:-}" ]; then
        base=refs/heads/$GITHUB_BASE_REF
        # What the workflow has checked out may be a fork.
        [ -z "${GITHUB_REPOSITORY:-}" ] ||
            remote=${STRAIT_REMOTE:-${GITHUB_SERVER_URL:-https://github.com}/$GITHUB_REPOSITORY}
    elif [ -n "${CI_MERGE_REQUEST_TARGET_BRANCH_NAME:-}" ]; then
        base=refs/heads/$CI_MERGE_REQUEST_TARGET_BRANCH_NAME
        # The pipeline of a fork runs in the fork, and its branches are the fork's.
        [ "${CI_MERGE_REQUEST_PROJECT_ID:-}" = "${CI_PROJECT_ID:-}" ] ||
            remote=${STRAIT_REMOTE:-$CI_MERGE_REQUEST_PROJECT_URL.git}
    elif [ -n "${CI_COMMIT_BRANCH:-}" ] && [ "$CI_COMMIT_BRANCH" != "${CI_DEFAULT_BRANCH:-$CI_COMMIT_BRANCH}" ]; then
        base=refs/heads/$CI_DEFAULT_BRANCH
    elif is_request; then
        fail "this is a pull request, and its base is unknown: set STRAIT_BASE to the branch that it is for"
    elif is_repository; then
        base=HEAD
    else
        return 0
    fi
    is_repository || fail "cannot compare with $base: this is not a git repository, or git is not installed"
    case $base in
        HEAD)
            ! is_request || fail "STRAIT_BASE is HEAD, which compares a pull request with itself: name its base"
            commit=$(git rev-parse --verify --quiet 'HEAD^{commit}') || fail "there is no commit to compare with"
            ;;
        HEAD[~^]*)
            commit=$(git rev-parse --verify --quiet "$base^{commit}") ||
                fail "this checkout has no $base: fetch more of its history"
            ;;
        refs/*) fetch "$base" ;;
        *)
            if printf %s "$base" | grep -qxE '[0-9a-f]{40}([0-9a-f]{24})?'; then
                fetch "$base"
            else
                fetch "refs/heads/$base"
            fi
            ;;
    esac
    base=${base#refs/heads/}
}

# Sets commit to that of a ref of the remote, or to one that is named by its hash.
fetch() {
    error=$work/stderr
    case $1 in
        refs/*)
            git check-ref-format "$1" || fail "this is not the name of a branch: ${1#refs/heads/}"
            ask ls-remote -- "$remote" "$1" >"$work/remote" 2>"$error" || cannot_fetch "$1"
            # What ls-remote is given also matches the end of longer names.
            tip=$(awk -v "ref=$1" '$2 == ref { print $1 }' "$work/remote")
            [ -n "$tip" ] || fail "cannot fetch the base: $remote has no branch ${1#refs/heads/}"
            ;;
        *) tip=$1 ;;
    esac
    if ! git cat-file -e "$tip^{commit}" 2>/dev/null; then
        # Only a checkout that is shallow already is given a shallow commit.
        depth=
        [ "$(git rev-parse --is-shallow-repository)" = false ] || depth=--depth=1
        ask fetch --quiet --no-tags --no-recurse-submodules ${depth:+"$depth"} -- "$remote" "$1" 2>"$error" ||
            cannot_fetch "$1"
        tip=FETCH_HEAD
    fi
    commit=$(git rev-parse --verify --quiet "$tip^{commit}") || fail "the base ${1#refs/heads/} is not a commit"
    rm -f "$error" "$work/remote"
}

cannot_fetch() {
    fail "cannot fetch the base ${1#refs/heads/} from $remote: $(head -n 3 "$error" | tr '\n' ' ')"
}

# Git with the token of the job, for a remote that wants one where the checkout has kept none. The helper reads
# it from the environment, since command lines can be read by others.
ask() {
    if [ -n "${GITHUB_SERVER_URL:-}" ] && [ -n "${GH_TOKEN:-}" ]; then
        helper="!echo username=x-access-token; echo password=\$GH_TOKEN; :"
        set -- -c "credential.$GITHUB_SERVER_URL.helper=$helper" "$@"
    elif [ -n "${CI_SERVER_URL:-}" ] && [ -n "${CI_JOB_TOKEN:-}" ]; then
        helper="!echo username=gitlab-ci-token; echo password=\$CI_JOB_TOKEN; :"
        set -- -c "credential.$CI_SERVER_URL.helper=$helper" "$@"
    fi
    git "$@" </dev/null
}

# take COMMIT PATH FILE: writes what the commit has at that path, through no link; 1 if there is nothing.
take() {
    path=$2
    case $path in
        /*) ;;
        *) path=./$path ;;
    esac
    entry=$(git ls-tree "$1" "$path") || exit 1
    case $entry in
        '') return 1 ;;
        100*' blob '*) ;;
        *) fail "$2 is not a regular file in the commit $1" ;;
    esac
    entry=${entry#* blob }
    git cat-file blob "${entry%%	*}" >"$3" || exit 1
}
