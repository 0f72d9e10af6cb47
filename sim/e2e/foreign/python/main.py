"""Runs the suites of boto3, minio and aws-cli v1, one line a step."""

import aws_v1
import boto
import minio_py

boto.main()
minio_py.main()
aws_v1.main()
print("done")
