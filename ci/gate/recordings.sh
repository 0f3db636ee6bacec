# shellcheck shell=sh
# Recordings, each below the folder of its shard, which says in which run it was made.

# What all jobs of this run have in common, and no other run has.
run_id() {
    id=${STRAIT_RUN:-${GITHUB_RUN_ID:-${CI_PIPELINE_ID:-}}}
    if [ -z "$id" ] && is_repository; then
        id=$(git rev-parse --verify --quiet HEAD) || id=
    fi
    plain "${id:-none}"
}

# Links and submodules lead to files that came with the source, and that no list of what is committed has.
check_work() {
    case $work in
        '' | -*) fail "STRAIT_WORK cannot be used as a folder: $work" ;;
    esac
    for link in "$work" "$recordings"; do
        [ ! -L "$link" ] || fail "$link is a symbolic link: remove it, or choose another STRAIT_WORK"
    done
    files=$(committed_in "$work") || exit 1
    case $(printf %s "$files" | cut -c 1-6) in
        *120000* | *160000*) fail "a link or a submodule is committed in $work: remove it from the repository" ;;
    esac
}

# What is committed in the repository came with the source, and may be anything.
check_not_committed() {
    files=$(committed_in "$recordings") || exit 1
    [ -z "$files" ] ||
        fail "recordings are committed in $recordings, so this run did not make them: remove them from the" \
            "repository, or name the recordings to compare"
}

committed_in() {
    is_repository || return 0
    listed=$(git ls-files --stage -- "$1" 2>&1) && printf %s "$listed" && return
    case $listed in
        *'outside repository'*) ;;
        *) fail "cannot list what is committed in $1: $listed" ;;
    esac
}

record() {
    case $shard in
        '' | .* | -* | */*) fail "STRAIT_SHARD cannot be used as a name: $shard" ;;
    esac
    check_work
    check_not_committed
    run=$(run_id) || exit 1
    mkdir -p "$recordings"
    for old in "$recordings"/*/; do
        old=${old%/}
        if [ -L "$old" ] || [ ! -f "$old/run" ]; then
            continue
        fi
        # A shard that is recorded again is replaced.
        if [ "$old" = "$recordings/$shard" ] || [ "$(cat "$old/run")" != "$run" ]; then
            say "removing $old, which was recorded before"
            rm -rf -- "$old"
        fi
    done
    # Fails if something else has that name.
    mkdir -- "$recordings/$shard"
    printf '%s\n' "$run" >"$recordings/$shard/run"
    where=$recordings/$shard/$shard.recording.json
    for argument; do
        case $argument in
            --) break ;;
            --containers) where=$recordings/$shard ;;
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

# Fails unless everything there was recorded in this run, and is where it seems to be.
check_recordings() {
    check_not_committed
    run=$(run_id) || exit 1
    found=
    for entry in "$recordings"/*; do
        [ -e "$entry" ] || [ -L "$entry" ] || continue
        if [ -L "$entry" ] || [ ! -f "$entry/run" ] || [ -L "$entry/run" ]; then
            fail "$entry was not made by gate.sh record: remove it, or name the recordings to compare"
        fi
        made_in=$(cat "$entry/run")
        [ "$made_in" = "$run" ] ||
            fail "$entry was recorded in another run ($made_in; this is $run): remove it, or name the recordings" \
                "to compare"
        for file in "$entry"/*.recording.json; do
            [ -e "$file" ] || [ -L "$file" ] || continue
            if [ -L "$file" ] || [ ! -f "$file" ]; then
                fail "$file is not a regular file: remove it"
            fi
            found=yes
        done
    done
    [ -n "$found" ] || fail "there is no recording in $recordings: run gate.sh record first"
}
