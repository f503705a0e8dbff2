"""Several pictures in one request: each is answered as it would be by itself, and knows its like in the batch."""

import copy
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest

from retrieval.query import READERS
from tests import chosen
from tests.corpus import bad_pictures, encoded, vague_pictures
from tests.service.asking import body, form, jpeg, png, small

BROKEN = bad_pictures()["truncated jpeg"]
HELD = {"held 1": jpeg(1), "held 2": png(2), "taken": jpeg(3)}
MIXED = [
    body(jpeg(1), id="a", metadata={"n": 1}),  # exact
    body(jpeg(4), id="b"),
    body(BROKEN, id="c"),
    body(jpeg(4, 40), id="d"),  # near b
    body(jpeg(5), id="taken"),
    {"base64": "?", "id": "e"},
    body(encoded(vague_pictures()["white"], "PNG"), id="f"),
    body(encoded(vague_pictures()["red"], "PNG"), id="g"),
    body(jpeg(4), id="h"),  # exact b
    body(jpeg(6), id="b"),  # taken by an earlier one of the batch
    body(jpeg(2, 30), id="i"),  # near
    body(encoded(vague_pictures()["white"], "PNG"), id="j"),  # exact f
    body(b"no picture at all", id="k"),
    body(jpeg(7), id="l"),
]


@pytest.fixture
def stocked(client):
    for name, data in HELD.items():
        assert client.post("/add", json=body(data, id=name)).status_code == 201
    return client


def post(client, path, images, **fields):
    """The results of a batch that must be answered."""
    answer = client.post(path, json={"images": images, **fields})
    assert answer.status_code == 200, answer.text
    assert list(answer.json) == ["results"]
    return answer.json["results"]


def timeless(answer):
    """Without what took how long."""
    answer = copy.deepcopy(answer)
    answer.pop("took_ms", None)
    return answer


def same(together, alone):
    """Assert that two answers to a picture are one, but for times, and rounding of networks."""
    for one, other in zip(together.get("matches", []), alone.get("matches", []), strict=True):
        assert one.pop("score") == pytest.approx(other.pop("score"), abs=chosen.rounding())
    assert together == alone


def without(item, *names):
    return {name: value for name, value in item.items() if name not in names}


def test_a_search_answers_each_as_by_itself(stocked):
    images = [without(item, "id", "metadata") for item in MIXED]
    for fields in ({}, {"top_k": 1}, {"min_score": 0.9}, {"mode": "thorough", "collection": "default"}):
        results = post(stocked, "/search", images, **fields)
        for result, item in zip(results, images, strict=True):
            alone = stocked.post("/search", json={**item, **fields})
            assert result["status"] == alone.status_code
            same(timeless(result["body"]), timeless(alone.json))


@pytest.mark.parametrize("on_duplicate", ["keep", "reject"])
def test_an_add_answers_each_as_if_one_came_after_the_other(make_client, settings, tmp_path, on_duplicate):
    answers = []
    for folder, batched in (("together", True), ("apart", False)):
        client = make_client(data_dir=tmp_path / folder)
        client.application.extensions["service"].wait_until_ready()
        for name, data in HELD.items():
            client.post("/add", json=body(data, id=name))
        if batched:
            results = post(client, "/add", MIXED, on_duplicate=on_duplicate)
        else:
            replies = [client.post("/add", json={**item, "on_duplicate": on_duplicate}) for item in MIXED]
            results = [{"status": reply.status_code, "body": reply.json} for reply in replies]
        listed = [without(image, "created_at") for image in client.get("/images").json["images"]]
        answers.append((results, listed))
    (together, listed), (apart, also_listed) = answers
    assert [each["status"] for each in together] == [each["status"] for each in apart]
    expected = {201, 400, 409, 422}
    assert {each["status"] for each in together} == expected
    for one, other in zip(together, apart, strict=True):
        same(timeless(one["body"]), timeless(other["body"]))
    assert listed == also_listed


