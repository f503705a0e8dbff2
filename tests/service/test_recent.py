"""Who asks about a picture and then sends it again, to add it say, has it embedded once."""

import pytest
from flask.testing import FlaskClient

from tests.conftest import MakeClient
from tests.service.asking import body, jpeg
from tests.service.keyed import MINE, Keyed


@pytest.fixture
def embedded(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    return watched(client, monkeypatch)


def watched(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the model was given so far."""
    given: list[object] = []
    kind = type(client.application.extensions["service"].wait_until_ready().engine.extractor)
    embed = kind.embed_prepared
    monkeypatch.setattr(kind, "embed_prepared", lambda self, pictures: given.extend(pictures) or embed(self, pictures))
    return given


def test_a_search_and_an_add_embed_once_and_store_the_same(client: FlaskClient, embedded: list[object]) -> None:
    found = client.post("/search", json=body(jpeg(1), collection=made(client))).json
    assert found["verdict"] == "new"
    assert client.post("/add", json=body(jpeg(1), id="one")).status_code == 201
    assert len(embedded) == 1
    again = jpeg(1)[:-2] + b"\xff\xfe\0\4hi\xff\xd9"  # other bytes of the same pixels
    (match,) = client.post("/search", json=body(again)).json["matches"]
    assert (match["id"], match["relation"]) == ("one", "identical")
    assert match["score"] == pytest.approx(1, abs=1e-3)
    assert len(embedded) == 2


def made(client: FlaskClient) -> str:
    assert client.post("/collections", json={"name": "default"}).status_code == 201
    return "default"


def test_an_answer_out_of_memory_is_the_answer_of_before(client: FlaskClient, embedded: list[object]) -> None:
    for seed in range(4):
        client.post("/add", json=body(jpeg(seed), id=str(seed)))
    first, second = (client.post("/search", json=body(jpeg(9))).json for _ in range(2))
    assert first["matches"] == second["matches"]
    assert len(embedded) == 5


def test_the_oldest_are_forgotten(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_client(extractor={"recent": 2})
    embedded = watched(client, monkeypatch)
    made(client)
    for seed in (1, 2, 3, 1, 3):  # 1 was pushed out by 3, then 2 by 1
        client.post("/search", json=body(jpeg(seed)))
    assert len(embedded) == 4


def test_none_are_remembered_where_that_is_set(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_client(extractor={"recent": 0})
    embedded = watched(client, monkeypatch)
    made(client)
    for _ in range(2):
        client.post("/search", json=body(jpeg(1)))
    assert len(embedded) == 2


def test_nobody_learns_by_the_time_what_another_has_asked(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(testing=False)
    keyed = Keyed(client)
    embedded = watched(client, monkeypatch)
    one, other = keyed.key("search"), keyed.key("search")
    for key, embeddings in ((one, 1), (one, 1), (other, 2), (one, 2)):
        answer = keyed.ask(key, "POST", "/search", body(jpeg(9), collection=MINE))
        assert answer.status_code == 200, answer.text
        assert len(embedded) == embeddings
