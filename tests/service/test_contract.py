"""The HTTP contract of pictures: what is sent, stored, found, listed, changed and forgotten."""

import json
from urllib.parse import quote

import pytest

from tests.corpus import chunk
from tests.service.asking import body, form, jpeg, png

IDS = ["a", "cats/2024/1.jpg", "Käse 猫 🐈.png", "with space", "a?b=c&d#e", "100%", "a+b", "%2e%2e", "...", "é" * 512]


def add(client, data, **fields):
    """The reply to an add that must succeed."""
    answer = client.post("/add", json=body(data, **fields))
    assert answer.status_code == 201, answer.text
    return answer.json


def search(client, data, **fields):
    """The reply to a search that must succeed."""
    answer = client.post("/search", json=body(data, **fields))
    assert answer.status_code == 200, answer.text
    return answer.json


def path_of(image_id):
    return "/images/" + quote(image_id)


def test_an_added_picture_is_found_first_with_all_that_is_known_of_it(client):
    add(client, jpeg(1))
    add(client, jpeg(2), id="two", metadata={"shot": "Köln", "tags": [1, None, {"x": True}]})
    found = search(client, jpeg(2))
    assert found["collection"] == "default"
    assert found["duplicate"] is True
    best, other = found["matches"]
    assert best["id"] == "two"
    assert best["relation"] == "exact"
    assert best["score"] == pytest.approx(1, abs=1e-3)
    assert best["metadata"] == {"shot": "Köln", "tags": [1, None, {"x": True}]}
    assert best["source"] is None
    assert other["score"] < best["score"]
    assert found["took_ms"].keys() == {"decode", "embed", "search", "total"}
    assert all(value >= 0 for value in found["took_ms"].values())


def test_relations_tell_bytes_pixels_and_copies_apart(client):
    add(client, png(1), id="one")
    relations = {name: search(client, data)["matches"][0]["relation"] for name, data in QUERIES.items()}
    assert relations == {"same file": "exact", "same pixels": "identical", "re-encoded": "near", "another": "similar"}


QUERIES = {
    "same file": png(1),
    "same pixels": png(1)[:-12] + chunk(b"tEXt", b"Comment\0hello") + png(1)[-12:],
    "re-encoded": jpeg(1, 40),
    "another": jpeg(2),
}


def test_another_picture_is_not_a_duplicate(client):
    add(client, jpeg(1))
    assert search(client, jpeg(2))["duplicate"] is False


def test_top_k_and_min_score_limit_the_matches(client):
    for seed in range(12):
        add(client, jpeg(seed), id=str(seed))
    scores = [match["score"] for match in search(client, jpeg(3), top_k=12)["matches"]]
    assert len(scores) == 12
    assert scores == sorted(scores, reverse=True)
    assert len(search(client, jpeg(3))["matches"]) == 10
    assert [match["score"] for match in search(client, jpeg(3), top_k=2)["matches"]] == scores[:2]
    assert [match["score"] for match in search(client, jpeg(3), min_score=scores[4])["matches"]] == scores[:5]
    assert [match["id"] for match in search(client, jpeg(3), min_score=0.99)["matches"]] == ["3"]


def test_a_search_needs_a_collection_and_an_empty_one_has_no_matches(client):
    assert client.post("/search", json=body(jpeg(1))).status_code == 404
    client.post("/collections", json={"name": "default"})
    found = search(client, jpeg(1))
    assert (found["matches"], found["duplicate"]) == ([], False)


def test_an_add_without_id_gets_one(client):
    first, second = add(client, jpeg(1)), add(client, jpeg(1))
    assert first["id"] != second["id"]
    assert first["status"] == "added"


def test_keep_tells_what_is_like_it_and_stores_all_the_same(client):
    add(client, jpeg(1), id="one")
    kept = add(client, jpeg(1, 40), id="again")
    assert [(match["id"], match["relation"]) for match in kept["matches"]] == [("one", "near")]
    assert len(client.get("/images").json["images"]) == 2


def test_reject_refuses_a_duplicate_and_names_it(client):
    add(client, jpeg(1), id="one", metadata={"a": 1})
    answer = client.post("/add", json=body(jpeg(1, 40), on_duplicate="reject"))
    assert answer.status_code == 409
    assert answer.content_type == "application/problem+json"
    assert answer.json["type"] == "urn:imageretrieval:duplicate"
    assert [match["id"] for match in answer.json["matches"]] == ["one"]
    assert answer.json["matches"][0]["metadata"] == {"a": 1}
    assert len(client.get("/images").json["images"]) == 1


def test_reject_keeps_what_is_new(client):
    add(client, jpeg(1))
    assert add(client, jpeg(2), on_duplicate="reject")["matches"] == []


def test_an_id_in_use_is_a_conflict_and_free_again_after_its_delete(client):
    add(client, jpeg(1), id="one")
    answer = client.post("/add", json=body(jpeg(2), id="one"))
    assert answer.status_code == 409
    assert answer.json["type"] == "urn:imageretrieval:id-taken"
    assert search(client, jpeg(1))["matches"][0]["relation"] == "exact"
    assert client.delete("/images/one").status_code == 204
    add(client, jpeg(2), id="one")
    assert [match["relation"] for match in search(client, jpeg(2))["matches"]] == ["exact"]


