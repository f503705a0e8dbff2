"""`against`: an add that must not repeat what other collections hold."""

import pytest

from tests.service.asking import body, form, jpeg


@pytest.fixture
def guarded(client):
    """A service with two sets that are protected."""
    for collection, seed in (("museum", 1), ("archive", 2)):
        add(client, jpeg(seed), collection=collection, id=f"{collection} {seed}")
    return client


def add(client, data, **fields):
    return client.post("/add", json=body(data, **fields))


def told(answer):
    return [(match["collection"], match["id"], match["relation"]) for match in answer.json["matches"]]


@pytest.mark.parametrize(("seed", "owner"), [(1, "museum"), (2, "archive")])
@pytest.mark.parametrize(("quality", "relation"), [(90, "exact"), (40, "near")])
def test_what_a_protected_set_holds_is_refused_and_the_set_is_named(guarded, seed, owner, quality, relation):
    answer = add(guarded, jpeg(seed, quality), on_duplicate="reject", against=["museum", "archive"])
    assert answer.status_code == 409
    assert told(answer) == [(owner, f"{owner} {seed}", relation)]
    assert [each["name"] for each in guarded.get("/collections").json["collections"]] in (
        ["archive", "museum"],
        ["archive", "default", "museum"],
    )
    assert guarded.get(f"/images?collection={owner}").json["images"][0]["id"] == f"{owner} {seed}"


def test_what_is_not_named_is_not_asked(guarded):
    answer = add(guarded, jpeg(2, 40), on_duplicate="reject", against=["museum"])
    assert (answer.status_code, answer.json["matches"]) == (201, [])


def test_keep_tells_and_stores(guarded):
    answer = add(guarded, jpeg(1, 40), against=["museum"])
    assert (answer.status_code, told(answer)) == (201, [("museum", "museum 1", "near")])
    again = add(guarded, jpeg(1, 60), against=["museum"])
    assert {(name, relation) for name, _, relation in told(again)} == {("museum", "near"), ("default", "near")}


def test_a_form_names_them_with_commas(guarded):
    answer = guarded.post("/add", data=form(jpeg(2, 40), against="museum, archive", on_duplicate="reject"))
    assert (answer.status_code, told(answer)) == (409, [("archive", "archive 2", "near")])


def test_an_unknown_one_is_an_error_that_stores_nothing(guarded):
    answer = add(guarded, jpeg(3), against=["museum", "nowhere"])
    assert (answer.status_code, answer.json["type"]) == (404, "urn:imageretrieval:unknown-collection")
    assert "nowhere" in answer.json["detail"]
    assert guarded.get("/images").status_code == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"against": ["default"]},
        {"against": ["museum"], "wait": False},
        {"against": "no such name!"},
        {"against": [5]},
        {"against": {"museum": 1}},
        {"against": [f"c{n}" for n in range(17)]},
    ],
)
def test_what_makes_no_sense_is_refused(guarded, fields):
    answer = add(guarded, jpeg(3), **fields)
    assert answer.status_code == 400
    assert answer.json["detail"].startswith("against") or "against" in answer.json["detail"]
    assert guarded.get("/images").status_code == 404


def test_vectors_of_another_extractor_are_an_error_that_names_the_collection(guarded):
    service = guarded.application.extensions["service"]
    service.catalog.create_collection("foreign", "another extractor", 5, None)
    answer = add(guarded, jpeg(3), against=["foreign"])
    assert (answer.status_code, answer.json["type"]) == (409, "urn:imageretrieval:fingerprint-mismatch")
    assert "'foreign'" in answer.json["detail"]
    assert guarded.get("/images").status_code == 404 or guarded.get("/images").json["images"] == []
