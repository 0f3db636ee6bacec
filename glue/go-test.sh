#!/bin/sh
# Ends a sample of a Strait recording after each test that `go test -json` tells about, and passes on what
# it reads. Fails if a test, a package or a build has failed, since a pipe has the status of its last command.
status=0
while IFS= read -r line || [ -n "$line" ]; do
    printf '%s\n' "$line"
    # What a test prints has its quotes escaped, so it cannot be taken for this. FAIL is Go before 1.20, of a
    # package that cannot be built.
    case $line in
        FAIL* | *'"Action":"fail"'* | *'"Action":"build-fail"'*) status=1 ;;
    esac
    case $line in
        *'"Action":"pass"'*'"Test":'* | *'"Action":"fail"'*'"Test":'* | *'"Action":"skip"'*'"Test":'*)
            package=${line#*\"Package\":\"} test=${line#*\"Test\":\"}
            [ -z "${STRAIT_MARK:-}" ] || "${STRAIT:-strait}" mark "${package%%\"*}.${test%%\"*}" >&2
            ;;
    esac
done
exit "$status"