@pytest.mark.parametrize("image_id", IDS)
def test_any_sensible_id_can_be_added_read_changed_and_deleted(client, image_id):
    answer = client.post("/add", json=body(jpeg(1), id=image_id))
    assert answer.status_code == 201
    location = answer.headers["Location"]
    assert client.get(location).json["id"] == client.get(path_of(image_id)).json["id"] == image_id
    assert client.patch(location, json={"metadata": {"seen": 1}}).json["metadata"] == {"seen": 1}
    assert search(client, jpeg(1))["matches"][0] | {"score": 1} == {
        "id": image_id,
        "score": 1,
        "confidence": 1.0,
        "relation": "exact",
        "source": None,
        "metadata": {"seen": 1},
    }
    assert client.delete(location).status_code == 204
    assert client.get(location).status_code == 404
    assert search(client, jpeg(1))["matches"] == []


def test_a_picture_is_described(client):
    add(client, jpeg(1), id="one", collection="cats")
    described = client.get("/images/one?collection=cats").json
    assert described | {"sha256": 0, "pixels_sha256": 0, "created_at": 0} == {
        "id": "one",
        "collection": "cats",
        "sha256": 0,
        "pixels_sha256": 0,
        "width": 320,
        "height": 240,
        "size": len(jpeg(1)),
        "format": "JPEG",
        "indeterminate": False,
        "source": None,
        "metadata": {},
        "created_at": 0,
        "kept": {"kind": "thumbnail", "size": described["kept"]["size"]},
    }
    assert described["created_at"].endswith("Z")
    assert client.get("/images/one").status_code == 404  # the default collection is another


def test_pages_follow_each_other_in_the_order_of_adding_without_gap_or_overlap(client):
    for seed in range(7):
        add(client, jpeg(seed % 3), id=f"{9 - seed}")
    client.delete("/images/7")
    seen, after = [], 0
    while after is not None:
        page = client.get(f"/images?limit=2&after={after}").json
        seen += [image["id"] for image in page["images"]]
        after = page["next"]
    assert seen == ["9", "8", "6", "5", "4", "3"]


def test_listing_needs_a_collection(client):
    assert client.get("/images").status_code == 404
    client.post("/collections", json={"name": "default"})
    assert client.get("/images").json == {"images": [], "next": None}


@pytest.mark.parametrize(
    "request_of",
    [
        lambda data, **fields: {"json": body(data, **fields)},
        lambda data, **fields: {"json": body(data, **fields), "content_type": "application/json; charset=utf-8"},
        lambda data, **fields: {"json": {**body(data, **fields), "base64": "data:image/jpeg;base64," + b64(data)}},
        lambda data, **fields: {"data": {**body(data), **texts(fields)}},
        lambda data, **fields: {"data": {**body(data), **texts(fields)}, "content_type": "multipart/form-data"},
        lambda data, **fields: {"data": form(data, **texts(fields))},
        lambda data, **fields: {"json": {"type": "base64", "data": b64(data), **fields}},
        lambda data, **fields: {"data": {"type": "base64", "data": b64(data), **texts(fields)}},
    ],
    ids=["json", "charset", "data URI", "urlencoded", "multipart text", "upload", "first version", "its form"],
)
@pytest.mark.parametrize(("add_path", "search_path"), [("/add", "/search"), ("/insert", "/query")])
def test_every_kind_of_body_says_the_same(client, request_of, add_path, search_path):
    fields = {"id": "one", "metadata": {"n": [1, 2]}, "collection": "cats", "wait": True, "on_duplicate": "reject"}
    assert client.post(add_path, **request_of(jpeg(1), **fields)).status_code == 201
    add(client, jpeg(2), collection="cats")
    answer = client.post(search_path, **request_of(jpeg(1), collection="cats", top_k=1, min_score=0.25))
    assert answer.status_code == 200
    assert [(match["id"], match["metadata"]) for match in answer.json["matches"]] == [("one", {"n": [1, 2]})]


def b64(data):
    return body(data)["base64"]


def texts(fields):
    """A form has only strings."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}


def test_an_uploaded_file_leaves_its_name_as_source(client):
    client.post("/add", data=form(jpeg(1), name="/home/me/Käse.jpg"))
    assert search(client, jpeg(1))["matches"][0]["source"] == "Käse.jpg"


def test_wait_false_queues_under_the_id_that_it_will_have(client):
    answer = client.post("/add", json=body(jpeg(1), id="later", wait=False))
    assert answer.status_code == 202
    assert answer.json == {"id": "later", "status": "queued", "collection": "default"}
    assert client.post("/add", json=body(jpeg(2), wait=False)).json["id"]
    assert client.get("/collections").json == {"collections": []}


def test_wait_false_tells_now_what_is_wrong_already(client):
    add(client, jpeg(1), id="one")
    assert client.post("/add", json=body(jpeg(2), id="one", wait=False)).status_code == 409
    assert client.post("/add", json=body(b"no picture", wait=False)).status_code == 422
