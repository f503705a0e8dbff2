"""The very bytes of a remembered picture are recognised before any neural work."""

import pytest

from tests.corpus import encoded, photo
from tests.service.asking import body, jpeg, png


@pytest.fixture(params=[True, False], ids=["testing", "serving"])
def client(make_client, request):
    """A service that remembers no vectors but those in its catalog."""
    client = make_client(testing=request.param, extractor={"recent": 0})
    client.application.extensions["service"].wait_until_ready()
    return client


@pytest.fixture
def embedded(client, monkeypatch):
    """How many pictures the model was given so far: `len(embedded)`."""
    given = []
    kind = type(client.application.extensions["service"].engine.extractor)
    infer = kind.embed_prepared
    monkeypatch.setattr(kind, "embed_prepared", lambda self, pictures: given.extend(pictures) or infer(self, pictures))
    return given


def add(client, data, **fields):
    answer = client.post("/add", json=body(data, **fields))
    return answer.status_code, answer.json


def search(client, data, **fields):
    answer = client.post("/search", json=body(data, **fields))
    assert answer.status_code == 200, answer.text
    return answer.json


def best(client, data, **fields):
    match = search(client, data, **fields)["matches"][0]
    return match["id"], match["relation"], match["score"], match["confidence"]


def test_what_is_new_is_embedded_once(client, embedded):
    add(client, jpeg(1), id="one")
    search(client, jpeg(2))
    assert len(embedded) == 2


def test_a_search_for_known_bytes_embeds_nothing_and_is_sure(client, embedded):
    for seed in range(3):
        add(client, jpeg(seed), id=str(seed))
    del embedded[:]
    assert best(client, jpeg(1)) == ("1", "exact", 1.0, 1.0)
    found = search(client, jpeg(1))
    assert (found["duplicate"], found["verdict"], found["took_ms"]["embed"]) == (True, "duplicate", 0)
    assert len(embedded) == 0


def test_other_matches_are_those_of_the_picture(client):
    """Found with the stored vector as they are with the picture's own, but for rounding to float16."""
    for seed in range(8):
        add(client, jpeg(seed), id=str(seed))
    known = {match["id"]: match["score"] for match in search(client, jpeg(3))["matches"]}
    other = {match["id"]: match["score"] for match in search(client, photo_again(3))["matches"]}
    assert known == pytest.approx(other, abs=1e-3)


def photo_again(seed):
    """The same picture with other bytes."""
    return jpeg(seed)[:-2] + b"\xff\xfe\0\4hi\xff\xd9"


@pytest.mark.parametrize("on_duplicate", ["keep", "reject"])
def test_an_add_of_known_bytes_embeds_nothing(client, embedded, on_duplicate):
    add(client, jpeg(1), id="one")
    del embedded[:]
    status, answer = add(client, jpeg(1), id="again", on_duplicate=on_duplicate)
    assert (status, [match["relation"] for match in answer["matches"]]) == (
        (201, ["exact"]) if on_duplicate == "keep" else (409, ["exact"])
    )
    assert len(embedded) == 0


def test_what_is_kept_without_embedding_is_as_good_as_the_first(client, embedded):
    add(client, jpeg(1), id="one")
    add(client, jpeg(1), id="again")
    service = client.application.extensions["service"]
    (_, first), (_, second) = stored_vectors(service)
    assert first == second
    about = [client.get(f"/images/{name}").json for name in ("one", "again")]
    for each in about:
        del each["id"], each["created_at"]
    assert about[0] == about[1]
    client.delete("/images/one")
    del embedded[:]
    assert best(client, jpeg(1)) == ("again", "exact", 1.0, 1.0)
    assert best(client, photo_again(1))[:2] == ("again", "identical")
    assert len(embedded) == 1


def stored_vectors(service):
    with service.catalog.reading() as connection:
        return connection.exec_driver_sql("SELECT id, vector FROM images ORDER BY seq").all()


def test_a_deleted_picture_is_embedded_again(client, embedded):
    add(client, jpeg(1), id="one")
    client.delete("/images/one")
    del embedded[:]
    assert search(client, jpeg(1))["matches"] == []
    assert add(client, jpeg(1), id="one")[0] == 201
    assert len(embedded) == 2


def test_bytes_known_to_another_collection_count_only_where_it_is_named(client, embedded):
    add(client, jpeg(1), id="one", collection="guarded")
    del embedded[:]
    assert add(client, jpeg(1), on_duplicate="reject", against=["guarded"])[0] == 409
    assert len(embedded) == 0
    status, answer = add(client, jpeg(1), on_duplicate="reject")
    assert (status, answer["matches"]) == (201, [])
    assert len(embedded) == 1


def test_a_batch_embeds_what_is_new_in_it(client, embedded):
    add(client, jpeg(1), id="one")
    del embedded[:]
    results = client.post("/search", json={"images": [body(jpeg(1)), body(jpeg(2)), body(jpeg(1))]}).json["results"]
    assert [result["body"]["duplicate"] for result in results] == [True, False, True]
    assert len(embedded) == 1


def test_the_oldest_of_the_same_bytes_is_told_first(client):
    for name in ("first", "second", "third"):
        add(client, png(1), id=name)
    client.delete("/images/first")
    assert best(client, png(1))[:2] == ("second", "exact")


def test_bytes_that_are_no_picture_any_more_are_recognised_without_decoding(make_client):
    """A limit that was lowered since does not matter to what is remembered."""
    data = encoded(photo(1), "PNG")
    client = make_client()
    client.application.extensions["service"].wait_until_ready()
    add(client, data, id="one")
    stricter = make_client(input={"max_pixels": 1000})
    stricter.application.extensions["service"].wait_until_ready()
    assert best(stricter, data)[:2] == ("one", "exact")
    assert stricter.post("/search", json=body(png(2))).status_code == 413


def test_a_score_is_one_for_every_known_picture(client):
    for seed in range(20):
        add(client, jpeg(seed), id=str(seed))
    assert {best(client, jpeg(seed))[2] for seed in range(20)} == {1.0}
