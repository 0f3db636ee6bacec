#!/bin/sh
# Ends a sample of a Strait recording after each test that `go test -json` tells about, and passes on what
# it reads.
while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in
        *'"Action":"pass"'*'"Test":'* | *'"Action":"fail"'*'"Test":'* | *'"Action":"skip"'*'"Test":'*)
            package=${line#*\"Package\":\"} test=${line#*\"Test\":\"}
            [ -z "${STRAIT_MARK:-}" ] || "${STRAIT:-strait}" mark "${package%%\"*}.${test%%\"*}" >&2
            ;;
    esac
done
