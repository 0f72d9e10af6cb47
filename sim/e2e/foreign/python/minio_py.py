"""minio for Python."""

import io
import os
from datetime import datetime, timedelta, timezone
from urllib.parse import urlparse

from minio import Minio
from minio.commonconfig import ComposeSource, CopySource
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from forms import post_form
from steps import ACCESS_KEY, ENDPOINTS, ODD_KEY, SCRATCH, SECRET_KEY, bytes_of, equal, fetch, step

BUCKET = "minio-py-bucket"


def client(turn=0):
    url = urlparse(ENDPOINTS[turn % len(ENDPOINTS)])
    return Minio(url.netloc, access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=url.scheme == "https")


def objects():
    client().make_bucket(BUCKET)
    equal(client(1).bucket_exists(BUCKET), True, "exists")
    body = bytes_of(1, 70_000)
    client().put_object(BUCKET, ODD_KEY, io.BytesIO(body), len(body), metadata={"a": "1"})
    reply = client(1).get_object(BUCKET, ODD_KEY)
    equal(reply.read() == body, True, "bytes")
    reply.close()
    reply.release_conn()
    stat = client(2).stat_object(BUCKET, ODD_KEY)
    equal((stat.size, stat.metadata["x-amz-meta-a"]), (70_000, "1"), "stat")
    reply = client().get_object(BUCKET, ODD_KEY, offset=100, length=50)
    equal(reply.read(), body[100:150], "range")
    reply.close()
    reply.release_conn()
    try:
        client().stat_object(BUCKET, "absent")
    except S3Error as error:
        equal(error.code, "NoSuchKey", "absent")
    else:
        raise AssertionError("an absent object was found")


def parts():
    body = bytes_of(2, 17 << 20)
    path = os.path.join(SCRATCH, "minio.bin")
    # A length that is not known: parts of 5 MiB.
    client().put_object(BUCKET, "unknown", io.BytesIO(body), -1, part_size=5 << 20)
    client(1).fget_object(BUCKET, "unknown", path)
    with open(path, "rb") as file:
        equal(file.read() == body, True, "bytes")
    client(2).fput_object(BUCKET, "file", path, part_size=6 << 20)
    equal(client().stat_object(BUCKET, "file").size, len(body), "size")
    sources = [ComposeSource(BUCKET, "unknown"), ComposeSource(BUCKET, ODD_KEY)]
    client(1).compose_object(BUCKET, "composed + of two", sources)
    equal(client().stat_object(BUCKET, "composed + of two").size, len(body) + 70_000, "composed")
    client().copy_object(BUCKET, "copy", CopySource(BUCKET, ODD_KEY))
    equal(client(2).stat_object(BUCKET, "copy").size, 70_000, "copied")


def links():
    url = client().presigned_get_object(BUCKET, ODD_KEY, expires=timedelta(minutes=1))
    equal(fetch(url)[2] == bytes_of(1, 70_000), True, "GET")
    url = client(1).presigned_put_object(BUCKET, "by link", expires=timedelta(minutes=1))
    equal(fetch(url, "PUT", b"linked")[0], 200, "PUT")


def forms():
    policy = PostPolicy(BUCKET, datetime.now(timezone.utc) + timedelta(minutes=1))
    policy.add_starts_with_condition("key", "form/")
    policy.add_content_length_range_condition(1, 100)
    fields = {**client().presigned_post_policy(policy), "key": "form/${filename}"}
    url = f"{ENDPOINTS[-1]}/{BUCKET}"
    equal(post_form(url, fields, b"posted")[0], 204, "POST")
    equal(client(1).get_object(BUCKET, "form/a b.txt").read(), b"posted", "bytes")
    equal(post_form(url, {**fields, "key": "elsewhere"}, b"posted")[0], 403, "another key")


def listing():
    names = [entry.object_name for entry in client().list_objects(BUCKET, recursive=True)]
    equal(names, sorted(names), "order")
    equal(ODD_KEY in names, True, "odd key listed")
    errors = list(client().remove_objects(BUCKET, [DeleteObject(name) for name in names]))
    equal(errors, [], "errors of deletes")
    client(1).remove_bucket(BUCKET)


def main():
    step("minio-py: PUT, GET, stat, range", objects)
    step("minio-py: parts, unknown lengths, compose, copy", parts)
    step("minio-py: links", links)
    step("minio-py: forms", forms)
    step("minio-py: list, delete many, remove the bucket", listing)
