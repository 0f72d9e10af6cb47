"""pyarrow: S3FileSystem, and data sets of Parquet files on it."""

import os

import pyarrow
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet

from steps import ACCESS_KEY, ENDPOINTS, ODD_KEY, SECRET_KEY, bytes_of, equal, step

# These clients refuse keys with an empty part between slashes.
PLAIN_ODD_KEY = ODD_KEY.replace("//", "-")
BUCKET = "pyarrow-bucket"


def client(turn=0):
    scheme, address = ENDPOINTS[turn % len(ENDPOINTS)].split("://")
    return pyarrow.fs.S3FileSystem(
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        endpoint_override=address,
        scheme=scheme,
        region="us-east-1",
        allow_bucket_creation=True,
        allow_bucket_deletion=True,
        tls_ca_file_path=os.environ.get("SSL_CERT_FILE"),
    )


def files():
    client().create_dir(BUCKET)
    equal(client(1).get_file_info(BUCKET).type.name, "Directory", "bucket")
    small = bytes_of(1, 5_000)
    with client().open_output_stream(f"{BUCKET}/{PLAIN_ODD_KEY}", metadata={"Content-Type": "text/x-odd"}) as out:
        out.write(small)
    with client(1).open_input_stream(f"{BUCKET}/{PLAIN_ODD_KEY}") as source:
        equal(source.metadata()["Content-Type"], b"text/x-odd", "type")
        equal(source.read() == small, True, "bytes")
    info = client(2).get_file_info(f"{BUCKET}/{PLAIN_ODD_KEY}")
    equal((info.type.name, info.size), ("File", 5_000), "info")
    equal(client().get_file_info(f"{BUCKET}/absent").type.name, "NotFound", "absent")


def parts():
    large = bytes_of(2, 27 << 20)
    with client().open_output_stream(f"{BUCKET}/large") as out:
        for at in range(0, len(large), 1 << 20):
            out.write(large[at : at + (1 << 20)])
    with client(1).open_input_file(f"{BUCKET}/large") as source:
        equal(source.size(), len(large), "size")
        equal(source.read_at(100, 11 << 20) == large[11 << 20 : (11 << 20) + 100], True, "range")
        equal(source.read() == large, True, "bytes")


def folders():
    remote = client(1)
    remote.create_dir(f"{BUCKET}/a/b/c")
    remote.copy_file(f"{BUCKET}/large", f"{BUCKET}/a/b/copy + of large")
    remote.move(f"{BUCKET}/{PLAIN_ODD_KEY}", f"{BUCKET}/a/moved")
    selector = pyarrow.fs.FileSelector(f"{BUCKET}/a", recursive=True)
    found = sorted((info.path, info.size) for info in client(2).get_file_info(selector))
    wanted = [("a/b", None), ("a/b/c", None), ("a/b/copy + of large", 27 << 20), ("a/moved", 5_000)]
    equal(found, [(f"{BUCKET}/{path}", size) for path, size in wanted], "tree")
    client().delete_dir(f"{BUCKET}/a/b")
    found = [info.path for info in client(1).get_file_info(selector)]
    equal(found, [f"{BUCKET}/a/moved"], "after delete_dir")


def datasets():
    rows = 30_000
    table = pyarrow.table({"n": range(rows), "part": [str(n % 5) for n in range(rows)]})
    path = f"{BUCKET}/set"
    pyarrow.parquet.write_table(table, f"{BUCKET}/one.parquet", filesystem=client())
    pyarrow.dataset.write_dataset(
        table, path, format="parquet", filesystem=client(1), partitioning=["part"], partitioning_flavor="hive"
    )
    equal(pyarrow.parquet.read_table(f"{BUCKET}/one.parquet", filesystem=client(2)).equals(table), True, "table")
    found = pyarrow.dataset.dataset(path, filesystem=client(2), partitioning="hive")
    wanted = (pyarrow.dataset.field("part") == 3) & (pyarrow.dataset.field("n") < 1_000)
    equal(sorted(found.to_table(filter=wanted)["n"].to_pylist()), list(range(3, 1_000, 5)), "rows of a filter")
    equal(found.count_rows(), rows, "rows")


def empty():
    client().delete_dir_contents(BUCKET)
    equal(client(1).get_file_info(pyarrow.fs.FileSelector(BUCKET, recursive=True)), [], "left")
    client(1).delete_dir(BUCKET)
    equal(client().get_file_info(BUCKET).type.name, "NotFound", "bucket")


def main():
    step("pyarrow: bucket, write, read, information", files)
    step("pyarrow: a stream in parts, ranges", parts)
    step("pyarrow: folders, copy, move, a tree", folders)
    step("pyarrow: Parquet, data sets in partitions, filters", datasets)
    step("pyarrow: empty and remove the bucket", empty)
