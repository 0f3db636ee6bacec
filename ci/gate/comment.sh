# shellcheck shell=sh
# What the gate says on a pull or merge request.

# How much GitHub takes, with something to spare.
limit=65000

comment() {
    text=$work/diff.markdown
    if [ ! -e "$text" ]; then
        say "there is nothing to say: $text does not exist"
    elif [ -n "${STRAIT_PULL_REQUEST:-}" ]; then
        shorten
        comment_on_github
    elif [ -n "${CI_MERGE_REQUEST_IID:-}${CI_OPEN_MERGE_REQUESTS:-}" ]; then
        comment_on_gitlab
    else
        say "this is no pull request, so there is nowhere to comment"
    fi
}

# Leaves the folded lists out of a text that would not be taken.
shorten() {
    [ "$(wc -c <"$text")" -gt "$limit" ] || return 0
    rm -f "$work/short.markdown"
    {
        sed '/^<details>/,/^<\/details>/d' "$text"
        printf '\nThe lists are left out, since they are too long for a comment: see %s.\n' "$(code "$text")"
    } >"$work/short.markdown"
    text=$work/short.markdown
}

# A comment for each verdict, so that what was said about an earlier commit stays to be read. The last one is
# edited as long as it says the same. Other comments of the same account, such as those of other actions, are
# left alone.
comment_on_github() {
    GATE_MARKER="<!-- strait gate: $(plain "$profile") "
    GATE_KEY=$(cat "$work/diff.key")
    export GATE_MARKER GATE_KEY
    rm -f "$work/comment.markdown"
    printf '%s%s -->\n\n' "$GATE_MARKER" "$GATE_KEY" | cat - "$text" >"$work/comment.markdown"
    own=$(gh pr view "$STRAIT_PULL_REQUEST" --json comments --jq \
        '[.comments[] | select(.viewerDidAuthor and (.body | startswith(env.GATE_MARKER)))] | last
            | select(. != null and (.body | startswith(env.GATE_MARKER + env.GATE_KEY + " "))) | .url')
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

# A note for each pipeline.
comment_on_gitlab() {
    if [ -z "${STRAIT_GITLAB_TOKEN:-}" ]; then
        say "no comment: STRAIT_GITLAB_TOKEN is not set (a project token with scope api)"
        return 0
    fi
    # A pipeline of a branch knows its merge requests as `group/project!7,…`; that of a fork runs in another
    # project than the one that it is for.
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
}
