"""boto3: the defaults of us-east-1, which presign with signature version 2, and signature version 4."""

import io
import os

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from forms import post_form
from steps import ENDPOINTS, ODD_KEY, SCRATCH, bytes_of, equal, fetch, step

BUCKET = "boto3-bucket"


def client(service="s3", turn=0, **options):
    s3 = options.pop("s3", {"addressing_style": "path"})
    config = Config(retries={"max_attempts": 1}, s3=s3, **options)
    return boto3.client(
        service, endpoint_url=ENDPOINTS[turn % len(ENDPOINTS)], region_name="us-east-1", config=config
    )


def code_of(work):
    try:
        work()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "200"


def buckets():
    s3 = client()
    s3.create_bucket(Bucket=BUCKET)
    # In us-east-1 making one's own bucket again succeeds.
    client(turn=1).create_bucket(Bucket=BUCKET)
    head = s3.head_bucket(Bucket=BUCKET)
    equal(head["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"], "us-east-1", "region")
    equal(s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"], None, "location")
    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    equal(BUCKET in names, True, "listed")


def objects():
    body = bytes_of(1, 5000)
    put = client().put_object(
        Bucket=BUCKET, Key=ODD_KEY, Body=body, Metadata={"a": "1"}, ContentType="text/x-odd", Tagging=""
    )
    got = client(turn=1).get_object(Bucket=BUCKET, Key=ODD_KEY, ChecksumMode="ENABLED")
    equal(got["Body"].read(), body, "bytes")
    equal(got["Metadata"], {"a": "1"}, "metadata")
    equal(got["ETag"], put["ETag"], "etag")
    equal(got["ChecksumCRC32"], put["ChecksumCRC32"], "CRC32")
    equal(got["ChecksumType"], "FULL_OBJECT", "checksum type")
    part = client().get_object(Bucket=BUCKET, Key=ODD_KEY, Range="bytes=-10")
    equal(part["Body"].read(), body[-10:], "suffix range")


def stream():
    class Stream(io.RawIOBase):
        """Can't be read twice: its checksum goes into a trailer."""

        def __init__(self, data):
            self.data = io.BytesIO(data)

        def read(self, size=-1):
            return self.data.read(size)

        def readable(self):
            return True

    body = bytes_of(2, 300_000)
    client().put_object(Bucket=BUCKET, Key="stream", Body=io.BytesIO(body), ChecksumAlgorithm="SHA256")
    equal(client(turn=2).get_object(Bucket=BUCKET, Key="stream")["Body"].read(), body, "bytes")
    client().upload_fileobj(Stream(body), BUCKET, "stream-2")
    equal(client(turn=1).get_object(Bucket=BUCKET, Key="stream-2")["Body"].read(), body, "bytes of stream")


def checksums():
    for name in ["CRC32", "SHA1", "SHA256"]:
        put = client().put_object(Bucket=BUCKET, Key=f"sum-{name}", Body=b"hello", ChecksumAlgorithm=name)
        attributes = client(turn=1).get_object_attributes(
            Bucket=BUCKET, Key=f"sum-{name}", ObjectAttributes=["Checksum", "ObjectSize", "ETag"]
        )
        equal(attributes["Checksum"][f"Checksum{name}"], put[f"Checksum{name}"], name)
        equal(attributes["ObjectSize"], 5, "size")
    plain = client(request_checksum_calculation="when_required")
    plain.put_object(Bucket=BUCKET, Key="sum-none", Body=b"hello")
    head = plain.head_object(Bucket=BUCKET, Key="sum-none", ChecksumMode="ENABLED")
    equal(bool(head.get("ChecksumCRC64NVME")), True, "CRC64NVME where none was declared")


def multipart():
    path = os.path.join(SCRATCH, "large.bin")
    body = bytes_of(3, 18 << 20)
    with open(path, "wb") as file:
        file.write(body)
    config = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=6 << 20, max_concurrency=3)
    client().upload_file(path, BUCKET, "large", Config=config)
    client(turn=1).download_file(BUCKET, "large", path + ".down", Config=config)
    with open(path + ".down", "rb") as file:
        equal(file.read() == body, True, "same bytes")
    attributes = client().get_object_attributes(
        Bucket=BUCKET, Key="large", ObjectAttributes=["ObjectParts", "Checksum"]
    )
    equal(attributes["ObjectParts"]["TotalPartsCount"], 3, "parts")
    client().copy({"Bucket": BUCKET, "Key": "large"}, BUCKET, "copy of large + more", Config=config)
    head = client(turn=2).head_object(Bucket=BUCKET, Key="copy of large + more")
    equal(head["ContentLength"], len(body), "length of the copy")
    part = client().get_object(Bucket=BUCKET, Key="large", PartNumber=2)
    equal(part["Body"].read(), body[6 << 20 : 12 << 20], "part 2")


