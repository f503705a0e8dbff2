"""Attacks by the request itself: paths that climb, headers and forms that lie."""

import json
import socket

import pytest

from tests.service.asking import body
from tests.service.attacked import server, untouched
from tests.service.server import Server
from tests.service.test_bad_requests import GOOD, MULTIPART, Bad, exchange, part, upload

pytestmark = pytest.mark.any_extractor

__all__ = ["server"]  # a fixture
CLIMBS = r"""
    .. ../secret ..%2fsecret %2e%2e/secret %2e%2e%2fsecret ..%5csecret ..%255csecret %252e%252e%252fsecret ..\secret
    cats/../secret cats/%2e%2e/secret ./secret %2e/secret /secret %2fsecret //secret secret/ secret%2f secret%00
    secret%00.jpg secret%0a secret%0d%0aX:%20y secret%20 %20secret SECRET secret. secret;a=b secret%3f secret%23
    ..;/secret %c0%ae%c0%ae/secret %u002e%u002e/secret ~secret file:///etc/passwd etc%2fpasswd C:%5cwindows con
    %ef%bc%8e%ef%bc%8e/secret s%65cret%e2%80%ae * %25 %
"""


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("place", ["/images/", "/collections/"])
def test_paths_that_climb_reach_nothing(server, method, place):
    for name in CLIMBS.split():
        status, kind, content = exchange(server, Bad(name, 404, method, place + name))
        assert status in (400, 404, 405), (name, content)
        assert kind == "application/problem+json"
    assert untouched(server)


@pytest.mark.parametrize(
    "name", ["..", "../default", "default/../x", "a/b", "a\\b", ".", "-rf", "a\u0000", "a\n", "ａ", "con."]
)
def test_names_of_collections_that_climb_are_refused_wherever_they_may_be_said(server, name):
    for path, document in {
        "/collections": {"name": name},
        "/add": body(GOOD, collection=name),
        "/search": body(GOOD, collection=name),
        "/compare": {"a": {"id": "secret", "collection": name}, "b": {"id": "secret"}},
        "/pairs": {"collection": name, "a": "secret", "b": "cats/1.jpg", "verdict": "duplicates"},
        "/jobs": {"kind": "ingest", "collection": name},
    }.items():
        assert server.ask("POST", path, json=document).status_code == 400, path
    assert server.ask("POST", "/add", json=body(GOOD, against=[name])).status_code == 400
    assert server.ask("POST", "/add", json=body(GOOD, collection=name, wait=False)).status_code == 400
    assert untouched(server)


