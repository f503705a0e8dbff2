"""POST /compare: every way to give two pictures, and every request that is refused; neither stores anything."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest

from tests.corpus import bad_pictures
from tests.service.asking import body, jpeg, small

A, COPY, B = body(jpeg(1)), body(jpeg(1, 40)), body(jpeg(2))
ONE = {"id": "one"}


def upload(data, name="x.jpg"):
    return BytesIO(data), name


@pytest.fixture
def stocked(client):
    for name, data in (("one", jpeg(1)), ("two", jpeg(2))):
        assert client.post("/add", json=body(data, id=name)).status_code == 201
    client.application.extensions["service"].catalog.create_collection("foreign", "another extractor", 5, None)
    return client


def held(client):
    """Everything that a comparison must leave as it was."""
    paths = ("/collections", "/collections/default", "/images", "/pairs", "/jobs")
    folder = client.application.extensions["service"].settings.data_dir
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if not path.name.startswith("catalog"))
    return [client.get(path).json for path in paths], files


def refusals(client, requests):
    """(status, type, start of the detail) of each request, by name."""
    answers = {name: client.post("/compare", **request) for name, (request, *_) in requests.items()}
    for answer in answers.values():
        assert answer.content_type == "application/problem+json", answer.text
    return {
        name: (answer.status_code, answer.json["type"].rpartition(":")[2], start if start in detail else detail)
        for (name, answer), (_, _, _, start) in zip(answers.items(), requests.values(), strict=True)
        for detail in [answer.json["detail"]]
    }


def expected(requests):
    return {name: (status, kind, start) for name, (_, status, kind, start) in requests.items()}


def test_every_kind_of_body_says_the_same(stocked):
    requests = {
        "json": {"json": {"a": ONE, "b": COPY}},
        "charset": {"json": {"a": ONE, "b": COPY}, "content_type": "application/json; charset=utf-8"},
        "data URI": {"json": {"a": ONE, "b": {"base64": "data:image/jpeg;base64," + COPY["base64"]}}},
        "nulls": {"json": {"a": ONE, "b": COPY, "mode": None, "collection": None, "target_precision": None}},
        "fields": {"json": {"a": ONE, "b": COPY, "mode": "fast", "collection": "default"}},
        "two files": {"data": {"a": upload(jpeg(1)), "b": upload(jpeg(1, 40))}},
        "file and object": {"data": {"a": upload(jpeg(1, 40)), "b": json.dumps(ONE)}},
        "object and file": {"data": {"a": json.dumps({**ONE, "collection": "default"}), "b": upload(jpeg(1, 40))}},
        "file and base64": {"data": {"a": upload(jpeg(1)), "b": json.dumps(COPY)}},
        "two objects": {"data": {"a": json.dumps(ONE), "b": json.dumps(COPY)}},
        "form fields": {"data": {"a": upload(jpeg(1)), "b": json.dumps(COPY), "mode": "fast", "collection": "default"}},
    }
    answers = {name: stocked.post("/compare", **request) for name, request in requests.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(requests, 200)
    scores = {name: answer.json["score"] for name, answer in answers.items()}
    assert scores == pytest.approx(dict.fromkeys(requests, scores["json"]), abs=1e-3)
    assert {answer.json["relation"] for answer in answers.values()} == {"near"}


def test_fields_of_a_form_count(stocked):
    stocked.post("/collections", json={"name": "strict", "threshold": 1})
    files = {"a": upload(jpeg(1)), "b": upload(jpeg(1, 40)), "collection": "strict"}
    assert stocked.post("/compare", data=files).json["relation"] == "similar"


class Pictures(BaseHTTPRequestHandler):
    """GET /SEED."""

    def do_GET(self):
        data = jpeg(int(self.path[1:]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def pictures():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_pictures_of_urls(make_client, pictures):
    client = make_client(input={"fetch": {"allow_private_addresses": True}})
    client.application.extensions["service"].wait_until_ready()
    one = {"url": f"{pictures}/1"}
    answers = [client.post("/compare", json={"a": one, "b": b}) for b in (COPY, {"url": f"{pictures}/2"}, one)]
    assert [answer.json["relation"] for answer in answers] == ["near", "similar", "exact"]
    assert client.get("/collections").json == {"collections": []}


BAD = "bad-payload"
MALFORMED = {
    "nothing": ({"json": {}}, 400, BAD, "a: give a picture"),
    "no a": ({"json": {"b": A}}, 400, BAD, "a: give a picture"),
    "no b": ({"json": {"a": A}}, 400, BAD, "b: give a picture"),
    "null": ({"json": {"a": A, "b": None}}, 400, BAD, "b: give a picture"),
    "number": ({"json": {"a": 5, "b": A}}, 400, BAD, "a: give a picture"),
    "list": ({"json": {"a": A, "b": [A]}}, 400, BAD, "b: give a picture"),
    "true": ({"json": {"a": True, "b": A}}, 400, BAD, "a: give a picture"),
    "empty side": ({"json": {"a": {}, "b": A}}, 400, BAD, "No picture"),
    "collection alone": ({"json": {"a": {"collection": "default"}, "b": A}}, 400, BAD, "No picture"),
    "url and base64": ({"json": {"a": {**A, "url": "http://x.y"}, "b": A}}, 400, BAD, "More than one picture"),
    "id and base64": ({"json": {"a": {**A, **ONE}, "b": A}}, 400, BAD, "base64: unknown field"),
    "base64 and collection": ({"json": {"a": A, "b": {**A, "collection": "x"}}}, 400, BAD, "collection: unknown field"),
    "unknown field of a stored one": ({"json": {"a": {**ONE, "nmae": 1}, "b": A}}, 400, BAD, "nmae: unknown field"),
    "unknown field of a sent one": ({"json": {"a": A, "b": {**A, "nmae": 1}}}, 400, BAD, "nmae: unknown field"),
    "id of a number": ({"json": {"a": {"id": 5}, "b": A}}, 400, BAD, "id: "),
    "id of no name": ({"json": {"a": {"id": "../x"}, "b": A}}, 400, BAD, "id: "),
    "empty id": ({"json": {"a": {"id": ""}, "b": A}}, 400, BAD, "id: "),
    "collection of a side": ({"json": {"a": {**ONE, "collection": "a/b"}, "b": A}}, 400, BAD, "collection: "),
    "base64 of a number": ({"json": {"a": A, "b": {"base64": 5}}}, 400, BAD, "base64 must be a string"),
    "base64 of nonsense": ({"json": {"a": A, "b": {"base64": "?"}}}, 400, BAD, "not valid base64"),
    "image as text": ({"json": {"a": {"image": "x"}, "b": A}}, 400, BAD, '"image" must be an uploaded file'),
    "unknown field": ({"json": {"a": A, "b": B, "threshold": 0.5}}, 400, BAD, "threshold: unknown field"),
    "third picture": ({"json": {"a": A, "b": B, "c": B}}, 400, BAD, "c: unknown field"),
    "unknown mode": ({"json": {"a": A, "b": B, "mode": "slow"}}, 400, BAD, "mode: "),
    "mode of a number": ({"json": {"a": A, "b": B, "mode": 1}}, 400, BAD, "mode: "),
    "collection of a number": ({"json": {"a": A, "b": B, "collection": 5}}, 400, BAD, "collection: "),
    "collection of no name": ({"json": {"a": A, "b": B, "collection": "../x"}}, 400, BAD, "collection: "),
    "precision as text": ({"json": {"a": A, "b": B, "target_precision": "0.9"}}, 400, BAD, "target_precision: "),
    "precision of true": ({"json": {"a": A, "b": B, "target_precision": True}}, 400, BAD, "target_precision: "),
    "precision of 1": ({"json": {"a": A, "b": B, "target_precision": 1}}, 400, BAD, "target_precision: "),
    "precision of 0": ({"json": {"a": A, "b": B, "target_precision": 0}}, 400, BAD, "target_precision: "),
    "no object": ({"json": [A, B]}, 400, BAD, "must be an object"),
    "no JSON": ({"data": b"{", "content_type": "application/json"}, 400, BAD, "Not valid JSON"),
    "no type": ({"data": b"x"}, 415, "unsupported-media", "application/json"),
}
FORMS = {
    "no b": (lambda: {"a": upload(jpeg(1))}, 400, BAD, "b: give a picture"),
    "no JSON": (lambda: {"a": upload(jpeg(1)), "b": "{"}, 400, BAD, "Not valid JSON"),
    "no object": (lambda: {"a": upload(jpeg(1)), "b": "1"}, 400, BAD, "b: give a picture"),
    "a twice": (lambda: {"a": [upload(jpeg(1)), upload(jpeg(1))], "b": upload(jpeg(1))}, 400, BAD, "'a'"),
    "file beside": (
        lambda: {"a": upload(jpeg(1)), "b": upload(jpeg(1)), "image": upload(small(1))},
        400,
        BAD,
        "Unexpected file",
    ),
    "file as mode": (
        lambda: {"a": upload(jpeg(1)), "b": upload(jpeg(1)), "mode": upload(small(1))},
        400,
        BAD,
        "file 'mode'",
    ),
    "mode": (lambda: {"a": upload(jpeg(1)), "b": upload(jpeg(1)), "mode": "slow"}, 400, BAD, "mode: "),
    "precision": (lambda: {"a": upload(jpeg(1)), "b": upload(jpeg(1)), "target_precision": "x"}, 400, BAD, "target_"),
    "unknown id": (lambda: {"a": upload(jpeg(1)), "b": '{"id": "9"}'}, 404, "unknown-image", "'9'"),
    "empty file": (lambda: {"a": upload(b""), "b": upload(jpeg(1))}, 422, "bad-image", "empty"),
    "broken file": (lambda: {"a": upload(jpeg(1)), "b": upload(jpeg(1)[:900])}, 422, "bad-image", "JPEG"),
}
NOWHERE, FOREIGN = {**ONE, "collection": "nowhere"}, {**ONE, "collection": "foreign"}
BROKEN = body(bad_pictures()["truncated jpeg"])
USELESS = {
    "unknown id": ({"json": {"a": A, "b": {"id": "9"}}}, 404, "unknown-image", "'9'"),
    "collection of a side": ({"json": {"a": NOWHERE, "b": A}}, 404, "unknown-collection", "'nowhere'"),
    "collection of b": ({"json": {"a": ONE, "b": NOWHERE}}, 404, "unknown-collection", "'nowhere'"),
    "named collection": ({"json": {"a": A, "b": B, "collection": "nowhere"}}, 404, "unknown-collection", "'nowhere'"),
    "foreign": ({"json": {"a": A, "b": B, "collection": "foreign"}}, 409, "fingerprint-mismatch", "'foreign'"),
    "foreign and stored": (
        {"json": {"a": A, "b": ONE, "collection": "foreign"}},
        409,
        "fingerprint-mismatch",
        "'foreign'",
    ),
    "foreign side": ({"json": {"a": FOREIGN, "b": A}}, 409, "fingerprint-mismatch", "'foreign'"),
    "foreign b": ({"json": {"a": ONE, "b": FOREIGN}}, 409, "fingerprint-mismatch", "'foreign'"),
    "broken a": ({"json": {"a": BROKEN, "b": A}}, 422, "bad-image", "JPEG"),
    "broken b": ({"json": {"a": ONE, "b": BROKEN}}, 422, "bad-image", "JPEG"),
    "no picture": ({"json": {"a": A, "b": body(b"no picture at all")}}, 422, "bad-image", "accepted format"),
    "empty": ({"json": {"a": {"base64": ""}, "b": A}}, 422, "bad-image", "empty"),
    "huge": ({"json": {"a": body(bad_pictures()["huge png"]), "b": A}}, 413, "picture-too-large", "10000"),
    "private address": ({"json": {"a": {"url": "http://127.0.0.1/a"}, "b": A}}, 403, "fetch-refused", "127.0.0.1"),
}


def test_what_is_malformed_is_refused_by_name(stocked):
    before = held(stocked)
    assert refusals(stocked, MALFORMED) == expected(MALFORMED)
    assert held(stocked) == before


def test_forms_that_are_malformed_are_refused_by_name(stocked):
    before = held(stocked)
    requests = {
        name: ({"data": make(), "content_type": "multipart/form-data"}, *rest) for name, (make, *rest) in FORMS.items()
    }
    assert refusals(stocked, requests) == expected(requests)
    assert held(stocked) == before


def test_what_is_not_there_or_cannot_be_used_is_refused(stocked):
    before = held(stocked)
    assert refusals(stocked, USELESS) == expected(USELESS)
    stocked.delete("/images/two")
    assert stocked.post("/compare", json={"a": A, "b": {"id": "two"}}).status_code == 404
    assert held(stocked) != before


def test_what_is_wrong_within_a_side_is_told_with_the_side(stocked):
    wrong = [{**A, "nmae": 1}, {**ONE, "nmae": 1}, {**A, "url": "http://x.y"}, {}, {"id": 5}, {"base64": 5}]
    for side, other in ("ab", "ba"):
        details = [stocked.post("/compare", json={side: each, other: B}).json["detail"] for each in wrong]
        assert [detail for detail in details if not detail.startswith(f"{side}: ")] == []
        assert "nmae: unknown field" in details[0]
        assert "nmae: unknown field" in details[1]
        form = {side: "{", other: upload(jpeg(1))}
        assert stocked.post("/compare", data=form).json["detail"].startswith(f"{side}: ")


def test_nothing_is_stored(stocked):
    before = held(stocked)
    for a, b in ((A, B), (ONE, {"id": "two"}), (body(jpeg(5)), ONE), (body(jpeg(5)), body(jpeg(6)))):
        for fields in ({}, {"collection": "default"}, {"mode": "thorough"}):
            assert stocked.post("/compare", json={"a": a, "b": b, **fields}).status_code == 200
    assert stocked.post("/compare", data={"a": upload(jpeg(7)), "b": upload(jpeg(8))}).status_code == 200
    assert held(stocked) == before
    assert stocked.post("/search", json=body(jpeg(5))).json["verdict"] == "new"


def test_an_empty_service_compares_and_stays_empty(client):
    assert client.post("/compare", json={"a": A, "b": COPY}).json["relation"] == "near"
    assert client.get("/collections").json == {"collections": []}


def test_only_post(client):
    answers = [client.open("/compare", method=method) for method in ("GET", "PUT", "DELETE")]
    assert [answer.status_code for answer in answers] == [405] * 3
