"""`refine` of POST /search: another order, the same verdicts; and nothing that is sent there breaks anything."""

import functools
import json

import numpy as np
import pytest
from PIL import Image

from tests.corpus import encoded, photo
from tests.service.asking import SMALL, body, form, jpeg

# Whatever the service under test has otherwise: here blended pictures must have blended vectors.
THUMBNAILS = {"name": "thumbnail", "transform": None}
STEPS = [
    {"expand": "average"},
    {"expand": "alpha", "expand_k": 3, "alpha": 2},
    {"augment_k": 3},
    {"rerank": "k-reciprocal", "k1": 4, "k2": 2, "lambda": 0},
    {"expand": "alpha", "augment_k": 2, "rerank": "k-reciprocal"},
]
EXTREMES = [
    {"expand": "alpha", "expand_k": 100, "alpha": 100, "augment_k": 50, "rerank": "k-reciprocal", "k1": 100, "k2": 100},
    {"expand": "average", "expand_k": 1, "augment_k": 1, "rerank": "k-reciprocal", "k1": 1, "k2": 1, "lambda": 1},
    {"rerank": "k-reciprocal", "k1": 1},
    {"expand": "alpha", "alpha": 1e-300},
    {"expand": None, "augment_k": 2, "rerank": None},
]
REFUSED = {
    "{}": "names nothing to do",
    '{"expand": null}': "names nothing to do",
    '{"expand_k": 5}': "names nothing to do",
    '{"augment_k": 5, "expand_k": 5}': "expand_k: without the step",
    '{"expand": "average", "alpha": 3}': "alpha: without the step",
    '{"expand": "alpha", "k1": 5, "lambda": 0.1}': "k1, lambda: without the step",
    '{"rerank": "k-reciprocal", "k1": 5, "k2": 6}': "k2 6 is more than k1 5",
    '{"expand": "beta"}': "refine.expand",
    '{"expand": true}': "refine.expand",
    '{"expand": "alpha", "alpha": -1}': "refine.alpha",
    '{"expand": "alpha", "alpha": 101}': "refine.alpha",
    '{"expand": "alpha", "alpha": "3"}': "refine.alpha",
    '{"expand": "alpha", "alpha": NaN}': "NaN",
    '{"expand": "alpha", "alpha": 1e999}': "Not valid JSON",
    '{"expand": "alpha", "expand_k": 0}': "refine.expand_k",
    '{"expand": "alpha", "expand_k": 101}': "refine.expand_k",
    '{"expand": "alpha", "expand_k": 1.5}': "refine.expand_k",
    '{"augment_k": 0}': "refine.augment_k",
    '{"augment_k": true}': "refine.augment_k",
    '{"augment_k": "5"}': "refine.augment_k",
    f'{{"augment_k": {"9" * 400}}}': "refine.augment_k",
    '{"augment_k": [5]}': "refine.augment_k",
    '{"rerank": "k-means"}': "refine.rerank",
    '{"rerank": "k-reciprocal", "lambda": 1.1}': "refine.lambda",
    '{"rerank": "k-reciprocal", "lambda_": 0.5}': "refine.lambda_: unknown field",
    '{"rerank": "k-reciprocal", "k1": -1}': "refine.k1",
    '{"rerank": "k-reciprocal", "k3": 1}': "refine.k3: unknown field",
    '{"augment_k": 2, "augment_k": 3}': "a name is repeated",
    '["expand"]': "refine: an object",
    "5": "refine: an object",
    "[" * 70 + "]" * 70: "nested",
}


@pytest.fixture(params=[True, False], ids=["testing", "serving"])
def filled(make_client, request):
    client = make_client(testing=request.param, extractor=THUMBNAILS)
    client.application.extensions["service"].wait_until_ready()
    return fill(client)


@pytest.fixture
def served(make_client):
    """A service as it runs, without pictures: what it refuses it refuses before it looks at any."""
    return make_client(testing=False)


def fill(client):
    """Eleven pictures: one, ten others that have something of it. None but the same file is a duplicate."""
    client.post("/collections", json={"name": "default", "threshold": 0.999})
    for number in range(11):
        assert client.post("/add", json=body(blend(number), id=str(number))).status_code == 201
    return client


@functools.cache
def blend(number):
    """Picture 0, and more or less of another one."""
    share = 0.35 if number else 0.0
    return encoded(Image.blend(photo(0, SMALL), photo(number, SMALL), share), "PNG")


def answer(client, data, **fields):
    reply = client.post("/search", json=body(data, **fields))
    assert reply.status_code == 200, reply.text
    return reply.json


