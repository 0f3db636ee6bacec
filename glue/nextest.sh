#!/bin/sh
# Ends a sample of a Strait recording after each test of cargo nextest, which runs each in a process of its
# own: BINARY --exact NAME. For use as the runner of the target.
status=0
"$@" || status=$?
binary=${1##*/}
while [ $# -gt 1 ]; do
    if [ "$1" = --exact ]; then
        [ -z "${STRAIT_MARK:-}" ] || "${STRAIT:-strait}" mark "${NEXTEST_BINARY_ID:-$binary} $2" >&2
        break
    fi
    shift
done
exit "$status"
