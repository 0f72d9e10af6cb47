"""obstore: the object_store library of Rust, which polars and delta-rs use too."""

import threading
from datetime import timedelta

import obstore
import obstore.exceptions
import obstore.store

import arrow
from arrow import PLAIN_ODD_KEY
from steps import ACCESS_KEY, ENDPOINTS, SECRET_KEY, bytes_of, equal, fetch, step

BUCKET = "obstore-bucket"


def make_bucket(bucket):
    arrow.client().create_dir(bucket)


def remove_bucket(bucket):
    arrow.client().delete_dir(bucket)
    equal(arrow.client(1).get_file_info(bucket).type.name, "NotFound", "bucket")


def store(turn=0):
    endpoint = ENDPOINTS[turn % len(ENDPOINTS)]
    return obstore.store.S3Store(
        BUCKET,
        endpoint=endpoint,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


def objects():
    small = bytes_of(1, 5_000)
    attributes = {"Content-Type": "text/x-odd", "a": "1"}
    put = obstore.put(store(), PLAIN_ODD_KEY, small, attributes=attributes, use_multipart=False)
    got = obstore.get(store(1), PLAIN_ODD_KEY)
    equal((got.attributes["Content-Type"], got.attributes["a"]), ("text/x-odd", "1"), "attributes")
    equal(got.meta["e_tag"], put["e_tag"], "ETag")
    equal(bytes(got.bytes()) == small, True, "bytes")
    equal(bytes(obstore.get_range(store(2), PLAIN_ODD_KEY, start=10, end=20)), small[10:20], "range")
    pieces = obstore.get_ranges(store(), PLAIN_ODD_KEY, starts=[0, 4_000], lengths=[10, 10])
    equal([bytes(piece) for piece in pieces], [small[:10], small[4_000:4_010]], "ranges")
    equal(obstore.head(store(1), PLAIN_ODD_KEY)["size"], 5_000, "size")
    try:
        obstore.head(store(), "absent")
    except FileNotFoundError:
        pass
    else:
        raise AssertionError("an absent object was found")


def conditions():
    name = "counter"
    obstore.put(store(), name, b"0", mode="create")
    try:
        obstore.put(store(1), name, b"again", mode="create")
    except obstore.exceptions.AlreadyExistsError:
        pass
    else:
        raise AssertionError("it was created twice")
    failures = []

    def count(turn):
        try:
            for i in range(10):
                increase(name, turn + i)
        except Exception as error:  # noqa: BLE001  a thread's failure is the step's
            failures.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=count, args=(turn,)) for turn in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failures, [], "failures")
    equal(bytes(obstore.get(store(), name).bytes()), b"30", "count")


def increase(name, turn):
    """Reads and writes until nobody else wrote between."""
    while True:
        got = obstore.get(store(turn), name)
        mode = {"e_tag": got.meta["e_tag"]}
        try:
            obstore.put(store(turn + 1), name, str(int(bytes(got.bytes())) + 1).encode(), mode=mode)
        except obstore.exceptions.PreconditionError:
            continue
        return


def parts():
    large = bytes_of(2, 17 << 20)
    obstore.put(store(), "large", large, use_multipart=True, chunk_size=5 << 20)
    with obstore.open_writer(store(1), "stream", buffer_size=6 << 20) as writer:
        for at in range(0, len(large), 1 << 20):
            writer.write(large[at : at + (1 << 20)])
    for turn, name in enumerate(["large", "stream"]):
        equal(bytes(obstore.get(store(turn), name).bytes()) == large, True, name)


def names():
    obstore.copy(store(), PLAIN_ODD_KEY, "copies/odd + copy")
    obstore.rename(store(1), "stream", "copies/stream")
    found = obstore.list(store(2)).collect()
    equal(sorted(entry["path"] for entry in found), [PLAIN_ODD_KEY, "copies/odd + copy", "copies/stream", "counter", "large"], "names")
    below = obstore.list_with_delimiter(store())
    equal(sorted(below["common_prefixes"]), [PLAIN_ODD_KEY.split("/")[0], "copies"], "prefixes")
    after = obstore.list(store(1), offset="counter").collect()
    equal([entry["path"] for entry in after], ["large"], "names behind an offset")


def links():
    expires = timedelta(minutes=1)
    equal(fetch(obstore.sign(store(1), "GET", PLAIN_ODD_KEY, expires))[2] == bytes_of(1, 5_000), True, "GET")
    equal(fetch(obstore.sign(store(), "PUT", "by link", expires), "PUT", b"linked")[0], 200, "PUT")
    equal(bytes(obstore.get(store(2), "by link").bytes()), b"linked", "bytes")


def empty():
    entries = [entry["path"] for entry in obstore.list(store()).collect()]
    obstore.delete(store(1), entries)
    equal(obstore.list(store(2)).collect(), [], "left")
    remove_bucket(BUCKET)


def main():
    make_bucket(BUCKET)
    step("obstore: PUT, GET, attributes, ranges", objects)
    step("obstore: create once, count by conditional writes", conditions)
    step("obstore: parts, a stream", parts)
    step("obstore: copy, rename, lists", names)
    step("obstore: links", links)
    step("obstore: delete many, remove the bucket", empty)