def test_of_its_own_duplicates_the_first_is_kept_and_the_others_are_answered_with_it(client):
    images = [body(data, id=str(n)) for n, data in enumerate([jpeg(1), jpeg(1, 40), jpeg(2), jpeg(1), png(2)])]
    results = post(client, "/add", images, on_duplicate="reject")
    assert [each["status"] for each in results] == [201, 409, 201, 409, 409]
    told = [[(m["id"], m["relation"]) for m in each["body"]["matches"]] for each in results]
    assert told == [[], [("0", "near")], [], [("0", "exact")], [("2", "near")]]
    assert [image["id"] for image in client.get("/images").json["images"]] == ["0", "2"]


def test_a_search_tells_which_earlier_ones_of_the_batch_each_repeats(stocked):
    results = post(
        stocked, "/search", [body(data) for data in [jpeg(4), BROKEN, jpeg(4, 40), jpeg(5), jpeg(4), png(4)]]
    )
    assert [[(each["index"], each["relation"]) for each in result["repeats"]] for result in results] == [
        [], [], [(0, "near")], [], [(0, "exact"), (2, "near")], [(0, "near"), (4, "near"), (2, "near")],
    ]  # fmt: skip
    scores = [each["score"] for each in results[5]["repeats"]]
    assert scores == sorted(scores, reverse=True)
    stocked.post("/add", json=body(jpeg(4), id="first"))
    (found,) = [m for m in stocked.post("/search", json=body(png(4))).json["matches"] if m["id"] == "first"]
    assert scores[0] == pytest.approx(found["score"], abs=chosen.rounding())  # as if it had been remembered


def test_repeats_are_of_a_batch_alone(stocked):
    assert "repeats" not in stocked.post("/search", json=body(jpeg(1))).json
    assert post(stocked, "/search", [body(jpeg(1))])[0]["repeats"] == []
    assert all("repeats" not in each for each in post(stocked, "/add", [body(jpeg(8)), body(jpeg(8))]))


