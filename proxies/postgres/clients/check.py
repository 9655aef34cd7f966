"""What every driver's script is made of: where the gateway is, and a list of checks that each say what went wrong."""

import os
import sys
import traceback

HOST = os.environ["PGHOST"]
PORT = int(os.environ["PGPORT"])
USER = os.environ["PGUSER"]
PASSWORD = os.environ["PGPASSWORD"]
DATABASE = os.environ["PGDATABASE"]

# Of the table `people`; none of it may reach a client.
SECRETS = ("@example", "4111 1111", "5555 5555")

# A trigger may have put masked values into a notification, so under this policy only that it came is told.
PAYLOAD = "hidden, because masked columns may be involved"

CHECKS = []


def check(function):
    """Marks a function as a check."""
    CHECKS.append(function)
    return function


def hidden(rows):
    """Asserts that there are rows, masked ones."""
    text = repr(rows)
    assert "redacted" in text or "1111" in text, f"no masked value in {text}"
    for secret in SECRETS:
        assert secret.lower() not in text.lower(), f"{secret} in {text}"


def report(name, failed):
    """Says how many passed, and leaves with a status."""
    for which, trace in failed:
        print(f"  {name}: {which} failed\n{trace}", file=sys.stderr)
    print(f"clients: {name:<24} {len(CHECKS) - len(failed)} of {len(CHECKS)} checks pass")
    sys.exit(1 if failed else 0)


def run(name, fresh):
    """Runs all checks, each with what `fresh` makes."""
    failed = []
    for function in CHECKS:
        try:
            function(fresh())
        except Exception:  # noqa: BLE001
            failed.append((function.__name__, traceback.format_exc()))
    report(name, failed)
