"""What each client's script is made of: where the server is, and a list of checks that each say what went wrong."""

import os
import sys
import traceback

HOST = os.environ["SSH_HOST"]
PORT = int(os.environ["SSH_PORT"])
USER = os.environ["SSH_USER"]
KEY = os.environ["SSH_KEY"]
KNOWN_HOSTS = os.environ["SSH_KNOWN_HOSTS"]
# A directory on the target that the user may write to.
DIRECTORY = os.environ["SSH_DIRECTORY"]

# Every byte, and more of them than a packet or a window holds.
PAYLOAD = bytes(range(256)) * 12_000

CHECKS = []


def check(function):
    """Marks a function as a check."""
    CHECKS.append(function)
    return function


def report(name, failed):
    """Says how many passed, and leaves with a status."""
    for which, trace in failed:
        print(f"  {name}: {which} failed\n{trace}", file=sys.stderr)
    print(f"ssh clients: {name:<10} {len(CHECKS) - len(failed)} of {len(CHECKS)} checks pass")
    sys.exit(1 if failed else 0)


def run(name, one):
    """Runs all checks, each by `one`."""
    failed = []
    for function in CHECKS:
        try:
            one(function)
        except Exception:  # noqa: BLE001
            failed.append((function.__name__, traceback.format_exc()))
    report(name, failed)
