"""POST /pairs: what people say of two stored pictures is respected by the next answer."""

import pytest

from tests.service.asking import body, jpeg

FIRST, SECOND, OTHER = jpeg(1, 90), jpeg(1, 20), jpeg(2)
QUERY = jpeg(1, 60)


@pytest.fixture
def stocked(client):
    for name, data in (("first", FIRST), ("second", SECOND), ("other", OTHER)):
        assert client.post("/add", json=body(data, id=name)).status_code == 201
    assert relations(client) == {"first": "near", "second": "near", "other": "similar"}
    return client


def relations(client, data=QUERY):
    found = client.post("/search", json=body(data)).json
    assert found["duplicate"] is True
    return {match["id"]: match["relation"] for match in found["matches"]}


def mark(client, verdict, a="first", b="second"):
    answer = client.post("/pairs", json={"a": a, "b": b, "verdict": verdict})
    assert answer.status_code == 200, answer.text


def best_two(client):
    """Of the two near ones, the one that the query is closest to, and the other."""
    found = client.post("/search", json=body(QUERY)).json["matches"]
    return [match["id"] for match in found[:2]]


@pytest.mark.parametrize("turned", [False, True])
def test_what_is_marked_as_no_duplicate_of_the_best_match_is_similar(stocked, turned):
    best, second = best_two(stocked)
    mark(stocked, "not_duplicates", *((second, best) if turned else (best, second)))
    assert relations(stocked) == {best: "near", second: "similar", "other": "similar"}


def test_what_is_marked_as_a_duplicate_of_a_match_is_near(stocked):
    best, second = best_two(stocked)
    mark(stocked, "duplicates", second, "other")
    assert relations(stocked) == {best: "near", second: "near", "other": "near"}


def test_an_add_respects_it_too(stocked):
    best, second = best_two(stocked)
    mark(stocked, "not_duplicates")
    answer = stocked.post("/add", json=body(QUERY, on_duplicate="reject"))
    assert answer.status_code == 409
    told = {match["id"]: match["relation"] for match in answer.json["matches"]}
    assert told == {best: "near", second: "similar"}


def test_exact_copies_stay_exact(stocked):
    mark(stocked, "not_duplicates")
    assert relations(stocked, FIRST) == {"first": "exact", "second": "similar", "other": "similar"}
    assert relations(stocked, SECOND) == {"first": "similar", "second": "exact", "other": "similar"}


def test_what_is_taken_back_or_said_otherwise_counts_no_more(stocked):
    before = relations(stocked)
    mark(stocked, "not_duplicates")
    mark(stocked, "duplicates")
    assert relations(stocked) == before
    mark(stocked, "not_duplicates")
    assert stocked.delete("/pairs?a=first&b=second").status_code == 204
    assert relations(stocked) == before


def test_deleting_a_picture_forgets_what_was_said_of_it(stocked):
    before = relations(stocked)
    mark(stocked, "not_duplicates")
    stocked.delete("/images/second")
    assert stocked.post("/add", json=body(SECOND, id="second")).status_code == 201
    assert relations(stocked) == before
    assert stocked.get("/pairs").json["pairs"] == []
