"""POST /compare: how two pictures relate, sent or stored; what decides it, and that nothing is kept of it."""

import pytest
from PIL import Image, ImageOps

from tests import chosen
from tests.corpus import chunk, encoded, photo, vague_pictures
from tests.service import calibrated
from tests.service.asking import body, jpeg, png
from tests.service.photographs import samples

FILES = {
    "one": png(1),
    "same pixels": png(1)[:-12] + chunk(b"tEXt", b"Comment\0hello") + png(1)[-12:],
    "copy": jpeg(1, 40),
    "other": jpeg(2),
    "third": jpeg(3),
    "white": encoded(vague_pictures()["white"], "PNG"),
    "black": encoded(vague_pictures()["black"], "PNG"),
}
RELATIONS = {
    ("one", "one"): "exact",
    ("white", "white"): "exact",
    ("one", "same pixels"): "identical",
    ("one", "copy"): "near",
    ("one", "other"): "similar",
    ("white", "black"): "indeterminate",
    ("one", "white"): "indeterminate",
}
STORED_ROUNDING = 1e-4  # of float16
MARKS = ["duplicates", "not_duplicates"]


def sent(name):
    return body(FILES[name])


def stored(name, collection=None):
    return {"id": name} | ({"collection": collection} if collection else {})


def add(client, name, **fields):
    answer = client.post("/add", json={**sent(name), "id": name, **fields})
    assert answer.status_code == 201, answer.text


