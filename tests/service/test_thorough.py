"""mode: thorough with the real model: pictures inside other pictures are found, where the whole one is not enough."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from evaluation.edits import scenes
from extractor.parts import Parts
from tests.corpus import encoded
from tests.service.asking import body
from tests.service.photographs import samples

pytestmark = pytest.mark.model
STORED = 5
HIDING = {
    "collage": lambda image, rng, other: scenes.collage(image, rng, other, 6),
    "on another": lambda image, rng, other: scenes.on_picture(image, rng, other, 0.45),
    "window": lambda image, rng, other: scenes.window(image, rng, other, 0.6),
}


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """One more than are stored: the ground that others lie on."""
    return [Image.open(path).convert("RGB") for path in samples()[: STORED + 1]]


@pytest.fixture
def client(make_client, pictures):
    """A service with the model that remembers all but the last, as fast searches do."""
    client = make_client(extractor={"name": "sscd"})
    client.application.extensions["service"].wait_until_ready()
    for number, image in enumerate(pictures[:STORED]):
        answer = client.post("/add", json=body(encoded(image, "JPEG", quality=90), id=str(number)))
        assert answer.status_code == 201
    return client


@pytest.fixture
def embedded(monkeypatch) -> Iterator[list[Image.Image]]:
    """Of which pictures the parts were embedded."""
    given: list[Image.Image] = []
    rows = Parts.rows
    monkeypatch.setattr(Parts, "rows", lambda self, image: given.append(image) or rows(self, image))
    yield given


def hidden(pictures, kind):
    """Each stored picture within another one."""
    rng = np.random.default_rng(3)
    return [encoded(HIDING[kind](image, rng, pictures[STORED]), "PNG") for image in pictures[:STORED]]


def search(client, data, **fields):
    answer = client.post("/search", json=body(data, **fields))
    assert answer.status_code == 200, answer.text
    return answer.json


def seen(client, files, **fields):
    """Numbers of those files in which the picture that they hide is found to be one."""
    found = [search(client, data, top_k=1, **fields) for data in files]
    return [
        number for number, each in enumerate(found) if each["duplicate"] and each["matches"][0]["id"] == str(number)
    ]


@pytest.mark.parametrize("kind", HIDING)
def test_what_is_hidden_in_another_picture_is_found_thoroughly(client, pictures, kind):
    files = hidden(pictures, kind)
    fast, thorough = seen(client, files, mode="fast"), seen(client, files, mode="thorough")
    assert set(fast) < set(thorough)
    assert len(thorough) >= STORED - 1
    assert seen(client, files) == fast  # the default


def test_scores_are_never_lower_and_a_stranger_stays_one(client, pictures):
    for data in [*hidden(pictures, "collage")[:2], encoded(pictures[STORED], "PNG")]:
        fast, thorough = (search(client, data, mode=mode)["matches"] for mode in ("fast", "thorough"))
        scores = {match["id"]: match["score"] for match in thorough}
        assert all(scores[match["id"]] >= match["score"] for match in fast)
    assert search(client, encoded(pictures[STORED], "PNG"), mode="thorough")["duplicate"] is False


def test_an_add_looks_thoroughly_too_and_remembers_the_whole(client, pictures):
    fast, thorough = (set(seen(client, hidden(pictures, "collage"), mode=mode)) for mode in ("fast", "thorough"))
    number = min(thorough - fast)
    data = hidden(pictures, "collage")[number]
    refused = client.post("/add", json=body(data, on_duplicate="reject", mode="thorough"))
    assert refused.status_code == 409
    assert refused.json["matches"][0]["id"] == str(number)
    assert client.post("/add", json=body(data, id="fast", on_duplicate="reject")).status_code == 201
    client.delete("/images/fast")
    kept = client.post("/add", json=body(data, id="kept", mode="thorough"))
    assert (kept.status_code, kept.json["matches"][0]["id"]) == (201, str(number))
    (best,) = search(client, encoded(Image.open(BytesIO(data)), "BMP"), top_k=1)["matches"]
    assert (best["id"], best["relation"]) == ("kept", "identical")


def test_parts_are_looked_for_only_where_the_whole_leaves_a_doubt(client, pictures, embedded):
    certain = [
        encoded(pictures[0], "JPEG", quality=40),  # near
        encoded(pictures[1], "JPEG", quality=90),  # exact
        encoded(Image.new("RGB", (300, 200), "red"), "PNG"),  # nothing to see
    ]
    for data in certain:
        for path in ("/search", "/add"):
            assert client.post(path, json=body(data, mode="thorough", **_rejecting(path))).status_code < 500
    assert embedded == []
    search(client, encoded(pictures[STORED], "PNG"), mode="fast")
    assert embedded == []
    search(client, encoded(pictures[STORED], "PNG"), mode="thorough")
    assert len(embedded) == 1


def _rejecting(path):
    return {"on_duplicate": "reject"} if path == "/add" else {}


def test_thorough_may_be_the_default(make_client, client, pictures, embedded):
    other = make_client(extractor={"name": "sscd"}, search={"mode": "thorough"})
    other.application.extensions["service"].wait_until_ready()
    files = hidden(pictures, "collage")
    assert seen(other, files) == seen(client, files, mode="thorough")
    assert seen(other, files, mode="fast") == seen(client, files, mode="fast")
    del embedded[:]
    search(other, encoded(pictures[STORED], "PNG"))
    assert len(embedded) == 1


def test_a_batch_of_thorough_searches_answers_each_as_alone(client, pictures):
    files = [*hidden(pictures, "collage")[:2], encoded(pictures[STORED], "PNG")]
    answer = client.post("/search", json={"images": [body(data) for data in files], "mode": "thorough"})
    for result, data in zip(answer.json["results"], files, strict=True):
        alone = search(client, data, mode="thorough")
        assert result["body"]["duplicate"] == alone["duplicate"]
        together = {match["id"]: match["score"] for match in result["body"]["matches"]}
        assert together == pytest.approx({match["id"]: match["score"] for match in alone["matches"]}, abs=1e-3)