def conditions():
    s3 = client()
    s3.put_object(Bucket=BUCKET, Key="once", Body=b"1", IfNoneMatch="*")
    again = code_of(lambda: client(turn=1).put_object(Bucket=BUCKET, Key="once", Body=b"2", IfNoneMatch="*"))
    equal(again, "PreconditionFailed", "second PUT")
    wrong = code_of(lambda: s3.put_object(Bucket=BUCKET, Key="once", Body=b"2", IfMatch='"0"'))
    equal(wrong, "PreconditionFailed", "wrong ETag")
    equal(code_of(lambda: s3.get_object(Bucket=BUCKET, Key="absent")), "NoSuchKey", "absent")


def listing():
    s3 = client()
    for i in range(25):
        client(turn=i).put_object(Bucket=BUCKET, Key=f"list/{i % 3}/{i}", Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 4}
    )
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    equal(keys, sorted(f"list/{i % 3}/{i}" for i in range(25)), "keys")
    folded = s3.list_objects(Bucket=BUCKET, Prefix="list/", Delimiter="/", MaxKeys=2)
    equal([p["Prefix"] for p in folded["CommonPrefixes"]], ["list/0/", "list/1/"], "prefixes")
    equal(folded["NextMarker"], "list/1/", "next marker")
    deleted = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
    equal(len(deleted["Deleted"]), 25, "deleted")


def copies():
    s3 = client()
    s3.copy_object(Bucket=BUCKET, Key="copy + of odd", CopySource={"Bucket": BUCKET, "Key": ODD_KEY})
    got = client(turn=1).get_object(Bucket=BUCKET, Key="copy + of odd")
    equal(got["Body"].read(), bytes_of(1, 5000), "bytes")
    equal(got["Metadata"], {"a": "1"}, "metadata of the copy")


def presigned(kind, **options):
    """`kind`: what must stand in the address."""
    s3 = client(**options)
    body = bytes_of(1, 5000)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": ODD_KEY}, ExpiresIn=60)
    equal(kind in url, True, f"{kind} in the address")
    equal(fetch(url)[2] == body, True, "GET")
    params = {
        "Bucket": BUCKET,
        "Key": ODD_KEY,
        "ResponseContentDisposition": 'attachment; filename="a b.txt"',
    }
    status, headers, _ = fetch(s3.generate_presigned_url("get_object", Params=params))
    equal((status, headers["content-disposition"]), (200, 'attachment; filename="a b.txt"'), "disposition")
    params = {"Bucket": BUCKET, "Key": "put by link", "ContentType": "text/plain"}
    url = s3.generate_presigned_url("put_object", Params=params)
    equal(fetch(url, "PUT", b"linked", {"content-type": "text/plain"})[0], 200, "PUT")
    equal(client(turn=1).get_object(Bucket=BUCKET, Key="put by link")["Body"].read(), b"linked", "bytes")
    params = {"Bucket": BUCKET, "Key": "tagged by link", "ContentType": "text/plain", "Tagging": "a=1"}
    url = s3.generate_presigned_url("put_object", Params=params)
    headers = {"content-type": "text/plain", "x-amz-tagging": "a=1"}
    equal(fetch(url, "PUT", b"linked", headers)[0], 200, "PUT with tags")
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="tagged by link")["TagSet"]
    equal(tags, [{"Key": "a", "Value": "1"}], "tags")
    url = s3.generate_presigned_url("head_object", Params={"Bucket": BUCKET, "Key": ODD_KEY})
    equal(fetch(url, "HEAD")[0], 200, "HEAD")
    tampered = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "large"})
    equal(fetch(tampered.replace("/large", "/stream"))[0], 403, "another key")
    listed = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": BUCKET, "MaxKeys": 2})
    equal(fetch(listed)[0], 200, "list")


