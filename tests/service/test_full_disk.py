"""A full disk: what would be stored is refused with 507 and leaves no trace; the rest goes on, without a restart."""

from contextlib import ExitStack

import pytest

from tests.conftest import MakeClient
from tests.disk import no_room
from tests.service.asking import body, small

pytestmark = pytest.mark.any_extractor

KEY = {"Idempotency-Key": "once"}
WRITES = {
    "add": ("POST", "/add", body(small(50), id="50")),
    "batch": ("POST", "/add", {"images": [{"base64": body(small(n))["base64"]} for n in (51, 52)]}),
    "add to a new collection": ("POST", "/add", body(small(50), collection="new")),
    "queue": ("POST", "/add", body(small(50), id="50", wait=False)),
    "describe": ("PATCH", "/images/1", {"metadata": {"a": 1}}),
    "create": ("POST", "/collections", {"name": "new"}),
    "mark": ("POST", "/pairs", {"a": "1", "b": "2", "verdict": "duplicates"}),
}


@pytest.fixture
def held(client):
    """A client of a service that uses its disk to the last byte and holds three pictures."""
    for number in range(3):
        assert client.post("/add", json=body(small(number), id=str(number))).status_code == 201
    return client


def remembered(client) -> tuple:
    """All that can be asked for."""
    data = client.application.extensions["service"].settings.data_dir
    return (
        client.get("/images").json,
        client.get("/collections").json,
        client.get("/pairs").json,
        sorted(path.name for path in (data / "inbox").rglob("*") if path.is_file()),
    )


@pytest.mark.parametrize("write", WRITES)
def test_what_would_be_stored_is_refused_and_leaves_no_trace(held, write):
    method, path, asked = WRITES[write]
    before = remembered(held)
    with no_room():
        refused = held.open(path, method=method, json=asked)
    assert refused.status_code == 507
    assert refused.content_type == "application/problem+json"
    assert refused.json["type"] == "urn:imageretrieval:storage-full"
    assert "make room" in refused.json["detail"]
    assert str(held.application.extensions["service"].settings.data_dir) not in refused.text
    assert remembered(held) == before
    assert held.open(path, method=method, json=asked).status_code in (200, 201, 202, 207)


def test_searches_go_on_also_on_connections_that_are_new(held):
    found = []
    with no_room():
        service = held.application.extensions["service"]
        with ExitStack() as stack:
            for _ in range(8):  # all that are open, so that the requests need others
                stack.enter_context(service.catalog.reading())
            for _ in range(3):
                answer = held.post("/search", json=body(small(1), top_k=1))
                found.append(answer.json["matches"][0]["id"])
        assert held.get("/images/1").status_code == 200
        assert held.get("/collections/default").status_code == 200
    assert found == ["1"] * 3


def test_a_refused_request_with_a_key_can_be_sent_again(held):
    asked = body(small(60))
    with no_room():
        assert held.post("/add", json=asked, headers=KEY).status_code == 507
    assert held.post("/add", json=asked, headers=KEY).status_code == 201
    again = held.post("/add", json=asked, headers=KEY)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert len(held.get("/images").json["images"]) == 4


def test_a_queued_batch_with_a_key_can_be_sent_again(held):
    asked = {"images": [{"base64": body(small(n))["base64"]} for n in (61, 62)], "wait": False}
    with no_room():
        refused = held.post("/add", json=asked, headers=KEY)
    assert [each["status"] for each in refused.json["results"]] == [507, 507]
    assert held.post("/add", json=asked, headers=KEY).json["results"][0]["status"] == 202


@pytest.fixture
def reserved(make_client: MakeClient):
    """More must stay free than any disk has."""
    client = make_client(catalog={"min_free_bytes": 0})
    service = client.application.extensions["service"].wait_until_ready()
    client.post("/add", json=body(small(1), id="1"))
    object.__setattr__(service.catalog.reserve, "least", 1 << 60)
    object.__setattr__(service.inbox._reserve, "least", 1 << 60)
    return client


@pytest.mark.parametrize("write", WRITES)
def test_some_room_is_not_for_adds(reserved, write):
    method, path, asked = WRITES[write]
    if write == "mark":
        asked = asked | {"b": "1"}
    refused = reserved.open(path, method=method, json=asked)
    assert refused.status_code == 507
    assert "catalog.min_free_bytes" in refused.json["detail"]


def test_it_is_for_deletes_searches_and_jobs(reserved):
    assert reserved.post("/search", json=body(small(1))).json["duplicate"]
    assert reserved.post("/jobs", json={"kind": "rebuild"}).status_code == 202
    assert reserved.delete("/images/1").status_code == 204
    assert reserved.delete("/collections/default").status_code == 204


def test_a_picture_that_finds_no_room_leaves_no_request_in_the_inbox(held):
    before = remembered(held)
    with no_room(limit=500):  # enough for the request beside it
        assert held.post("/add", json=body(small(50), wait=False)).status_code == 507
    assert remembered(held) == before
