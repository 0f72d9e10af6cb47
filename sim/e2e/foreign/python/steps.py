"""Steps that report a line each, and what all Python clients share."""

import hashlib
import os
import traceback
import urllib.request

ENDPOINTS = os.environ["SHOAL_ENDPOINTS"].split(",")
SCRATCH = os.environ["SHOAL_SCRATCH"]
ACCESS_KEY = os.environ["AWS_ACCESS_KEY_ID"]
SECRET_KEY = os.environ["AWS_SECRET_ACCESS_KEY"]
ODD_KEY = "a key/with ünïcødé = + // & <odd> 'quotes'?#.txt"


def step(title, work):
    try:
        work()
    except Exception as error:  # noqa: BLE001  every failure is a line
        text = f"{type(error).__name__}: {error}".replace("\n", " ")
        print(f"FAIL {title}\t{text}")
        for line in traceback.format_exc().splitlines()[-4:]:
            print(f"   {line}")
    else:
        print(f"ok {title}", flush=True)


def bytes_of(seed, size):
    """The same bytes for the same seed."""
    block = hashlib.shake_256(str(seed).encode()).digest(min(size, 1 << 20))
    return (block * (size // max(1, len(block)) + 1))[:size] if size > 0 else b""


def equal(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r:.200} instead of {expected!r:.200}")


def fetch(url, method="GET", data=None, headers=None):
    """Status, headers and body; errors too."""
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()