def posted(field, s3):
    """`field` is of the form's signature."""
    fields = {"Content-Type": "text/x-form", "x-amz-meta-a": "1"}
    conditions = [*({name: value} for name, value in fields.items()), ["content-length-range", 1, 100_000]]
    form = s3.generate_presigned_post(BUCKET, "forms/${filename}", fields, conditions, ExpiresIn=60)
    url, fields = form["url"], form["fields"]
    equal(field in fields, True, "the fields")
    body = bytes_of(5, 100_000)
    status, headers, answer = post_form(url, fields, body)
    equal((status, answer), (204, b""), "POST")
    got = client(turn=1).get_object(Bucket=BUCKET, Key="forms/a b.txt")
    equal(got["Body"].read() == body, True, "bytes")
    equal((got["ContentType"], got["Metadata"]), ("text/x-form", {"a": "1"}), "headers")
    equal(got["ETag"], headers["ETag"], "ETag")
    refused = post_form(url, fields, body + b"1", "larger")
    equal((refused[0], b"<Code>EntityTooLarge</Code>" in refused[2]), (400, True), "a larger file")
    changed = post_form(url, {**fields, "x-amz-meta-a": "2"}, body, "changed")
    equal((changed[0], b"Policy Condition failed" in changed[2]), (403, True), "another value")


def session():
    given = client("sts").get_session_token()["Credentials"]
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINTS[-1],
        region_name="us-east-1",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def encryption():
    s3 = client()
    body = bytes_of("encrypted", 200_000)
    made = s3.put_object(Bucket=BUCKET, Key="sse", Body=body, ServerSideEncryption="AES256")
    equal(made["ServerSideEncryption"], "AES256", "method")
    equal(s3.get_object(Bucket=BUCKET, Key="sse")["Body"].read(), body, "content")
    made = s3.put_object(Bucket=BUCKET, Key="kms", Body=body, ServerSideEncryption="aws:kms")
    equal(made["SSEKMSKeyId"].endswith(":key/shoal-s3"), True, "key")
    part = s3.get_object(Bucket=BUCKET, Key="kms", Range="bytes=65000-66000")["Body"].read()
    equal(part, body[65000:66001], "range")
    own = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
    s3.upload_fileobj(io.BytesIO(body * 60), BUCKET, "own", ExtraArgs=own)
    target = io.BytesIO()
    s3.download_fileobj(BUCKET, "own", target, ExtraArgs=own)
    equal(target.getvalue() == body * 60, True, "content by the client's key")
    equal(code_of(lambda: s3.get_object(Bucket=BUCKET, Key="own")), "InvalidRequest", "without the key")
    other = {**own, "SSECustomerKey": b"x" * 32}
    equal(code_of(lambda: s3.get_object(Bucket=BUCKET, Key="own", **other)), "AccessDenied", "another key")
    source = {"Bucket": BUCKET, "Key": "own"}
    theirs = {"CopySource" + name: value for name, value in own.items()}
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=source, **theirs)
    equal(s3.get_object(Bucket=BUCKET, Key="copy")["Body"].read() == body * 60, True, "copy")


def identities():
    identity = client("sts").get_caller_identity()
    equal(":root" in identity["Arn"], True, "root")
    iam = client("iam", turn=1)
    iam.create_user(UserName="boto")
    key = iam.create_access_key(UserName="boto")["AccessKey"]
    denied = boto3.client(
        "s3",
        endpoint_url=ENDPOINTS[-1],
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    equal(code_of(lambda: denied.list_objects_v2(Bucket=BUCKET)), "AccessDenied", "without a policy")
    iam.delete_access_key(UserName="boto", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="boto")


def empty():
    s3 = client()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        keys = [{"Key": entry["Key"]} for entry in page.get("Contents", [])]
        if keys:
            s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys, "Quiet": True})
    s3.delete_bucket(Bucket=BUCKET)


def main():
    step("boto3: buckets, one's own made twice", buckets)
    step("boto3: PUT, GET, metadata, range, an empty tagging header", objects)
    step("boto3: streams", stream)
    step("boto3: checksums and attributes", checksums)
    step("boto3: parts, copy in parts, one part read", multipart)
    step("boto3: conditions", conditions)
    step("boto3: listings, delete many", listing)
    step("boto3: copy of an odd key", copies)
    step("boto3: links as made by default (signature version 2)", lambda: presigned("AWSAccessKeyId="))
    step(
        "boto3: links by signature version 4",
        lambda: presigned("X-Amz-Signature=", signature_version="s3v4"),
    )
    step("boto3: forms as made by default (signature version 2)", lambda: posted("AWSAccessKeyId", client()))
    step(
        "boto3: forms by signature version 4",
        lambda: posted("x-amz-signature", client(signature_version="s3v4")),
    )
    step("boto3: forms of a session", lambda: posted("x-amz-security-token", session()))
    step("boto3: encryption by keys of the cluster and of the client", encryption)
    step("boto3: IAM and STS", identities)
    step("boto3: empty and remove the bucket", empty)
