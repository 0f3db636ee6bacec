# Ends a sample of a Strait recording after each test of bats: load this in the test file. A file with a
# setup_file or teardown of its own calls strait_start or strait_end there.

strait_mark() { [ -z "${STRAIT_MARK:-}" ] || "${STRAIT:-strait}" mark "$1" || :; }
strait_start() { strait_mark "(start of ${BATS_TEST_FILENAME##*/})"; }
strait_end() { strait_mark "${BATS_TEST_FILENAME##*/}: $BATS_TEST_DESCRIPTION"; }

setup_file() { strait_start; }
teardown() { strait_end; }
