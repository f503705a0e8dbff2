"""The HTTP contract of marked pairs."""

import pytest

from tests.service.asking import body, jpeg
from tests.service.test_contract_rest import is_problem

PAIR = {"collection": "shelf", "a": "1", "b": "2"}
QUERY = "/pairs?collection=shelf"


@pytest.fixture
def shelf(client):
    """Three pictures in one collection, one in another."""
    for seed, name in ((1, "shelf"), (2, "shelf"), (3, "shelf"), (1, "box")):
        client.post("/add", json=body(jpeg(seed), id=str(seed), collection=name))
    return client


def listed(client, query=QUERY):
    return [(pair["a"], pair["b"], pair["verdict"]) for pair in client.get(query).json["pairs"]]


def test_a_pair_is_marked_changed_listed_and_taken_back(shelf):
    made = shelf.post("/pairs", json={**PAIR, "verdict": "duplicates"})
    assert made.status_code == 200
    assert {key: made.json[key] for key in ("a", "a_collection", "b", "b_collection", "verdict")} == {
        "a": "1",
        "a_collection": "shelf",
        "b": "2",
        "b_collection": "shelf",
        "verdict": "duplicates",
    }
    assert shelf.post("/pairs", json={**PAIR, "verdict": "duplicates"}).json == made.json
    assert shelf.get(QUERY).json == {"pairs": [made.json], "next": None}
    shelf.post("/pairs", json={**PAIR, "a": "2", "b": "1", "verdict": "not_duplicates"})
    assert listed(shelf) == [("1", "2", "not_duplicates")]
    assert shelf.delete(f"{QUERY}&a=2&b=1").status_code == 204
    assert listed(shelf) == []
    assert is_problem(shelf.delete(f"{QUERY}&a=2&b=1"), 404)


def test_a_pair_of_two_collections(shelf):
    fields = {"collection": "box", "a": "1", "other_collection": "shelf", "b": "1"}
    made = shelf.post("/pairs", json={**fields, "verdict": "duplicates"})
    assert (made.json["a_collection"], made.json["b_collection"]) == ("shelf", "box")  # the older first
    assert listed(shelf) == listed(shelf, "/pairs?collection=box") == [("1", "1", "duplicates")]
    assert shelf.delete("/pairs?collection=box&a=1&b=1&other_collection=shelf").status_code == 204


def test_pairs_are_listed_by_page_and_by_picture(shelf):
    for a, b in ("12", "23", "13"):
        shelf.post("/pairs", json={**PAIR, "a": a, "b": b, "verdict": "not_duplicates"})
    first = shelf.get(f"{QUERY}&limit=2").json
    assert [(pair["a"], pair["b"]) for pair in first["pairs"]] == [("1", "2"), ("2", "3")]
    rest = shelf.get(f"{QUERY}&limit=2&after={first['next']}").json
    assert ([(pair["a"], pair["b"]) for pair in rest["pairs"]], rest["next"]) == ([("1", "3")], None)
    assert [pair[:2] for pair in listed(shelf, f"{QUERY}&image=2")] == [("1", "2"), ("2", "3")]


@pytest.mark.parametrize("gone", ["/images/2?collection=shelf", "/collections/shelf"])
def test_what_is_deleted_takes_its_pairs_along(shelf, gone):
    shelf.post("/pairs", json={**PAIR, "verdict": "duplicates"})
    shelf.delete(gone)
    for seed in (1, 2):
        shelf.post("/add", json=body(jpeg(seed), id=str(seed), collection="shelf"))
    assert listed(shelf) == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"b": "1"}, 400),
        ({"b": "9"}, 404),
        ({"collection": "nowhere"}, 404),
        ({"other_collection": "nowhere"}, 404),
        ({"other_collection": "../x"}, 400),
        ({"verdict": "perhaps"}, 400),
        ({"verdict": None}, 400),
        ({"a": 1}, 400),
        ({"a": "../1"}, 400),
        ({"c": "1"}, 400),
    ],
)
def test_a_mark_that_makes_no_sense_is_refused_and_not_kept(shelf, changes, status):
    assert is_problem(shelf.post("/pairs", json={**PAIR, "verdict": "duplicates", **changes}), status)
    assert listed(shelf) == []


@pytest.mark.parametrize(
    ("query", "status"),
    [("collection=nowhere", 404), ("collection=shelf&image=9", 404), ("after=-1", 400), ("limit=0", 400), ("a=1", 400)],
)
def test_a_listing_that_makes_no_sense_is_refused(shelf, query, status):
    assert is_problem(shelf.get(f"/pairs?{query}"), status)
