#!/bin/sh
# Runs each test of a Go package in a process of its own, and ends a sample of a Strait recording after it.
# For `go test -exec`, which calls this with the binary of the tests and their flags.
binary=$1
shift
tests=. parts=
for flag in "$@"; do
    case $flag in
        -test.run=*/*) tests=${flag#*=} parts=/${tests#*/} tests=${tests%%/*} ;;
        -test.run=*) tests=${flag#*=} ;;
    esac
done
package=${binary##*/}
status=0
# If they cannot be listed, none is run, and that has to fail.
names=$("$binary" -test.list "$tests") || exit
for test in $names; do
    case $test in
        Test* | Example* | Fuzz*)
            "$binary" "$@" "-test.run=^$test\$$parts" || status=$?
            [ -z "${STRAIT_MARK:-}" ] || "${STRAIT:-strait}" mark "${package%.test}.$test" >&2
            ;;
    esac
done
exit "$status"
