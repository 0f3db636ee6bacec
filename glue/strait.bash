# Ends a sample of a Strait recording after each test of bats: load this in the test file. A file with a
# setup_file or teardown of its own calls strait_start or strait_end there.

strait_start() { "${STRAIT:-strait}" mark --if-recording "(start of ${BATS_TEST_FILENAME##*/})"; }
strait_end() { "${STRAIT:-strait}" mark --if-recording "${BATS_TEST_FILENAME##*/}: $BATS_TEST_DESCRIPTION"; }

setup_file() { strait_start; }
teardown() { strait_end; }
