"""Ends a sample of a Strait recording after each test: pytest -p strait_pytest."""

import os
import subprocess


def mark(name):
    if os.environ.get("STRAIT_MARK"):
        subprocess.run([os.environ.get("STRAIT", "strait"), "mark", name], check=False)


def pytest_collection_finish():
    mark("(collection)")


def pytest_runtest_logfinish(nodeid):
    mark(nodeid)
