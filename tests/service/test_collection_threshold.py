"""PATCH /collections/NAME: from which score on a match counts as a duplicate there, from the next answer on."""

import pytest

from tests.service import calibrated
from tests.service.asking import body, jpeg

PATH = "/collections/shelf"


@pytest.fixture
def shelf(client):
    """Two pictures in one collection, one of them in another too."""
    for seed, name in ((1, "shelf"), (2, "shelf"), (1, "box")):
        answer = client.post("/add", json=body(jpeg(seed), id=str(seed), collection=name))
        assert answer.status_code == 201
    return client


def patch(client, threshold):
    """The reply to a change that must succeed."""
    answer = client.patch(PATH, json={"threshold": threshold})
    assert answer.status_code == 200, answer.text
    return answer.json


def found(client, data, collection="shelf"):
    """Whether a search calls it a duplicate, and the relations of the matches."""
    answer = client.post("/search", json=body(data, collection=collection)).json
    assert answer["duplicate"] == (answer["verdict"] == "duplicate")
    return answer["duplicate"], {match["id"]: match["relation"] for match in answer["matches"]}


def test_it_is_set_and_told(shelf):
    before = shelf.get("/collections").json["collections"]
    told = patch(shelf, 0.75)
    assert told == {**before[1], "threshold": 0.75}
    assert shelf.get("/collections").json["collections"] == [before[0], told]
    described = shelf.get(PATH).json
    assert {name: described[name] for name in told} == told
    assert described["images"] == 2


def test_any_score_may_be_one(client):
    client.post("/collections", json={"name": "shelf"})
    for threshold in (-1, 0, 0.333333, 1):
        assert patch(client, threshold)["threshold"] == client.get(PATH).json["threshold"] == threshold


def test_the_next_search_goes_by_it(shelf):
    copy = jpeg(1, 40)
    assert found(shelf, copy) == (True, {"1": "near", "2": "similar"})
    patch(shelf, 1)
    assert found(shelf, copy) == (False, {"1": "similar", "2": "similar"})
    assert found(shelf, jpeg(1)) == (True, {"1": "exact", "2": "similar"})
    patch(shelf, -1)
    assert found(shelf, copy) == (True, {"1": "near", "2": "near"})
    assert found(shelf, jpeg(3)) == (True, {"1": "near", "2": "near"})
    patch(shelf, None)
    assert found(shelf, copy) == (True, {"1": "near", "2": "similar"})


def test_other_collections_keep_theirs(shelf):
    patch(shelf, 1)
    assert found(shelf, jpeg(1, 40), "box") == (True, {"1": "near"})


def test_the_next_add_and_comparison_go_by_it(shelf):
    def rejected(seed, **fields):
        fields = {"collection": "shelf", "on_duplicate": "reject", **fields}
        return shelf.post("/add", json=body(jpeg(seed, 40), **fields)).status_code == 409

    def compared():
        sides = {"a": {"id": "1", "collection": "shelf"}, "b": body(jpeg(2, 40))}
        return shelf.post("/compare", json=sides).json["relation"]

    assert (rejected(1), compared()) == (True, "similar")
    patch(shelf, -1)
    assert (rejected(3), compared()) == (True, "near")
    patch(shelf, 1)
    assert (rejected(1, id="copy"), compared()) == (False, "similar")


def test_another_process_goes_by_it_at_once(make_client):
    """Two services over one folder, each with what it has read of the collection before."""
    one, other = make_client(), make_client()
    for client in (one, other):
        client.application.extensions["service"].wait_until_ready()
    one.post("/add", json=body(jpeg(1), id="1", collection="shelf"))
    assert found(other, jpeg(2)) == (False, {"1": "similar"})
    patch(one, -1)
    assert other.get(PATH).json["threshold"] == -1
    assert found(other, jpeg(2)) == (True, {"1": "near"})


