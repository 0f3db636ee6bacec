"""Ends a sample of a Strait recording after each test: pytest -p strait_pytest."""

import os
import subprocess
import sys


def mark(name):
    if os.environ.get("STRAIT_MARK"):
        try:
            subprocess.run([os.environ.get("STRAIT", "strait"), "mark", name], check=False)
        except OSError as error:
            print(f"strait mark: {error}", file=sys.stderr)


def pytest_collection_finish():
    mark("(collection)")


def pytest_runtest_logfinish(nodeid):
    mark(nodeid)
