"""What a calibration changes in answers: confidence, thresholds, and precision asked for instead of a score."""

from dataclasses import replace

import pytest

from retrieval.calibrate import calibrate
from retrieval.edited import Sampling
from tests import chosen
from tests.service.asking import body, jpeg, small

pytestmark = [pytest.mark.slow, chosen.with_thumbnails()]

COUNT = 24
TARGET = 0.6  # what little pictures and thumbnails as vectors allow to say


@pytest.fixture
def calibrated(make_client):
    """A client of a service whose collection was calibrated."""
    client = make_client()
    service = client.application.extensions["service"].wait_until_ready()
    for seed in range(COUNT):
        assert client.post("/add", json=body(jpeg(seed), id=str(seed))).status_code == 201
    calibrate(service.settings, service.engine, "default", Sampling(edits=2))
    return client


def _matches(client, data, **fields):
    answer = client.post("/search", json=body(data, **fields))
    assert answer.status_code == 200, answer.text
    return answer.json["matches"]


def test_confidence_rises_with_the_score_and_is_certain_of_the_same_bytes(calibrated):
    matches = _matches(calibrated, jpeg(3, 30), top_k=COUNT)
    told = [match["confidence"] for match in matches]
    assert told == sorted(told, reverse=True)
    assert 0 <= told[-1] < told[0] < 1
    assert _matches(calibrated, jpeg(3))[0]["confidence"] == 1.0


def test_a_precision_takes_the_place_of_threshold_and_least_score(calibrated):
    told = calibrated.get("/collections/default").json
    assert set(told["calibrations"]) == {"fast", "thorough"}
    matches = _matches(calibrated, jpeg(3, 30), top_k=COUNT, target_precision=TARGET)
    assert matches
    assert all(match["confidence"] >= TARGET and match["relation"] == "near" for match in matches)
    everything = _matches(calibrated, jpeg(3, 30), top_k=COUNT)
    assert [match for match in everything if match["confidence"] >= TARGET] == [
        match | {"relation": one["relation"]} for match, one in zip(matches, everything[: len(matches)], strict=True)
    ]


def test_an_add_goes_by_a_precision_too(calibrated):
    near = {"on_duplicate": "reject", "target_precision": TARGET}
    assert calibrated.post("/add", json=body(jpeg(3, 30), **near)).status_code == 409
    assert calibrated.post("/add", json=body(small(500), **near)).status_code == 201


@pytest.mark.parametrize("path", ["/search", "/add"])
def test_a_precision_that_cannot_be_promised_is_refused_and_says_what_to_do(calibrated, path):
    answer = calibrated.post(path, json=body(jpeg(1, 30), target_precision=0.99999))
    assert (answer.status_code, answer.json["title"]) == (409, "Not calibrated")
    assert "scripts/calibrate.py --collection default" in answer.json["detail"]
    assert calibrated.get("/collections/default").json["images"] == COUNT


def test_a_threshold_of_the_collection_goes_before_its_calibration(calibrated):
    service = calibrated.application.extensions["service"]
    own = service.engine.judges.calibrations(service.store.collection("default"))["fast"]
    assert own.threshold(0.99) is None  # too few pictures to say
    assert calibrated.get("/collections/default").json["threshold"] == 0.5


def test_without_a_calibration_nothing_is_made_up(make_client):
    client = make_client()
    client.application.extensions["service"].wait_until_ready()
    client.post("/add", json=body(jpeg(1)))
    assert _matches(client, jpeg(1, 30))[0]["confidence"] is None
    assert client.post("/search", json=body(jpeg(1, 30), target_precision=0.9)).status_code == 409
    assert (
        client.post("/compare", json={"a": body(jpeg(1)), "b": body(jpeg(2)), "target_precision": 0.9}).status_code
        == 409
    )
    assert client.get("/collections/default").json["calibrations"] == {}


def test_where_the_precision_of_the_settings_cannot_be_told_the_best_that_can_counts(calibrated):
    """Else a verdict would contradict the calibration that it stands beside."""
    service = calibrated.application.extensions["service"]
    collection = service.store.collection("default")
    known = replace(service.engine.judges.calibrations(collection)["fast"], knots=((0.2, 0.1), (0.7, 0.9), (0.9, 0.95)))
    service.store.catalog.set_calibration(collection, "fast", known.as_json())
    assert known.threshold(0.99) is None
    assert calibrated.get("/collections/default").json["threshold"] == known.threshold(0.9) > 0.5
