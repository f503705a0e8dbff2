"""Promise 7: bad input is a 4xx problem document and stores nothing; no input gives a 5xx. Over real HTTP."""

import http.client
import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.corpus import bad_pictures
from tests.documented import check
from tests.service.asking import body, jpeg
from tests.service.server import Server, serving

JSON = {"Content-Type": "application/json"}
TABLES = ("images", "collections", "jobs")
ONE_PICTURE = {"images": 1, "collections": 1, "jobs": 0, "inbox": 0, "library": 0, "failed": 0}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}
GOOD = jpeg(7)


@dataclass(frozen=True)
class Bad:
    """A request as bytes, and the statuses that may answer it."""

    what: str
    status: int
    method: str
    path: str
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def said(what: str, status: int, path: str, document: Any, method: str = "POST") -> Bad:
    """A request with a JSON body."""
    return Bad(what, status, method, path, json.dumps(document).encode(), JSON)


def raw(what: str, status: int, content: bytes, headers: dict[str, str] = JSON) -> Bad:
    """An add whose body is these bytes."""
    return Bad(what, status, "POST", "/add", content, headers)


def asked(what: str, status: int, path: str, method: str = "GET") -> Bad:
    """A request without a body."""
    return Bad(what, status, method, path)


def upload(content: bytes, more: bytes = b"") -> bytes:
    """A multipart body with a picture."""
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    return head + content + b"\r\n" + more + b"--x--\r\n"


def part(name: str, value: bytes) -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"


