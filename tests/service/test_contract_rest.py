"""The HTTP contract of collections, jobs and errors."""

import pytest

from extractor import NoEmbedding
from tests import chosen
from tests.service.asking import body, jpeg


@pytest.fixture
def shelf(client):
    """A collection with two pictures."""
    for seed in (1, 2):
        client.post("/add", json=body(jpeg(seed), id=str(seed), collection="shelf"))
    return client


def is_problem(answer, status):
    """Whether an answer is a problem document of this status."""
    document = answer.json
    return (
        (answer.status_code, document["status"], answer.content_type) == (status, status, "application/problem+json")
        and document["type"].startswith("urn:imageretrieval:")
        and bool(document["title"])
        and bool(document["detail"])
    )


def test_a_collection_is_made_listed_described_and_deleted(client):
    made = client.post("/collections", json={"name": "cats", "threshold": 0.75})
    assert made.status_code == 201
    assert made.json["name"] == "cats"
    assert made.json["threshold"] == 0.75
    extractor = chosen.extractor()
    assert (made.json["dim"], made.json["fingerprint"]) == (extractor.dim, extractor.fingerprint)
    assert client.get("/collections").json == {"collections": [made.json]}
    described = client.get(made.headers["Location"]).json
    assert described["images"] == 0
    assert described["index"] == {"kind": None, "generation": None, "images": 0, "pending": 0}
    assert client.delete(made.headers["Location"]).status_code == 204
    assert is_problem(client.get("/collections/cats"), 404)
    assert client.get("/collections").json == {"collections": []}


def test_a_collection_of_the_same_name_is_a_conflict(shelf):
    assert is_problem(shelf.post("/collections", json={"name": "shelf"}), 409)
    assert shelf.get("/collections/shelf").json["images"] == 2


def test_figures_of_a_collection_follow_its_pictures(shelf):
    assert shelf.get("/collections/shelf").json["index"]["pending"] == 2
    shelf.delete("/images/1?collection=shelf")
    assert shelf.get("/collections/shelf").json["images"] == 1


def test_the_threshold_of_a_collection_decides_what_is_a_duplicate(client):
    for name, threshold in (("strict", 1), ("lax", -1)):
        client.post("/collections", json={"name": name, "threshold": threshold})
        client.post("/add", json=body(jpeg(1), collection=name))
    found = {name: client.post("/search", json=body(jpeg(2), collection=name)).json for name in ("strict", "lax")}
    assert [found[name]["duplicate"] for name in ("strict", "lax")] == [False, True]
    answers = [client.post("/add", json=body(jpeg(2), collection=n, on_duplicate="reject")) for n in ("strict", "lax")]
    assert [answer.status_code for answer in answers] == [201, 409]


def test_a_deleted_collection_takes_its_pictures_along_and_its_name_is_free(shelf):
    shelf.delete("/collections/shelf")
    assert is_problem(shelf.post("/search", json=body(jpeg(1), collection="shelf")), 404)
    shelf.post("/collections", json={"name": "shelf"})
    assert shelf.post("/search", json=body(jpeg(1), collection="shelf")).json["matches"] == []


def test_pictures_of_one_collection_are_not_found_in_another(shelf):
    shelf.post("/add", json=body(jpeg(3), id="3"))
    assert [match["id"] for match in shelf.post("/search", json=body(jpeg(1))).json["matches"]] == ["3"]


def test_a_job_is_queued_listed_and_followed(shelf):
    asked = shelf.post("/jobs", json={"kind": "rebuild", "collection": "shelf"})
    assert asked.status_code == 202
    assert asked.json["state"] == "queued"
    assert (asked.json["kind"], asked.json["collection"]) == ("rebuild", "shelf")
    assert shelf.get(asked.headers["Location"]).json == asked.json
    other = shelf.post("/jobs", json={"kind": "ingest"})
    assert shelf.get("/jobs").json == {"jobs": [other.json, asked.json]}


