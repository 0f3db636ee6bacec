#!/bin/sh
# Ends a sample of a Strait recording after a suite that has written a report in JUnit's XML, under the
# name of the suite.
set -eu
name=$(sed -n 's/.*<testsuite [^>]*\bname="\([^"]*\)".*/\1/p' "$1" | head -n 1)
[ -z "${STRAIT_MARK:-}" ] || "${STRAIT:-strait}" mark -- "${name:-$1}" || :
