"""Forms, as a browser posts them."""

from urllib3.filepost import encode_multipart_formdata

from steps import fetch


def post_form(url, fields, data, filename="a b.txt"):
    """Posts a form with a file, as a browser would; the answer like fetch."""
    body, kind = encode_multipart_formdata([*fields.items(), ("file", (filename, data))])
    return fetch(url, "POST", body, {"content-type": kind})