def test_the_same_job_is_not_queued_twice(client):
    first, second = (client.post("/jobs", json={"kind": "ingest", "collection": "new"}).json for _ in range(2))
    assert first["id"] == second["id"]


def test_health_needs_nothing(client):
    assert client.get("/healthz").json == {"status": "alive"}


@pytest.mark.parametrize("path", ["/", "/nowhere", "/images/", "/search/", "/jobs/x", "/jobs/-1", f"/jobs/{2**31}"])
def test_an_unknown_path_is_404(client, path):
    assert is_problem(client.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/search", {"POST"}),
        ("DELETE", "/add", {"POST"}),
        ("POST", "/images/one", {"GET", "PATCH", "DELETE"}),
        ("PUT", "/images/a/b", {"GET", "PATCH", "DELETE"}),
        ("DELETE", "/collections", {"GET", "POST"}),
        ("POST", "/collections/cats", {"GET", "DELETE"}),
        ("PATCH", "/jobs/1", {"GET"}),
        ("POST", "/readyz", {"GET"}),
    ],
)
def test_another_method_is_405_and_the_allowed_ones_are_told(client, method, path, allowed):
    answer = client.open(path, method=method)
    assert is_problem(answer, 405)
    assert set(answer.headers["Allow"].split(", ")) >= allowed


@pytest.mark.parametrize("content_type", ["text/plain", "image/jpeg", "application/octet-stream", None])
def test_another_kind_of_body_is_415(client, content_type):
    assert is_problem(client.post("/add", data=jpeg(1), content_type=content_type), 415)


def test_too_large_a_body_is_413(make_client):
    client = make_client(server={"max_request_bytes": 5000})
    client.application.extensions["service"].wait_until_ready()
    assert is_problem(client.post("/add", json=body(bytes(5000))), 413)
    assert is_problem(client.post("/add", data={"base64": "A" * 5000}), 413)


def test_too_large_a_picture_is_413(make_client):
    client = make_client(input={"max_bytes": 1000, "max_pixels": 50_000_000})
    client.application.extensions["service"].wait_until_ready()
    assert is_problem(client.post("/add", json=body(jpeg(1))), 413)


def test_the_fields_of_a_post_stand_in_its_body(shelf):
    answer = shelf.post("/search?collection=shelf", json=body(jpeg(1)))
    assert is_problem(answer, 400)
    assert "collection" in answer.json["detail"]


def test_an_unknown_field_is_named(client):
    answer = client.post("/search", json=body(jpeg(1), topk=5))
    assert is_problem(answer, 400)
    assert "topk: unknown field" in answer.json["detail"]


def test_a_collection_of_another_extractor_is_a_conflict_that_names_the_way_out(make_client, settings):
    from index_store import Catalog

    client = make_client()
    catalog = Catalog(settings().catalog_url)
    catalog.create_collection("old", "another extractor", 512, None)
    catalog.close()
    client.application.extensions["service"].wait_until_ready()
    for path in ("/search", "/add"):
        answer = client.post(path, json=body(jpeg(1), collection="old"))
        assert is_problem(answer, 409)
        assert "build_index.py" in answer.json["detail"]
    assert client.get("/collections/old").json["fingerprint"] == "another extractor"
    assert client.post("/add", json=body(jpeg(1), collection="new")).status_code == 201


def test_a_picture_without_an_embedding_is_refused_and_stores_nothing(client, monkeypatch):
    engine = client.application.extensions["service"].engine

    def infer(batch):
        raise NoEmbedding("the network gives no finite numbers")

    monkeypatch.setattr(engine.extractor, "_infer", infer)
    answer = client.post("/add", json=body(jpeg(1), id="one"))
    assert (answer.status_code, answer.json["type"]) == (422, "urn:imageretrieval:no-embedding")
    assert client.get("/images/one").status_code == 404