def compare(client, a, b, **fields):
    """The reply to a comparison that must succeed."""
    answer = client.post("/compare", json={"a": a, "b": b, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json


def mark(client, a, b, verdict, **fields):
    answer = client.post("/pairs", json={"a": a, "b": b, "verdict": verdict, **fields})
    assert answer.status_code == 200, answer.text


def told(found):
    return found["relation"], found["marked"]


def ready(client):
    client.application.extensions["service"].wait_until_ready()
    return client


@pytest.fixture
def client(make_client):
    """In one mode of Flask's: errors, which it treats differently, are in test_compare_requests.py."""
    return ready(make_client())


@pytest.fixture
def stocked(client):
    """Every file in one collection."""
    for name in FILES:
        add(client, name)
    return client


@pytest.fixture
def shelves(client):
    """Collections with thresholds and a picture each: every score is enough for `lax`, and none for `strict`."""
    for name, threshold in (("lax", -1), ("strict", 1), ("plain", None)):
        client.post("/collections", json={"name": name, "threshold": threshold})
        add(client, "one", collection=name)
    return client


@pytest.mark.parametrize("a", [sent, stored], ids=["sent", "stored"])
@pytest.mark.parametrize("b", [sent, stored], ids=["sent", "stored"])
def test_each_relation_whether_sent_or_stored(stocked, a, b):
    for (one, other), relation in RELATIONS.items():
        found = compare(stocked, a(one), b(other))
        certain = 1.0 if relation in ("exact", "identical") else None
        assert found | {"score": 0, "took_ms": 0} == {
            "score": 0,
            "confidence": certain,
            "relation": relation,
            "duplicate": relation in ("exact", "identical", "near"),
            "marked": None,
            "took_ms": 0,
        }
        assert found["took_ms"]["total"] > 0
        assert compare(stocked, b(other), a(one))["relation"] == relation


@pytest.mark.parametrize("pair", [("one", "copy"), ("one", "other"), ("third", "other")], ids=" ".join)
def test_the_score_is_that_of_a_search_whichever_way_round(client, pair):
    one, other = pair
    add(client, one, collection="ones")
    add(client, other, collection="others")
    (match,) = client.post("/search", json=body(FILES[one], collection="others")).json["matches"]
    for a in (sent(one), stored(one, "ones")):
        for b in (sent(other), stored(other, "others")):
            score = compare(client, a, b)["score"]
            assert score == pytest.approx(match["score"], abs=STORED_ROUNDING + chosen.rounding())
            assert compare(client, b, a)["score"] == pytest.approx(score, abs=chosen.rounding())


def test_two_collections(client):
    add(client, "one", collection="ones")
    add(client, "copy", collection="copies")
    assert compare(client, stored("one", "ones"), stored("copy", "copies"))["relation"] == "near"
    answer = client.post("/compare", json={"a": stored("one", "copies"), "b": stored("copy", "copies")})
    assert (answer.status_code, answer.json["type"]) == (404, "urn:imageretrieval:unknown-image")


def test_a_part_is_found_in_what_was_sent_by_thorough_alone(client):
    ground = photo(3, (640, 480))
    ground.paste(photo(1), (0, 0))
    whole = body(encoded(ground, "PNG"))
    assert client.post("/add", json={**whole, "id": "whole"}).status_code == 201
    add(client, "one", collection="parts")
    part = stored("one", "parts")
    (match,) = client.post("/search", json={**whole, "collection": "parts", "mode": "thorough"}).json["matches"]
    for a, b in ((part, whole), (whole, part), (sent("one"), whole), (whole, sent("one"))):
        assert compare(client, a, b)["relation"] == compare(client, a, b, mode="fast")["relation"] == "similar"
        found = compare(client, a, b, mode="thorough")
        assert (found["relation"], found["duplicate"]) == ("near", True)
        assert found["score"] == pytest.approx(match["score"], abs=STORED_ROUNDING + chosen.rounding())
    # Of a stored picture there is only its vector.
    assert compare(client, sent("one"), stored("whole"), mode="thorough")["relation"] == "similar"


def test_thorough_may_be_the_default(make_client):
    client = ready(make_client(search={"mode": "thorough"}))
    ground = photo(3, (640, 480))
    ground.paste(photo(1), (0, 0))
    whole = body(encoded(ground, "PNG"))
    assert compare(client, sent("one"), whole)["relation"] == "near"
    assert compare(client, sent("one"), whole, mode="fast")["relation"] == "similar"


def test_the_threshold_is_that_of_the_named_collection_else_of_a_stored_picture_else_of_the_settings(shelves):
    other = sent("other")
    add(shelves, "other", collection="strict")
    for a, b, named, relation in (
        (sent("one"), other, None, "similar"),
        (sent("one"), other, "lax", "near"),
        (stored("one", "lax"), other, None, "near"),
        (other, stored("one", "lax"), None, "near"),
        (stored("one", "lax"), other, "strict", "similar"),
        (stored("one", "strict"), other, "lax", "near"),
        (stored("one", "lax"), stored("other", "strict"), None, "near"),  # a's goes before b's
        (stored("other", "strict"), stored("one", "lax"), None, "similar"),
        (sent("one"), sent("copy"), None, "near"),
        (sent("one"), sent("copy"), "strict", "similar"),
        (sent("one"), sent("copy"), "plain", "near"),
    ):
        assert compare(shelves, a, b, collection=named)["relation"] == relation, (a.get("id"), b.get("id"), named)


def test_without_any_collection_the_settings_decide(make_client):
    for threshold, relations in ((-1.0, ["near", "near"]), (1.0, ["similar", "similar"])):
        client = ready(make_client(search={"threshold": threshold}))
        found = [compare(client, sent("one"), sent(name))["relation"] for name in ("copy", "other")]
        assert found == relations
        client.post("/collections", json={"name": "plain"})
        assert compare(client, sent("one"), sent("other"), collection="plain")["relation"] == relations[1]


def test_a_precision_needs_a_calibration(shelves):
    for fields in ({"b": sent("copy")}, {"b": stored("one", "lax")}, {"b": sent("copy"), "collection": "plain"}):
        answer = shelves.post("/compare", json={"a": sent("one"), "target_precision": 0.9, **fields})
        assert (answer.status_code, answer.json["type"]) == (409, "urn:imageretrieval:not-calibrated")
        assert "scripts/calibrate.py" in answer.json["detail"]


def test_confidence_and_precision_are_those_of_the_collection_and_the_mode(shelves):
    made = calibrated.note(shelves, "plain")
    found = compare(shelves, stored("one", "plain"), sent("other"))
    assert found["confidence"] == pytest.approx(made.confidence(found["score"]), abs=1e-4)
    assert compare(shelves, sent("one"), sent("other"), collection="plain")["confidence"] == found["confidence"]
    assert compare(shelves, stored("one", "plain"), sent("other"), mode="thorough")["confidence"] is None
    assert compare(shelves, stored("one", "plain"), sent("other"), collection="lax")["confidence"] is None
    for precision, relation in ((found["confidence"] - 0.01, "near"), (found["confidence"] + 0.01, "similar")):
        asked = {"collection": "plain", "target_precision": precision}
        assert compare(shelves, stored("one", "lax"), sent("other"), **asked)["relation"] == relation
    assert compare(shelves, sent("one"), sent("white"), collection="plain")["confidence"] is None


def test_marks_settle_the_relation_but_not_of_the_same_picture(stocked):
    add(stocked, "one", collection="twins")
    for one, other, home, relations in (
        (stored("one"), stored("copy"), None, ["near", "similar"]),
        (stored("one"), stored("other"), None, ["near", "similar"]),
        (stored("white"), stored("black"), None, ["near", "indeterminate"]),
        (stored("one"), stored("same pixels"), None, ["identical", "identical"]),
        (stored("one"), stored("one", "twins"), "twins", ["exact", "exact"]),
    ):
        before = compare(stocked, one, other)
        for verdict, relation in zip(MARKS, relations, strict=True):
            mark(stocked, one["id"], other["id"], verdict, **({"other_collection": home} if home else {}))
            for found in (compare(stocked, one, other), compare(stocked, other, one)):
                assert told(found) == (relation, verdict)
                assert found["duplicate"] is (relation in ("exact", "identical", "near"))
                assert (found["score"], found["confidence"]) == (before["score"], before["confidence"])
        away = f"&other_collection={home}" if home else ""
        assert stocked.delete(f"/pairs?a={one['id']}&b={other['id']}{away}").status_code == 204
        assert told(compare(stocked, one, other)) == (before["relation"], None)


def test_a_mark_that_says_otherwise_leaves_no_confidence(stocked):
    calibrated.note(stocked, "default")
    sure = compare(stocked, stored("one"), stored("copy"))["confidence"]
    assert 0 < sure < 1
    for verdict, confidence in (("duplicates", sure), ("not_duplicates", None)):
        mark(stocked, "one", "copy", verdict)
        assert compare(stocked, stored("one"), stored("copy"))["confidence"] == confidence


def test_an_upload_counts_as_the_stored_picture_whose_bytes_it_has(stocked):
    mark(stocked, "one", "copy", "not_duplicates")
    mark(stocked, "one", "other", "duplicates")
    for name, marked in (("copy", ("similar", "not_duplicates")), ("other", ("near", "duplicates"))):
        for a, b, fields in (
            (sent("one"), stored(name), {}),
            (stored("one"), sent(name), {}),
            (sent(name), stored("one"), {}),
            (sent("one"), sent(name), {"collection": "default"}),
        ):
            assert told(compare(stocked, a, b, **fields)) == marked
    assert told(compare(stocked, sent("one"), sent("copy"))) == ("near", None)  # of no collection
    assert told(compare(stocked, sent("same pixels"), stored("copy"))) == ("near", None)  # of other bytes


def test_marks_of_two_collections(client):
    for name, home in (("one", "ones"), ("copy", "copies")):
        add(client, name, collection=home)
    mark(client, "one", "copy", "not_duplicates", collection="ones", other_collection="copies")
    marked, one, copy = ("similar", "not_duplicates"), stored("one", "ones"), stored("copy", "copies")
    assert told(compare(client, one, copy)) == told(compare(client, copy, one)) == marked
    assert told(compare(client, sent("one"), copy, collection="ones")) == marked
    assert told(compare(client, sent("one"), copy)) == ("near", None)  # nobody spoke of its collection


def test_an_upload_is_looked_up_in_a_stored_pictures_collection_too(stocked):
    """Where another one is named."""
    stocked.post("/collections", json={"name": "named"})
    mark(stocked, "one", "copy", "not_duplicates")
    home = {"collection": "default"}
    for a, b in ((stored("one") | home, sent("copy")), (sent("one"), stored("copy") | home)):
        assert told(compare(stocked, a, b, collection="named")) == ("similar", "not_duplicates")


def test_a_stored_picture_is_of_the_collection_of_the_request_unless_it_says_otherwise(stocked):
    stocked.post("/add", json=body(jpeg(77), id="one", collection="elsewhere"))
    assert compare(stocked, stored("one"), body(jpeg(77)), collection="elsewhere")["relation"] == "exact"
    assert compare(stocked, stored("one"), body(jpeg(77)))["relation"] != "exact"


@pytest.mark.model
def test_with_the_real_model_a_photograph_in_a_collage_is_found_thoroughly(make_client):
    client = ready(make_client(extractor={"name": "sscd"}))
    stranger, *pasted = [Image.open(path).convert("RGB") for path in samples()[:3]]
    page = Image.new("RGB", (720, 540), "#204060")
    for photograph, place in zip(pasted, ((20, 20), (380, 280)), strict=True):
        page.paste(ImageOps.fit(photograph, (320, 240)), place)
    collage = body(encoded(page, "PNG"))
    for photograph, expected in ((pasted[0], [False, True]), (pasted[1], [False, True]), (stranger, [False, False])):
        data = body(encoded(photograph, "JPEG", quality=90))
        for a, b in ((data, collage), (collage, data)):
            assert [compare(client, a, b, mode=mode)["duplicate"] for mode in ("fast", "thorough")] == expected
