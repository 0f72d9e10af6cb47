"""delta-rs: a table whose writers race by conditional writes."""

import threading

import deltalake
import pyarrow

import obstore_py
import polars_py
from steps import equal, step

BUCKET = "delta-bucket"
URL = f"s3://{BUCKET}/a table"
RACE_URL = f"s3://{BUCKET}/race"
WRITERS = 4
WRITES = 8


def rows(numbers, who="first"):
    numbers = list(numbers)
    columns = {"n": numbers, "who": [who] * len(numbers)}
    return pyarrow.table(columns, pyarrow.schema([("n", pyarrow.int64()), ("who", pyarrow.string())]))


def table(turn=0, url=URL, **more):
    return deltalake.DeltaTable(url, storage_options=polars_py.options(turn), **more)


def write_and_read():
    deltalake.write_deltalake(URL, rows(range(1_000)), storage_options=polars_py.options())
    deltalake.write_deltalake(URL, rows(range(1_000, 1_500), "second"), mode="append", storage_options=polars_py.options(1))
    equal(table(2).version(), 1, "version")
    found = table().to_pyarrow_table()
    equal(sorted(found["n"].to_pylist()), list(range(1_500)), "rows")
    equal(table(1, version=0).to_pyarrow_table().num_rows, 1_000, "rows of version 0")


def change():
    equal(table().delete("n < 100")["num_deleted_rows"], 100, "deleted")
    source = rows(range(1_400, 1_600), "merged")
    merged = table(1).merge(source, "target.n = source.n", source_alias="source", target_alias="target")
    merged = merged.when_matched_update_all().when_not_matched_insert_all().execute()
    equal((merged["num_target_rows_updated"], merged["num_target_rows_inserted"]), (100, 100), "merged")
    found = table(2).to_pyarrow_table()
    equal(sorted(found["n"].to_pylist()), list(range(100, 1_600)), "rows")
    equal(found["who"].to_pylist().count("merged"), 200, "merged rows")


def tidy():
    table().create_checkpoint()
    table(1).optimize.compact()
    removed = table(2).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    equal(len(removed) > 0, True, "files removed")
    equal(table().to_pyarrow_table().num_rows, 1_500, "rows")


def race():
    """Each append makes the next file of the log; that of the loser is refused by the store, and it tries again."""
    options = polars_py.options()
    deltalake.write_deltalake(RACE_URL, rows([]), storage_options=options)
    failures = []
    commit = deltalake.CommitProperties(max_commit_retries=200)

    def append(who):
        try:
            for turn in range(WRITES):
                numbers = [who * WRITES + turn]
                options = polars_py.options(who + turn)
                data = rows(numbers, str(who))
                deltalake.write_deltalake(RACE_URL, data, mode="append", storage_options=options, commit_properties=commit)
        except Exception as error:  # noqa: BLE001  a thread's failure is the step's
            failures.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=append, args=(who,)) for who in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failures, [], "failures of writers")
    found = table(1, RACE_URL)
    equal(found.version(), WRITERS * WRITES, "version")
    equal(sorted(found.to_pyarrow_table()["n"].to_pylist()), list(range(WRITERS * WRITES)), "rows")


def main():
    obstore_py.make_bucket(BUCKET)
    step("delta-rs: write, append, read, an older version", write_and_read)
    step("delta-rs: delete, merge", change)
    step("delta-rs: checkpoint, compact, vacuum", tidy)
    step(f"delta-rs: {WRITERS} writers race, no row is lost", race)
    step("delta-rs: remove the bucket", lambda: obstore_py.remove_bucket(BUCKET))