REQUESTS = {
    "objects": lambda files: {"json": {"images": [body(data) for data in files]}},
    "strings": lambda files: {"json": {"images": [body(data)["base64"] for data in files]}},
    "both": lambda files: {"json": {"images": [body(d) if n % 2 else body(d)["base64"] for n, d in enumerate(files)]}},
    "first version": lambda files: {
        "json": {"images": [{"type": "base64", "data": body(data)["base64"]} for data in files]}
    },
    "data URIs": lambda files: {"json": {"images": ["data:image/png;base64," + body(d)["base64"] for d in files]}},
    "form": lambda files: {"data": {"images": [(BytesIO(data), f"{n}.jpg") for n, data in enumerate(files)]}},
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("path", ["/search", "/query"])
def test_every_kind_of_body_says_the_same(stocked, kind, path):
    answer = stocked.post(path, **REQUESTS[kind]([jpeg(1), jpeg(3), BROKEN, png(2)]))
    assert answer.status_code == 200
    best = [(each["body"].get("matches") or [{"id": None}])[0]["id"] for each in answer.json["results"]]
    assert best == ["held 1", "taken", None, "held 2"]


def test_a_form_has_items_beside_its_files(client):
    files = [(BytesIO(jpeg(seed)), f"/home/me/{seed}.jpg") for seed in range(3)]
    items = [{"id": "one", "metadata": {"Käse": [1, None]}}, {}, {"id": "three"}]
    data = {"images": files, "items": json.dumps(items), "collection": "cats", "on_duplicate": "reject"}
    results = client.post("/add", data=data).json["results"]
    assert [each["status"] for each in results] == [201] * 3
    listed = client.get("/images?collection=cats").json["images"]
    assert [image["id"] for image in listed][::2] == ["one", "three"]
    assert [image["source"] for image in listed] == ["0.jpg", "1.jpg", "2.jpg"]
    assert [image["metadata"] for image in listed] == [{"Käse": [1, None]}, {}, {}]


def test_one_picture_is_a_batch_too(stocked):
    (result,) = post(stocked, "/search", [body(jpeg(1))])
    assert result["body"]["matches"][0]["id"] == "held 1"
    assert stocked.post("/search", data={"images": [(BytesIO(jpeg(1)), "1.jpg")]}).json["results"][0]["status"] == 200


def test_so_many_as_the_settings_allow_and_their_order_is_kept(make_client):
    client = make_client(input={"max_batch": 40})
    client.application.extensions["service"].wait_until_ready()
    images = [body(jpeg(seed), id=str(seed)) for seed in range(40)]
    assert [each["body"]["id"] for each in post(client, "/add", images)] == [str(seed) for seed in range(40)]
    assert [image["id"] for image in client.get("/images").json["images"]] == [str(seed) for seed in range(40)]
    found = post(client, "/search", [body(jpeg(seed)) for seed in reversed(range(40))], top_k=1)
    assert [each["body"]["matches"][0]["id"] for each in found] == [str(seed) for seed in reversed(range(40))]
    refused = client.post("/add", json={"images": [body(jpeg(1))] * 41})
    assert (refused.status_code, refused.json["detail"]) == (
        400,
        "images: 41 pictures; at most 40 are taken in one request.",
    )


def file(data=None, name="x.jpg"):
    return BytesIO(data or small(1)), name


MALFORMED = {
    "empty list": ({"json": {"images": []}}, "images"),
    "object": ({"json": {"images": {"base64": "x"}}}, "images"),
    "string": ({"json": {"images": "x"}}, "images"),
    "number": ({"json": {"images": 5}}, "images"),
    "33 pictures": ({"json": {"images": ["x"] * 33}}, "at most 32"),
    "33 files": ({"data": {"images": [file() for _ in range(33)]}}, "at most 32"),
    "number among them": ({"json": {"images": [body(jpeg(1)), 5]}}, "images.1"),
    "null among them": ({"json": {"images": [body(jpeg(1)), None]}}, "images.1"),
    "list among them": ({"json": {"images": [body(jpeg(1)), []]}}, "images.1"),
    "no picture in one": ({"json": {"images": [body(jpeg(1)), {}]}}, "images.1"),
    "two pictures in one": ({"json": {"images": [body(jpeg(1)), body(jpeg(1), url="http://x.y")]}}, "images.1"),
    "type of one": ({"json": {"images": [body(jpeg(1)), {"type": "ftp", "data": "x"}]}}, "images.1"),
    "unknown field in one": ({"json": {"images": [body(jpeg(1)), body(jpeg(1), nmae="x")]}}, "images.1.nmae"),
    "field of all in one": (
        {"json": {"images": [body(jpeg(1)), body(jpeg(1), collection="x")]}},
        "images.1.collection",
    ),
    "id of all": ({"json": {"images": [body(jpeg(1))], "id": "x"}}, "id"),
    "base64 beside": ({"json": {"images": [body(jpeg(1))], **body(jpeg(2))}}, "base64"),
    "unknown field": ({"json": {"images": [body(jpeg(1))], "typo": 1}}, "typo"),
    "file beside": ({"data": {"images": [file()], "image": file()}}, "'image'"),
    "text and files": ({"data": {"images": "x", "image": file()}}, "images"),
    "items that are no JSON": ({"data": {"images": [file()], "items": "x"}}, "items"),
    "too few items": ({"data": {"images": [file(), file()], "items": "[{}]"}}, "items"),
    "items that are no objects": ({"data": {"images": [file()], "items": "[5]"}}, "items"),
    "unknown field in items": ({"data": {"images": [file(), file()], "items": '[{}, {"nmae": 1}]'}}, "1.nmae"),
    "items without files": ({"data": {**form(jpeg(1)), "items": "[{}]"}}, "items"),
}


@pytest.mark.parametrize("path", ["/search", "/add"])
@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_refused_with_its_place_and_stores_nothing(stocked, name, path):
    request, place = MALFORMED[name]
    answer = stocked.post(path, **refreshed(request))
    assert answer.status_code == 400, answer.text
    assert answer.content_type == "application/problem+json"
    assert place in answer.json["detail"]
    assert len(stocked.get("/images").json["images"]) == len(HELD)


def refreshed(request):
    """With files that were not read yet."""
    copied = dict(request)
    if "data" in copied:
        copied["data"] = {key: _again(value) for key, value in copied["data"].items()}
    return copied


def _again(value):
    if isinstance(value, list):
        return [_again(each) for each in value]
    return (BytesIO(value[0].getvalue()), value[1]) if isinstance(value, tuple) else value


@pytest.mark.parametrize(
    ("key", "value"), [("id", "../x"), ("id", 5), ("metadata", [1]), ("metadata", {"a": "x" * 70_000})]
)
def test_a_bad_field_of_a_picture_is_refused_with_its_place(client, key, value):
    answer = client.post("/add", json={"images": [body(jpeg(1)), body(jpeg(2), **{key: value})]})
    assert answer.status_code == 400
    assert f"images.1.{key}" in answer.json["detail"]
    assert client.get("/collections").json == {"collections": []}


def test_one_that_cannot_be_used_harms_no_other(client):
    bad = [body(data) for data in list(bad_pictures().values())[:15]]
    images = [each for pair in zip(bad, [body(jpeg(n), id=str(n)) for n in range(15)], strict=True) for each in pair]
    results = post(client, "/add", images, on_duplicate="reject")
    assert [each["status"] for each in results[1::2]] == [201] * 15
    assert {each["status"] // 100 for each in results[::2]} == {4}
    for each, item in zip(results[::2], bad, strict=True):
        assert each["body"] == client.post("/add", json=item).json
    assert len(client.get("/images").json["images"]) == 15


def test_nothing_but_broken_ones_make_no_collection(client):
    results = post(client, "/add", [body(BROKEN), {"base64": "?"}])
    assert [each["status"] for each in results] == [422, 400]
    assert client.get("/collections").json == {"collections": []}


def test_a_search_of_an_unknown_collection_is_one_error(client):
    answer = client.post("/search", json={"images": [body(jpeg(1)), body(jpeg(2))]})
    assert (answer.status_code, answer.json["type"]) == (404, "urn:imageretrieval:unknown-collection")


def test_a_batch_is_compared_with_others_too(stocked):
    images = [body(jpeg(1)), body(jpeg(8)), body(jpeg(2, 40)), body(jpeg(8, 40))]
    results = post(stocked, "/add", images, collection="new", against=["default"], on_duplicate="reject")
    assert [each["status"] for each in results] == [409, 201, 409, 409]
    told = [[(match["collection"], match["id"]) for match in each["body"]["matches"]] for each in results]
    assert told == [[("default", "held 1")], [], [("default", "held 2")], [("new", results[1]["body"]["id"])]]


def test_a_queued_batch_answers_each(stocked):
    images = [body(jpeg(8), id="x"), body(BROKEN), body(jpeg(9), id="taken"), body(jpeg(8))]
    results = post(stocked, "/add", images, wait=False)
    assert [each["status"] for each in results] == [202, 422, 409, 202]
    assert results[0]["body"] == {"id": "x", "status": "queued", "collection": "default"}
    assert len(stocked.get("/images").json["images"]) == len(HELD)


class Meeting(BaseHTTPRequestHandler):
    """Gives a picture once as many are asked for as the barrier wants."""

    everybody = threading.Barrier(READERS)

    def do_GET(self):
        self.everybody.wait(30)
        data = jpeg(int(self.path[1:]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def meeting():
    """URL of a server that answers twelve at once, or nobody."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Meeting)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_urls_are_fetched_side_by_side_and_answered_in_order(make_client, meeting):
    client = make_client(input={"fetch": {"allow_private_addresses": True}})
    client.application.extensions["service"].wait_until_ready()
    images = [{"url": f"{meeting}/{seed}", "id": str(seed)} for seed in range(READERS)]
    results = post(client, "/add", images)
    assert [each["body"].get("id") for each in results] == [str(seed) for seed in range(READERS)]
    listed = client.get("/images").json["images"]
    assert [image["source"] for image in listed] == [item["url"] for item in images]


def test_a_url_that_fails_harms_no_other(make_client):
    client = make_client()
    client.application.extensions["service"].wait_until_ready()
    results = post(client, "/add", [{"url": "http://127.0.0.1:9/x.jpg"}, body(jpeg(1)), {"url": "no url"}])
    assert [each["status"] for each in results] == [403, 201, 403]
