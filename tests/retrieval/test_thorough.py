"""When a search or an add looks at a picture's parts: wherever the whole has not been found to be a copy."""

import pytest
from PIL import Image

from extractor import Parts
from tests.corpus import encoded, photo
from tests.service.asking import body


@pytest.fixture
def client(make_client):
    """A service of thumbnails, in which a quarter of a picture has a vector of its own."""
    client = make_client()
    client.application.extensions["service"].wait_until_ready()
    return client


@pytest.fixture
def embedded(monkeypatch):
    """Pictures whose parts were embedded."""
    given = []
    rows = Parts.rows
    monkeypatch.setattr(Parts, "rows", lambda self, image: given.append(image) or rows(self, image))
    return given


def sheet(*seeds):
    """Four pictures in one."""
    made = Image.new("RGB", (640, 480))
    for number, seed in enumerate(seeds):
        made.paste(photo(seed), (320 * (number % 2), 240 * (number // 2)))
    return made


def add(client, image, **fields):
    return client.post("/add", json=body(encoded(image, "PNG"), **fields))


def search(client, image, **fields):
    return client.post("/search", json=body(encoded(image, "PNG"), **fields)).json


def relations(found):
    return {match["id"]: match["relation"] for match in found["matches"]}


def test_a_quarter_is_found_by_thorough_alone(client):
    add(client, photo(1), id="part")
    assert relations(search(client, sheet(1, 2, 3, 4))) == {"part": "similar"}
    assert relations(search(client, sheet(1, 2, 3, 4), mode="thorough")) == {"part": "near"}
    assert add(client, sheet(1, 2, 3, 4), on_duplicate="reject", mode="thorough").status_code == 409


def test_parts_are_not_looked_for_where_the_whole_is_a_copy(client, embedded):
    add(client, sheet(1, 2, 3, 4), id="whole")
    for image in (sheet(1, 2, 3, 4), sheet(1, 2, 3, 4).resize((320, 240))):
        assert search(client, image, mode="thorough")["duplicate"] is True
        assert add(client, image, on_duplicate="reject", mode="thorough").status_code == 409
    assert embedded == []


def test_a_look_alike_without_content_settles_nothing(client, embedded):
    """It scores as high as a copy would."""
    add(client, photo(1), id="part")
    add(client, sheet(1, 2, 3, 4).resize((31, 24)), id="tiny")
    found = search(client, sheet(1, 2, 3, 4), mode="thorough")
    assert relations(found) == {"tiny": "indeterminate", "part": "near"}
    assert add(client, sheet(1, 2, 3, 4), on_duplicate="reject", mode="thorough").status_code == 409
    assert len(embedded) == 2


def test_a_score_that_is_enough_elsewhere_settles_nothing_below_the_collections_threshold(client):
    client.post("/collections", json={"name": "strict", "threshold": 0.93})
    add(client, photo(1), id="part", collection="strict")
    add(client, sheet(5, 2, 3, 4), id="like it", collection="strict")
    found = search(client, sheet(1, 2, 3, 4), collection="strict", mode="thorough")
    assert relations(found) == {"part": "near", "like it": "similar"}
    assert 0.5 < found["matches"][1]["score"] < 0.93
    refused = add(client, sheet(1, 2, 3, 4), collection="strict", on_duplicate="reject", mode="thorough")
    assert refused.status_code == 409


def test_of_an_add_the_parts_are_compared_with_other_collections_too(client):
    add(client, photo(1), id="part", collection="guarded")
    asked = {"on_duplicate": "reject", "against": ["guarded"]}
    assert add(client, sheet(1, 2, 3, 4), **asked, mode="thorough").status_code == 409
    assert add(client, sheet(1, 2, 3, 4), **asked, mode="fast").status_code == 201


def test_a_picture_without_content_has_no_parts(client, embedded):
    add(client, photo(1))
    found = search(client, Image.new("RGB", (300, 200), "red"), mode="thorough")
    assert (found["verdict"], embedded) == ("indeterminate", [])
