"""Version 1 of aws-cli, whose links carry signature version 2 unless its profile says otherwise."""

import os
import subprocess
import sys

from steps import ENDPOINTS, SCRATCH, bytes_of, equal, fetch, step

BUCKET = "aws-v1-bucket"


def aws(*args, turn=0):
    endpoint = ["--endpoint-url", ENDPOINTS[turn % len(ENDPOINTS)]]
    done = subprocess.run(
        [sys.executable, "-m", "awscli", *endpoint, *args], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise AssertionError(f"aws {' '.join(args)}: {done.stderr}")
    return done.stdout


def presign():
    path = os.path.join(SCRATCH, "aws-v1")
    with open(path, "wb") as file:
        file.write(bytes_of(1, 5000))
    aws("s3", "mb", f"s3://{BUCKET}")
    aws("s3", "cp", path, f"s3://{BUCKET}/a key + more")
    url = aws("s3", "presign", f"s3://{BUCKET}/a key + more", turn=1).strip()
    equal("AWSAccessKeyId=" in url, True, "signature version 2")
    equal(fetch(url)[2] == bytes_of(1, 5000), True, "GET")
    aws("s3", "rb", "--force", f"s3://{BUCKET}", turn=2)


def main():
    step("aws-cli v1: mb, cp, presign, rb", presign)