def without_times(text):
    return text[: text.index('"took_ms"')]


@pytest.mark.parametrize("refine", STEPS + EXTREMES, ids=json.dumps)
def test_matches_come_by_refined_score_and_everything_else_is_as_it_was(filled, refine):
    plain, refined = answer(filled, blend(3), top_k=20), answer(filled, blend(3), top_k=20, refine=refine)
    before = {match["id"]: match for match in plain["matches"]}
    values = [match.pop("refined_score") for match in refined["matches"]]
    assert values == sorted(values, reverse=True)
    assert np.isfinite(values).all()
    assert {match["id"]: match for match in refined["matches"]} == before
    assert refined["duplicate"] is plain["duplicate"] is True


def test_a_reply_without_refine_says_nothing_of_it(filled):
    plain = filled.post("/search", json=body(blend(3), top_k=5))
    null = filled.post("/search", json=body(blend(3), top_k=5, refine=None))
    assert without_times(plain.text) == without_times(null.text)
    assert [list(match) for match in plain.json["matches"]] == [
        ["id", "score", "confidence", "relation", "source", "metadata"]
    ] * 5


@pytest.mark.parametrize(
    "refine", [{"expand": "average"}, {**STEPS[3], "expand": "average", "lambda": 1}], ids=json.dumps
)
def test_a_duplicate_that_is_moved_out_of_sight_is_still_told(filled, refine):
    """The verdict is that of the plain search, whatever comes first."""
    reply = answer(filled, blend(3), top_k=1, refine=refine)
    assert [(match["id"], match["relation"]) for match in reply["matches"]] == [("0", "similar")]
    assert reply["duplicate"] is True
    assert answer(filled, jpeg(40), top_k=1, refine=refine)["duplicate"] is False


@pytest.mark.parametrize("refine", STEPS, ids=json.dumps)
def test_min_score_is_about_the_score(filled, refine):
    everything = answer(filled, blend(3), top_k=20, refine=refine)["matches"]
    least = sorted(match["score"] for match in everything)[4]
    expected = [match for match in everything if match["score"] >= least]
    assert answer(filled, blend(3), top_k=20, min_score=least, refine=refine)["matches"] == expected
    assert answer(filled, blend(3), top_k=3, min_score=least, refine=refine)["matches"] == expected[:3]
    strict = answer(filled, jpeg(40), min_score=0.99, refine=refine)
    assert (strict["matches"], strict["duplicate"]) == ([], False)


@pytest.mark.parametrize("refine", STEPS, ids=json.dumps)
def test_a_form_says_the_same_in_json_text(filled, refine):
    by_json = answer(filled, blend(3), refine=refine)
    by_form = filled.post("/search", data=form(blend(3), refine=json.dumps(refine)))
    assert by_form.status_code == 200
    assert by_form.json["matches"] == by_json["matches"]


@pytest.mark.parametrize(("refine", "words"), REFUSED.items(), ids=[text[:60] for text in REFUSED])
def test_what_makes_no_sense_is_a_400_that_says_so(served, refine, words):
    as_json = json.dumps(body(blend(1)))[:-1] + f', "refine": {refine}}}'
    for reply in (
        served.post("/search", data=as_json, content_type="application/json"),
        served.post("/search", data=form(blend(1), refine=refine)),
    ):
        assert reply.status_code == 400
        assert words in reply.json["detail"]


@pytest.mark.parametrize("refine", ["", "expand", "{", "null", '"alpha"'])
def test_form_text_that_is_no_object_is_a_400(served, refine):
    assert served.post("/search", data=form(jpeg(1), refine=refine)).status_code == 400


def test_add_takes_no_refine(served):
    assert served.post("/add", json=body(jpeg(1), refine={"augment_k": 1})).status_code == 400


@pytest.mark.parametrize("refine", STEPS + EXTREMES, ids=json.dumps)
def test_an_empty_collection_has_no_matches(served, refine):
    served.application.extensions["service"].wait_until_ready()
    served.post("/collections", json={"name": "default"})
    assert answer(served, jpeg(1), refine=refine, top_k=1000)["matches"] == []


@pytest.mark.parametrize(("depth", "best"), [(2, ["3", "0"]), (100, ["3", "10"])])
def test_the_depth_is_a_setting(make_client, depth, best):
    """Only the nearest so many can come to the front."""
    client = make_client(search={"refine_depth": depth}, extractor=THUMBNAILS)
    client.application.extensions["service"].wait_until_ready()
    matches = answer(fill(client), blend(3), top_k=2, refine={"augment_k": 3})["matches"]
    assert [match["id"] for match in matches] == best