def raw(server: Server, head: bytes, content: bytes = b"") -> bytes:
    """What comes back for exactly these bytes; no answer at all is empty."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall(head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + content)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while more := connection.recv(65536):
            received += more
    return received


LYING = {
    "two lengths": b"Content-Length: 5\nContent-Length: 60",
    "a length and chunks": b"Content-Length: 5\nTransfer-Encoding: chunked",
    "a negative length": b"Content-Length: -5",
    "a length that is no number": b"Content-Length: 0x10",
    "a length with a plus": b"Content-Length: +5",
    "an unknown transfer coding": b"Transfer-Encoding: chunked, identity",
    "a hidden transfer coding": b"Transfer-Encoding : chunked",
    "a folded header": b"X-A: b\n Transfer-Encoding: chunked",
    "a header without a name": b": x",
    "a header with NUL": b"X-A: a\0b",
    "a header that is too large": b"X-A: " + b"a" * 100_000,
    "too many headers": b"\n".join(b"X-%d: a" % number for number in range(500)),
}


@pytest.mark.parametrize("lie", LYING.values(), ids=LYING.keys())
def test_headers_that_lie_about_the_request_are_refused(server, lie):
    smuggled = b"DELETE /images/secret HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"POST /jobs HTTP/1.1\nHost: localhost\nContent-Type: application/json\n" + lie
    status = raw(server, head, b"0\r\n\r\n" + smuggled).split(b"\r\n")[0].split(b" ")
    assert len(status) < 2 or status[1] in (b"400", b"413", b"431", b"501"), status
    assert untouched(server)


OTHERWISE = """
X-HTTP-Method-Override: DELETE
X-Method-Override: DELETE
X-Original-URL: /images/secret
X-Rewrite-URL: /jobs
Range: bytes=0-0
If-Match: *
Accept: ,;q=x
Accept-Charset: utf-7
TE: trailers
Authorization: Basic Og==
Content-Encoding: gzip
Upgrade: h2c
"""
PASSED_OVER = [*OTHERWISE.strip().splitlines(), "Accept: " + "a/b," * 900, "Cookie: " + "a=b;" * 900]


@pytest.mark.parametrize("header", PASSED_OVER, ids=lambda header: header[:24])
def test_headers_that_ask_for_something_else_change_nothing(server, header):
    received = raw(server, b"GET /images/secret HTTP/1.1\nHost: localhost\nConnection: close\n" + header.encode())
    head, _, content = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    assert json.loads(content)["id"] == "secret"
    assert untouched(server)


@pytest.mark.parametrize("key", ["", " ", "a" * 256, "é", "a\tb", "a\x7f", "\x00"])
def test_idempotency_keys_that_are_none_are_refused(server, key):
    head = b"POST /add HTTP/1.1\nHost: localhost\nConnection: close\nContent-Type: application/json\nIdempotency-Key: "
    content = json.dumps(body(GOOD)).encode()
    received = raw(server, head + key.encode() + b"\nContent-Length: %d" % len(content), content)
    assert received.startswith(b"HTTP/1.1 400 "), received[:200]
    assert untouched(server)


def file(name: str) -> bytes:
    """A part of a multipart form with a picture."""
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a.jpg"\r\n\r\n'
    return head.encode() + GOOD + b"\r\n"


FORMS = {
    "a field twice": upload(GOOD, part("id", b"a") + part("id", b"b")),
    "a picture twice": file("image") + upload(GOOD),
    "a file where a field belongs": file("collection") + upload(GOOD),
    "a file that nothing asks for": file("passwd") + upload(GOOD),
    "a field without a name": upload(GOOD, b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n"),
    "a part without headers": upload(GOOD, b"--x\r\n\r\na\r\n"),
    "a field of another charset": upload(GOOD, part("_charset_", b"utf-7")),
    "2,000 fields": b"".join(part(f"f{n}", b"a") for n in range(2000)) + upload(GOOD),
    "a field that climbs": upload(GOOD, part("id", b"../../etc/passwd")),
    "metadata that are deep": upload(GOOD, part("metadata", b'{"a":' * 500 + b"1" + b"}" * 500)),
    "headers of a part without end": b"--x\r\nX-A: " + b"a" * 300_000,
    "more items than files": file("images") + part("items", b"[{}, {}]") + b"--x--\r\n",
    "items that are none": file("images") + part("items", b'{"id": "a"}') + b"--x--\r\n",
    "a nested form": b"--x\r\nContent-Disposition: form-data; name=image\r\n"
    b"Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\n" + GOOD + b"\r\n--y--\r\n--x--\r\n",
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS.keys())
def test_forms_that_lie_are_refused(server, content):
    status, kind, answer = exchange(server, Bad("form", 400, "POST", "/add", content, MULTIPART))
    assert status in (400, 413), answer
    assert kind == "application/problem+json"
    assert untouched(server)


OTHER_TYPES = """
text/plain
application/xml
application/x-yaml
application/json, text/plain
multipart/mixed; boundary=x
multipart/form-data; boundary=
application/jsonp
image/jpeg
*/*
"""
CONTENT_TYPES = [*OTHER_TYPES.strip().splitlines(), "", "multipart/form-data; boundary=" + "x" * 5000]


@pytest.mark.parametrize("kind", CONTENT_TYPES, ids=lambda kind: kind[:40])
def test_bodies_of_another_kind_are_refused(server, kind):
    content = json.dumps(body(GOOD)).encode()
    status, _, answer = exchange(server, Bad("kind", 415, "POST", "/add", content, {"Content-Type": kind}))
    assert status in (400, 415), answer
    assert untouched(server)


def test_what_looks_like_html_comes_back_as_json(server):
    script = "<script>alert(1)</script>"
    for method, path in (("GET", f"/images/{script}"), ("POST", f"/{script}"), ("GET", f"/images?collection={script}")):
        status, kind, _ = exchange(server, Bad("html", 404, method, path))
        assert status in (400, 404)
        assert kind == "application/problem+json"