NESTED = "[" * 60 + "]" * 60
WHOLE = json.dumps(body(GOOD)).encode()
BODIES = [
    raw("no body", 400, b""),
    raw("no content type", 415, WHOLE, {}),
    raw("another content type", 415, GOOD, {"Content-Type": "image/jpeg"}),
    raw("JSON cut short", 400, WHOLE[:-20]),
    raw("not JSON", 400, b"{'base64': 1}"),
    raw("JSON and more", 400, WHOLE + b"x"),
    raw("JSON that is no object", 400, b'["base64"]'),
    raw("JSON null", 400, b"null"),
    raw("JSON that is not UTF-8", 400, b'{"base64": "AAAA", "id": "\xff"}'),
    raw("a lone surrogate", 400, b'{"base64": "AAAA", "id": "\\ud800"}'),
    raw("NaN", 400, WHOLE[:-1] + b', "metadata": {"a": NaN}}'),
    raw("Infinity", 400, WHOLE[:-1] + b', "metadata": {"a": 1e999}}'),
    raw("a name twice", 400, WHOLE[:-1] + b', "base64": ""}'),
    raw("absurd depth", 400, WHOLE[:-1] + b', "metadata": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"),
    raw("a number of 10,000 digits", 400, WHOLE[:-1] + b', "metadata": {"a": ' + b"9" * 10_000 + b"}}"),
    raw("an empty form", 400, b"", FORM),
    raw("a form that is not UTF-8", 400, b"id=\xff&base64=AAAA", FORM),
    raw("a form with a field twice", 400, b"id=a&id=b&base64=AAAA", FORM),
    raw("form metadata that is no JSON", 400, upload(GOOD, part("metadata", b"{")), MULTIPART),
    raw("form metadata that is no object", 400, upload(GOOD, part("metadata", b"[1]")), MULTIPART),
    raw("form wait that is no boolean", 400, upload(GOOD, part("wait", b"later")), MULTIPART),
    raw("an unknown form field", 400, upload(GOOD, part("ids", b"a")), MULTIPART),
    raw("multipart without boundary", 400, upload(GOOD), {"Content-Type": "multipart/form-data"}),
    raw("multipart of another boundary", 400, upload(GOOD), {"Content-Type": "multipart/form-data; boundary=y"}),
    raw("multipart without its end", 400, upload(GOOD)[:40], MULTIPART),
    raw("an upload of 0 bytes", 422, upload(b""), MULTIPART),
    raw("an upload cut short", 422, upload(GOOD[:900]), MULTIPART),
    raw("more than the largest body", 413, b" " * 8_000_001),
    raw("a chunked body beyond the largest", 413, WHOLE + b" " * 8_000_000, JSON | {"Transfer-Encoding": "chunked"}),
    raw("a chunked form beyond it", 413, b"base64=" + b"A" * 8_000_000, FORM | {"Transfer-Encoding": "chunked"}),
]
PICTURES = [
    said("no picture", 400, "/add", {"id": "a"}),
    said("two pictures", 400, "/add", {**body(GOOD), "url": "http://example.org/a.jpg"}),
    said("wrong base64", 400, "/add", {"base64": "!" + body(GOOD)["base64"]}),
    said("base64 with one letter left", 400, "/add", {"base64": body(GOOD)["base64"] + "AAAAA"}),
    said("base64 that is a number", 400, "/add", {"base64": 5}),
    said("base64 that is null", 400, "/search", {"base64": None}),
    said("an empty picture", 422, "/add", {"base64": ""}),
    said("a picture as text", 400, "/add", {"image": "AAAA"}),
    said("data without type", 400, "/insert", {"data": "AAAA"}),
    said("data of an unknown type", 400, "/query", {"type": "file", "data": "AAAA"}),
    said("a type without data", 400, "/query", {**body(GOOD), "type": "base64"}),
    said("too many bytes", 413, "/add", body(bytes(5_000_001))),
    said("a URL that is none", 422, "/add", {"url": "http://"}),
    said("a URL of a file", 403, "/add", {"url": "file:///etc/passwd"}),
    said("a URL of this machine", 403, "/search", {"url": "http://127.0.0.1/a.jpg"}),
    said("a URL of a cloud's metadata", 403, "/add", {"url": "http://169.254.169.254/latest"}),
    said("a bad picture for later", 422, "/add", {**body(GOOD[:900]), "wait": False}),
    *(
        said(f"{path} of a bad picture: {name}", 413 if "huge" in name else 422, path, body(data))
        for name, data in bad_pictures().items()
        for path in ("/add", "/search")
    ),
]
BAD_IDS = ["", ".", "..", "a/../b", "../a", "/a", "a/", "a//b", "a/./b", "a\\b", "a\0b", "a\nb", "\x7f", "\u202e"]
NOT_STRINGS = [5, True, None, ["a"], {"a": 1}]
BAD_FIELDS = {
    "id": [*BAD_IDS, "a" * 513, *(value for value in NOT_STRINGS if value is not None)],
    "collection": ["", "a/b", "..", ".a", "-a", "a b", "a.b", "é", "a\n", "a" * 65, *NOT_STRINGS],
    "metadata": [None, 5, "text", "[1]", [], [["a", 1]], {"a": "x" * 65_536}, {"a": json.loads("[" * 70 + "]" * 70)}],
    "on_duplicate": ["drop", "", None, 1],
    "wait": ["maybe", "false", 0, None],
    "ids": ["a"],
    "top_k": [3],
}
BAD_LIMITS = {
    "top_k": [0, -1, 1001, 10**30, 1.5, "5", True, [1]],
    "min_score": [1.01, -1.01, 10**400, "0.5", True, [0.5]],
    "mode": ["slow", 1],
    "refine": [{}, {"expand": "x"}, {"augment_k": 10**30}, {"rerank": "k-reciprocal", "lambda": 2}, [], 5, "{"],
    "collection": ["a/b", None],
    "metadata": [{}],
    "topk": [5],
}
FIELDS = [
    *(said(f"add {k}={v!r:.40}", 400, "/add", body(GOOD, **{k: v})) for k, vs in BAD_FIELDS.items() for v in vs),
    *(said(f"search {k}={v!r:.40}", 400, "/search", body(GOOD, **{k: v})) for k, vs in BAD_LIMITS.items() for v in vs),
    said("later, with a bad id", 400, "/add", body(GOOD, id="../../etc/x", wait=False)),
    said("later, in a bad collection", 400, "/add", body(GOOD, collection="../x", wait=False)),
    said("a search of no collection", 404, "/search", body(GOOD, collection="none")),
    said("an id in use", 409, "/add", body(GOOD, id="kept")),
]
PATHS = [
    asked("an unknown picture", 404, "/images/none"),
    asked("a picture of no collection", 404, "/images/kept?collection=none"),
    asked("an impossible collection", 400, "/images/kept?collection=a/b"),
    asked("no collection at all", 400, "/images?collection="),
    asked("a collection that is not UTF-8", 400, "/images?collection=%ff"),
    asked("an id that is not UTF-8", 404, "/images/%ff%fe"),
    asked("an id with NUL", 404, "/images/a%00b"),
    asked("an id that climbs", 404, "/images/../../etc/passwd"),
    asked("an id that climbs in disguise", 404, "/images/..%2f..%2fetc%2fpasswd"),
    asked("an id with a double slash", 404, "/images/kept//a"),
    asked("a doubled slash before", 404, "/images//kept"),
    asked("an endless id", 404, "/images/" + "a" * 8000),
    *(asked(f"a page: {q}", 400, f"/images?{q}") for q in ("limit=0", "limit=1001", "limit=x", "limit=", "after=-1")),
    *(asked(f"a page: {q}", 400, f"/images?{q}") for q in ("after=1e3", f"after={2**63}", "page=2", "after=1&after=2")),
    asked("delete of an unknown picture", 404, "/images/none", "DELETE"),
    asked("delete in no collection", 404, "/images/kept?collection=none", "DELETE"),
    asked("delete with an unknown argument", 400, "/images/kept?colection=cats", "DELETE"),
    asked("delete of an unknown collection", 404, "/collections/none", "DELETE"),
    said("change of an unknown picture", 404, "/images/none", {"metadata": {}}, "PATCH"),
    said("change of nothing", 400, "/images/kept", {}, "PATCH"),
    said("change of the id", 400, "/images/kept", {"metadata": {}, "id": "b"}, "PATCH"),
    said("change to no object", 400, "/images/kept", {"metadata": None}, "PATCH"),
    said("change to too much", 400, "/images/kept", {"metadata": {"a": "x" * 70_000}}, "PATCH"),
    Bad("change without a body", 415, "PATCH", "/images/kept"),
    said("a POST with fields in its URL", 400, "/add?collection=cats", body(GOOD)),
    said("a collection without name", 400, "/collections", {}),
    *(said(f"a collection {name!r}", 400, "/collections", {"name": name}) for name in ("a/b", "..", "", 5, None)),
    *(said(f"a threshold {t}", 400, "/collections", {"name": "new", "threshold": t}) for t in (1.5, "0.5", True)),
    said("a collection's unknown field", 400, "/collections", {"name": "new", "dim": 5}),
    said("a job of no kind", 400, "/jobs", {}),
    said("a job of an unknown kind", 400, "/jobs", {"kind": "format"}),
    said("a job for an impossible collection", 400, "/jobs", {"kind": "ingest", "collection": "../x"}),
    said("a job for an unknown collection", 404, "/jobs", {"kind": "rebuild", "collection": "none"}),
    asked("an unknown job", 404, "/jobs/999"),
    asked("a job beyond all numbers", 404, f"/jobs/{10**30}"),
    asked("another method", 405, "/search", "DELETE"),
    asked("an invented method", 405, "/search", "STEAL"),
    asked("an unknown path", 404, "/admin"),
]
ALL = [*BODIES, *PICTURES, *FIELDS, *PATHS]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that holds one picture."""
    limits = {"server": {"max_request_bytes": 8_000_000}, "input": {"max_bytes": 5_000_000}}
    data_dir = tmp_path_factory.mktemp("bad") / "data"
    with serving(data_dir, **limits, maintenance={"enabled": False}) as server:
        assert server.add(jpeg(1), id="kept").status_code == 201
        yield server


def exchange(server: Server, bad: Bad) -> tuple[int, str, bytes]:
    """Status, content type and body of an answer to exactly these bytes; a client library would tidy them up."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    chunked = "Transfer-Encoding" in bad.headers
    content = [bad.content[i : i + 50_000] for i in range(0, len(bad.content), 50_000)] if chunked else bad.content
    try:
        with suppress(BrokenPipeError):  # refused before all of it was sent
            connection.request(bad.method, bad.path, content, bad.headers, encode_chunked=chunked)
        answer = connection.getresponse()
        content = answer.read()
        check(bad.method, unquote(urlsplit(bad.path).path), answer.status, answer.headers, content)
        return answer.status, answer.headers.get("Content-Type", ""), content
    finally:
        connection.close()


def remembered(data_dir: Path) -> dict[str, int]:
    """How much there is of all that a request could have stored."""
    with closing(sqlite3.connect(data_dir / "catalog.db")) as catalog:
        counts = {table: catalog.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
    return counts | {name: len(list((data_dir / name).rglob("*"))) for name in ("inbox", "library", "failed")}


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.what)
def test_a_bad_request_is_told_apart_and_stores_nothing(server, bad):
    status, content_type, content = exchange(server, bad)
    assert status == bad.status, content
    assert content_type == "application/problem+json"
    assert json.loads(content)["status"] == status
    assert json.loads(content)["detail"]
    assert remembered(server.log.parent / "data") == ONE_PICTURE
    assert [match["id"] for match in server.search(jpeg(1, 50))] == ["kept"]


def test_there_are_enough_bad_requests_and_each_is_another():
    assert len({bad.what for bad in ALL}) == len(ALL) >= 60


def test_the_log_holds_no_traceback(server):
    """Runs last in this file: none of all this was unexpected."""
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("chunks", [b"ZZ\r\n{}", b"2\r\n{}XX0\r\n\r\n", b"-1\r\n{}"])
def test_broken_chunks_are_the_clients_fault(server: Server, chunks: bytes) -> None:
    head = (
        b"POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head + chunks)
        assert connection.recv(4000).startswith(b"HTTP/1.1 400 ")
