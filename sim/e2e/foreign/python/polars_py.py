"""polars: Parquet files written and scanned."""

import polars

import obstore_py
from steps import ACCESS_KEY, ENDPOINTS, SECRET_KEY, equal, step

BUCKET = "polars-bucket"
ROWS = 200_000


def options(turn=0):
    endpoint = ENDPOINTS[turn % len(ENDPOINTS)]
    return {
        "aws_access_key_id": ACCESS_KEY,
        "aws_secret_access_key": SECRET_KEY,
        "aws_region": "us-east-1",
        "aws_endpoint_url": endpoint,
        "aws_allow_http": "true",
    }


def frame():
    numbers = polars.Series("n", range(ROWS))
    return polars.DataFrame({"n": numbers, "square": numbers * numbers, "part": numbers % 4})


def write_and_read():
    url = f"s3://{BUCKET}/a folder/one.parquet"
    frame().write_parquet(url, storage_options=options(), row_group_size=20_000)
    equal(polars.read_parquet(url, storage_options=options(1)).equals(frame()), True, "frame")


def scan():
    url = f"s3://{BUCKET}/a folder/*.parquet"
    lazy = polars.scan_parquet(url, storage_options=options(2))
    found = lazy.filter(polars.col("n").is_between(50_000, 50_009)).select("square").collect()
    equal(found["square"].to_list(), [n * n for n in range(50_000, 50_010)], "rows of a filter")
    equal(lazy.select(polars.len()).collect().item(), ROWS, "rows")


def sink():
    target = polars.PartitionBy(f"s3://{BUCKET}/parts/", key="part")
    frame().lazy().sink_parquet(target, storage_options=options(), mkdir=True)
    lazy = polars.scan_parquet(f"s3://{BUCKET}/parts/", storage_options=options(1), hive_partitioning=True)
    found = lazy.group_by("part").agg(polars.len()).sort("part").collect()
    equal(found["len"].to_list(), [ROWS // 4] * 4, "rows of the partitions")


def text():
    url = f"s3://{BUCKET}/lines.csv"
    frame().head(100).lazy().sink_csv(url, storage_options=options(2))
    equal(polars.scan_csv(url, storage_options=options()).collect().height, 100, "lines")


def main():
    obstore_py.make_bucket(BUCKET)
    step("polars: write and read Parquet", write_and_read)
    step("polars: scan with a filter", scan)
    step("polars: sink into partitions, scan them", sink)
    step("polars: CSV", text)
    step("polars: remove the bucket", lambda: obstore_py.remove_bucket(BUCKET))
