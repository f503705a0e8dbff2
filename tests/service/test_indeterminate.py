"""Blank, flat and tiny pictures: never a false duplicate, of each other or of anything, yet known by their bytes."""

import numpy as np
import pytest
from PIL import Image

from tests import chosen
from tests.corpus import encoded, photo, vague_pictures
from tests.service.asking import body, jpeg, png
from tests.service.photographs import samples

VAGUE = {name: encoded(image, "PNG") for name, image in vague_pictures().items()}
FLAT = [encoded(Image.new("RGB", (64 + n, 64), (20 * n,) * 3), "PNG") for n in range(12)]  # one vector for all


def add(client, data, **fields):
    return client.post("/add", json=body(data, on_duplicate="reject", **fields))


def search(client, data, **fields):
    answer = client.post("/search", json=body(data, **fields))
    assert answer.status_code == 200, answer.text
    return answer.json


def relations(found):
    return {match["id"]: match["relation"] for match in found["matches"]}


@pytest.fixture
def stocked(client):
    """A service that holds all of them; each was added as new."""
    for name, data in VAGUE.items():
        answer = add(client, data, id=name)
        assert (answer.status_code, answer.json["matches"]) == (201, []), name
    return client


def test_different_ones_are_all_kept_and_said_to_be_vague(stocked):
    images = stocked.get("/images").json["images"]
    assert {image["id"]: image["indeterminate"] for image in images} == dict.fromkeys(VAGUE, True)


@pytest.mark.parametrize("name", ["white", "1 pixels", "gradient", "noise"])
def test_the_same_bytes_are_a_duplicate_and_so_are_the_same_pixels(stocked, name):
    for data, relation in ((VAGUE[name], "exact"), (encoded(vague_pictures()[name], "BMP"), "identical")):
        answer = add(stocked, data)
        assert answer.status_code == 409
        assert [(match["id"], match["relation"]) for match in answer.json["matches"]] == [(name, relation)]
        found = search(stocked, data)
        assert (found["duplicate"], found["verdict"]) == (True, "duplicate")
        assert relations(found)[name] == relation


def test_another_one_is_indeterminate_against_everything(stocked):
    add(stocked, jpeg(1), id="photograph")
    found = search(stocked, encoded(Image.new("RGB", (320, 240), "#fefefe"), "PNG"), top_k=100)
    assert (found["duplicate"], found["verdict"]) == (False, "indeterminate")
    assert relations(found) == dict.fromkeys([*VAGUE, "photograph"], "indeterminate")
    assert {match["confidence"] for match in found["matches"]} == {None}


@pytest.mark.parametrize("name", VAGUE)
def test_a_photograph_is_no_copy_of_them(make_client, name):
    """Not even where every score counts as near."""
    client = make_client(search={"threshold": -1.0})
    client.application.extensions["service"].wait_until_ready()
    add(client, VAGUE[name], id="vague")
    found = search(client, jpeg(1))
    assert (found["duplicate"], found["verdict"], relations(found)) == (False, "new", {"vague": "indeterminate"})
    assert add(client, jpeg(1), id="photograph").status_code == 201
    assert relations(search(client, jpeg(2))) == {"vague": "indeterminate", "photograph": "near"}


def test_a_known_one_is_recognised_among_more_of_its_like_than_are_told(client):
    """Their vectors are one, so the index cannot tell them apart; only the first ten are told."""
    for number, data in enumerate(FLAT):
        assert add(client, data, id=str(number)).status_code == 201
    pixels = encoded(Image.new("RGB", (64 + 11, 64), (220,) * 3), "BMP")
    for data, relation in ((FLAT[11], "exact"), (pixels, "identical")):
        for top_k in (1, 10):
            found = search(client, data, top_k=top_k)
            assert (found["duplicate"], found["verdict"]) == (True, "duplicate")
            assert (found["matches"][0]["id"], found["matches"][0]["relation"]) == ("11", relation)
            assert len(found["matches"]) == top_k


@chosen.with_thumbnails()  # by which a crop scores as it has to here
def test_a_copy_is_found_behind_more_tiny_pictures_than_are_told(client):
    tiny = [photo(1).resize((31, side)) for side in range(18, 31)]
    for number, image in enumerate(tiny):
        assert add(client, encoded(image, "PNG"), id=str(number)).status_code == 201
    cropped = photo(1).crop((40, 30, 320, 240))  # a copy that scores less than they do
    assert add(client, encoded(cropped, "PNG"), id="photograph").status_code == 201
    found = search(client, png(1), top_k=5)
    assert found["duplicate"] is True
    assert len(found["matches"]) == 5
    assert list(relations(found).values()) == ["indeterminate"] * 4 + ["near"]
    assert [match["score"] for match in found["matches"]] == sorted(
        (match["score"] for match in found["matches"]), reverse=True
    )
    answer = add(client, png(1))
    assert (answer.status_code, [match["id"] for match in answer.json["matches"]]) == (409, ["photograph"])


def test_within_a_batch_they_repeat_only_themselves(client):
    pictures = [VAGUE["white"], VAGUE["red"], VAGUE["white"], VAGUE["gradient"]]
    images = [body(data) for data in pictures]
    answer = client.post("/add", json={"images": images, "on_duplicate": "reject"}).json
    assert [each["status"] for each in answer["results"]] == [201, 201, 409, 201]
    results = client.post("/search", json={"images": images}).json["results"]
    assert [[(each["index"], each["relation"]) for each in result["repeats"]] for result in results] == [
        [], [], [(0, "exact")], [],
    ]  # fmt: skip


@pytest.mark.model
def test_with_the_real_model_no_photograph_is_a_blank_and_no_blank_a_photograph(make_client):
    client = make_client(extractor={"name": "sscd"})
    client.application.extensions["service"].wait_until_ready()
    for name, data in VAGUE.items():
        assert add(client, data, id=name).status_code == 201
    for path in samples()[:6]:
        found = search(client, path.read_bytes(), top_k=100)
        assert (found["duplicate"], found["verdict"]) == (False, "new")
        assert set(relations(found).values()) <= {"indeterminate", "similar"}
        assert add(client, path.read_bytes(), id=path.name).status_code == 201
    others = np.random.default_rng(1).integers(0, 256, (10, 3))
    for colour in others:
        found = search(client, encoded(Image.new("RGB", (300, 200), tuple(colour.tolist())), "JPEG"), top_k=100)
        assert (found["duplicate"], found["verdict"]) == (False, "indeterminate")
    assert len(client.get("/images").json["images"]) == len(VAGUE) + 6