def test_null_puts_back_what_the_settings_say(make_client):
    client = make_client(search={"threshold": -0.9})
    client.application.extensions["service"].wait_until_ready()
    client.post("/add", json=body(jpeg(1), id="1", collection="shelf"))
    patch(client, 1)
    assert found(client, jpeg(2)) == (False, {"1": "similar"})
    assert patch(client, None)["threshold"] == client.get(PATH).json["threshold"] == -0.9
    assert found(client, jpeg(2)) == (True, {"1": "near"})
    assert patch(client, None)["threshold"] == -0.9


def test_null_puts_back_what_the_calibration_says(shelf):
    made = calibrated.note(shelf, "shelf", knots=((-1.0, 0.1), (-0.95, 0.999)))
    assert shelf.get(PATH).json["threshold"] == made.threshold(0.99)
    assert found(shelf, jpeg(3)) == (True, {"1": "near", "2": "near"})
    assert patch(shelf, 1)["threshold"] == 1  # goes before the calibration
    assert found(shelf, jpeg(3)) == (False, {"1": "similar", "2": "similar"})
    assert patch(shelf, None)["threshold"] == made.threshold(0.99)
    assert found(shelf, jpeg(3)) == (True, {"1": "near", "2": "near"})
    assert shelf.get(PATH).json["calibrations"]["fast"]["thresholds"]["0.99"] == made.threshold(0.99)


def test_a_form_says_it_too(shelf):
    for text, threshold in (("0.75", 0.75), ("-1", -1), ("1", 1), ("null", 0.5), ("0.25", 0.25), ("", 0.5)):
        answer = shelf.patch(PATH, data={"threshold": text})
        assert (answer.status_code, answer.json["threshold"]) == (200, threshold)
    shelf.patch(PATH, data={"threshold": "-1"}, content_type="multipart/form-data")
    assert found(shelf, jpeg(3)) == (True, {"1": "near", "2": "near"})


REFUSED = {
    "nothing": ({"json": {}}, 400, "threshold"),
    "nothing in a form": ({"data": {}, "content_type": "application/x-www-form-urlencoded"}, 400, "threshold"),
    "above 1": ({"json": {"threshold": 1.01}}, 400, "threshold"),
    "below -1": ({"json": {"threshold": -1.01}}, 400, "threshold"),
    "text": ({"json": {"threshold": "0.5"}}, 400, "threshold"),
    "true": ({"json": {"threshold": True}}, 400, "threshold"),
    "list": ({"json": {"threshold": [0.5]}}, 400, "threshold"),
    "NaN": ({"data": '{"threshold": NaN}', "content_type": "application/json"}, 400, "NaN"),
    "text in a form": ({"data": {"threshold": "high"}}, 400, "threshold"),
    "nan in a form": ({"data": {"threshold": "nan"}}, 400, "threshold"),
    "above 1 in a form": ({"data": {"threshold": "2"}}, 400, "threshold"),
    "unknown field": ({"json": {"threshold": 0.9, "thresold": 0.9}}, 400, "thresold: unknown field"),
    "another name": ({"json": {"threshold": 0.9, "name": "box"}}, 400, "name: unknown field"),
    "no object": ({"json": [0.9]}, 400, "object"),
    "no JSON": ({"data": b"0.9"}, 415, "application/json"),
}


def test_what_makes_no_sense_is_refused_and_changes_nothing(shelf):
    patch(shelf, 0.4)
    for name, (request, status, place) in REFUSED.items():
        answer = shelf.patch(PATH, **request)
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), name
        assert place in answer.json["detail"], name
        assert shelf.get(PATH).json["threshold"] == 0.4, name


def test_text_in_json_is_no_null(shelf):
    patch(shelf, 0.4)
    for text in ("", "null"):
        assert shelf.patch(PATH, json={"threshold": text}).status_code == 400
        assert shelf.get(PATH).json["threshold"] == 0.4


def test_an_unknown_collection_is_404_and_is_not_made(client):
    answer = client.patch(PATH, json={"threshold": 0.9})
    assert (answer.status_code, answer.json["type"]) == (404, "urn:imageretrieval:unknown-collection")
    assert client.get("/collections").json == {"collections": []}
