"""Idempotency-Key: an add that is sent again, in any way, is carried out once and answered as the first time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests
from sqlalchemy import update

from index_store import schema
from tests.corpus import bad_pictures
from tests.service.asking import body, form, jpeg, small
from tests.service.server import launched, serving, until

KEY = "0c5f1ab2-0000-4000-8000-3f1c8f9a2c11"
BROKEN = bad_pictures()["truncated jpeg"]


def add(client, key=KEY, **request):
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/add", headers=headers, **request)


def add_json(client, data, key=KEY, **fields):
    return add(client, key, json=body(data, **fields))


def is_replay(again, first):
    """Assert that an answer is the first one, to the letter, and says so."""
    assert (again.status_code, again.data, again.content_type) == (first.status_code, first.data, first.content_type)
    assert again.headers.get("Location") == first.headers.get("Location")
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


def held(client, collection="default"):
    return [image["id"] for image in client.get(f"/images?collection={collection}").json["images"]]


def kept_answers(client):
    with client.application.extensions["service"].catalog.reading() as connection:
        return connection.exec_driver_sql("SELECT key FROM answers").scalars().all()


def test_an_add_sent_again_gets_the_first_answer_and_is_stored_once(client):
    add_json(client, jpeg(1, 40), key=None, id="before", metadata={"Käse": "猫"})
    first = add_json(client, jpeg(1))
    assert (first.status_code, first.headers["Location"]) == (201, f"/images/{first.json['id']}?collection=default")
    assert [match["id"] for match in first.json["matches"]] == ["before"]
    for _ in range(3):
        is_replay(add_json(client, jpeg(1)), first)
    assert held(client) == ["before", first.json["id"]]


def test_without_a_key_each_is_another(client):
    answers = [add_json(client, jpeg(1), key=None) for _ in range(2)]
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, None]
    assert len(held(client)) == 2


def test_a_duplicate_stays_one_though_what_it_repeats_is_gone(client):
    add_json(client, jpeg(1), key=None, id="one")
    first = add_json(client, jpeg(1, 50), on_duplicate="reject")
    assert (first.status_code, first.content_type) == (409, "application/problem+json")
    client.delete("/images/one")
    is_replay(add_json(client, jpeg(1, 50), on_duplicate="reject"), first)
    assert held(client) == []
    assert add_json(client, jpeg(1, 50), key="another", on_duplicate="reject").status_code == 201


def test_an_added_picture_is_answered_as_added_though_it_is_gone(client):
    first = add_json(client, jpeg(1), id="one")
    client.delete("/images/one")
    is_replay(add_json(client, jpeg(1), id="one"), first)
    assert held(client) == []


def test_a_taken_id_is_an_answer_too(client):
    add_json(client, jpeg(1), key=None, id="one")
    first = add_json(client, jpeg(2), id="one")
    assert (first.status_code, first.json["type"]) == (409, "urn:imageretrieval:id-taken")
    client.delete("/images/one")
    is_replay(add_json(client, jpeg(2), id="one"), first)


def test_a_batch_is_answered_as_the_first_time(client):
    images = [body(jpeg(1), id="one"), body(BROKEN), body(jpeg(1, 40)), body(jpeg(2))]
    first = add(client, json={"images": images, "on_duplicate": "reject"})
    assert [each["status"] for each in first.json["results"]] == [201, 422, 409, 201]
    is_replay(add(client, json={"images": images, "on_duplicate": "reject"}), first)
    assert len(held(client)) == 2


def test_broken_base64_in_a_batch_harms_no_other_under_a_key(client):
    """Of what cannot be read the key knows the error."""
    images = [body(jpeg(1)), {"base64": "?"}]
    first = add(client, json={"images": images})
    assert [each["status"] for each in first.json["results"]] == [201, 400]
    is_replay(add(client, json={"images": images}), first)


@pytest.mark.parametrize(
    "other",
    [
        {"json": body(jpeg(2), id="one")},
        {"json": body(jpeg(1), id="two")},
        {"json": body(jpeg(1), id="one", metadata={"a": 1})},
        {"json": body(jpeg(1), id="one", collection="cats")},
        {"json": body(jpeg(1), id="one", on_duplicate="reject")},
        {"json": {"images": [body(jpeg(1), id="one")]}},
        {"json": body(jpeg(1), id="one", wait=False)},
    ],
    ids=["picture", "id", "metadata", "collection", "on_duplicate", "batch", "wait"],
)
def test_another_request_under_the_same_key_is_refused_and_stores_nothing(client, other):
    first = add_json(client, jpeg(1), id="one")
    refused = add(client, **other)
    assert (refused.status_code, refused.json["type"]) == (422, "urn:imageretrieval:key-reused")
    assert KEY in refused.json["detail"]
    assert "Idempotency-Replayed" not in refused.headers
    assert held(client) == ["one"]
    assert [each["name"] for each in client.get("/collections").json["collections"]] == ["default"]
    is_replay(add_json(client, jpeg(1), id="one"), first)


def test_the_order_of_fields_and_the_spelling_of_base64_do_not_matter(client):
    first = add_json(client, jpeg(1), id="one", metadata={"a": 1, "b": 2})
    spelt = "data:image/jpeg;base64,\n" + body(jpeg(1))["base64"].replace("+", "-").rstrip("=")
    is_replay(add(client, json={"metadata": {"b": 2, "a": 1}, "id": "one", "base64": spelt}), first)


def test_a_form_with_another_boundary_and_the_same_file_is_the_same_request(client):
    answers = [
        add(client, data=form(jpeg(1), id="one"), content_type=f"multipart/form-data; boundary={boundary}")
        for boundary in ("first", "second")
    ]
    assert answers[0].status_code == 201
    is_replay(answers[1], answers[0])
    other = add(client, data=form(jpeg(2), id="one"), content_type="multipart/form-data; boundary=first")
    assert other.status_code == 422


def test_keys_are_of_any_collection_and_each_counts_for_itself(client):
    for key, seed in (("a", 1), ("b", 2), ("A", 3), ("a b", 4), ("~" * 255, 5)):
        assert add_json(client, jpeg(seed), key=key, id=key[:3]).status_code == 201
    assert held(client) == ["a", "b", "A", "a b", "~~~"]


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "é", "a\tb"])
@pytest.mark.parametrize("wait", [True, False])
def test_a_malformed_key_is_refused_and_stores_nothing(client, key, wait):
    answer = add_json(client, jpeg(1), key=key, wait=wait)
    assert answer.status_code == 400
    assert answer.json["detail"].startswith("Idempotency-Key: ")
    assert client.get("/collections").json == {"collections": []}


@pytest.mark.parametrize("data", [BROKEN, b"no picture"])
def test_a_picture_that_fails_leaves_its_key_unused(client, data):
    for _ in range(2):
        answer = add_json(client, data)
        assert answer.status_code == 422
        assert "Idempotency-Replayed" not in answer.headers
    assert kept_answers(client) == []
    assert add_json(client, jpeg(1)).status_code == 201


def test_so_does_a_batch_of_nothing_but_such(client):
    assert [each["status"] for each in add(client, json={"images": [body(BROKEN)] * 2}).json["results"]] == [422, 422]
    assert add_json(client, jpeg(1)).status_code == 201


@pytest.mark.parametrize("fields", [{"collection": "no such name!"}, {"against": ["nowhere"]}, {"typo": 1}])
def test_so_does_a_request_that_is_refused(client, fields):
    refused = add_json(client, jpeg(1), **fields)
    assert refused.status_code in (400, 404)
    assert add_json(client, jpeg(1)).status_code == 201


def test_a_search_takes_no_notice_of_a_key(client):
    add_json(client, jpeg(1), key=None)
    answers = [client.post("/search", headers={"Idempotency-Key": KEY}, json=body(jpeg(1))) for _ in range(2)]
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, None]
    assert kept_answers(client) == []


def age(client, hours):
    """As if all answers had been given so many hours earlier."""
    moment = datetime.now(UTC) - timedelta(hours=hours)
    with client.application.extensions["service"].catalog.writing() as connection:
        connection.execute(update(schema.answers).values(created_at=moment))


def test_an_answer_is_kept_for_so_many_hours(make_client):
    client = make_client(server={"idempotency_hours": 2.0})
    client.application.extensions["service"].wait_until_ready()
    first = add_json(client, jpeg(1), id="one")
    age(client, 1.9)
    is_replay(add_json(client, jpeg(1), id="one"), first)
    age(client, 2.1)
    assert add_json(client, jpeg(2), id="two").status_code == 201  # the key is free for anything
    assert held(client) == ["one", "two"]


def test_old_answers_are_dropped(client):
    for number in range(3):
        add_json(client, jpeg(number), key=str(number))
    age(client, 25)
    add_json(client, jpeg(3), key="3")
    assert kept_answers(client) == ["3"]


def waiting(client):
    """Pictures in the inbox."""
    folder = client.application.extensions["service"].settings.data_dir / "inbox"
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".request.json"))


def test_what_is_queued_is_queued_once(client):
    first = add_json(client, jpeg(1), wait=False)
    assert (first.status_code, first.json["status"]) == (202, "queued")
    is_replay(add_json(client, jpeg(1), wait=False), first)
    assert len(waiting(client)) == 1
    assert add_json(client, jpeg(2), wait=False).status_code == 422
    assert len(waiting(client)) == 1


def test_a_queued_batch_is_queued_once(client):
    images = [body(jpeg(1)), body(BROKEN), body(jpeg(2), id="two")]
    first = add(client, json={"images": images, "wait": False})
    assert [each["status"] for each in first.json["results"]] == [202, 422, 202]
    is_replay(add(client, json={"images": images, "wait": False}), first)
    assert len(waiting(client)) == 2


@pytest.mark.parametrize("ingested", [False, True])
@pytest.mark.parametrize("fields", [{}, {"id": "one"}])
def test_a_queued_picture_whose_answer_was_not_noted_gets_the_same_one(client, ingested, fields):
    """The process died between the two; meanwhile the picture may have been ingested."""
    service = client.application.extensions["service"]
    first = add_json(client, jpeg(1), wait=False, **fields)
    with service.catalog.writing() as connection:
        connection.execute(schema.answers.delete())
    if ingested:
        ingest(client)
    again = add_json(client, jpeg(1), wait=False, **fields)
    assert (again.status_code, again.data) == (first.status_code, first.data)
    ingest(client)
    assert held(client) == [first.json["id"]]
    failed = service.settings.data_dir / "failed"
    assert not [path for path in failed.rglob("*") if path.is_file()]


def ingest(client):
    """What the maintenance job does with an inbox."""
    from retrieval.bulk import BulkAdder

    service = client.application.extensions["service"]
    files = [each.file for each in service.inbox.waiting("default")]
    for outcome in BulkAdder(service.settings, service.engine, "default").add(files):
        service.inbox.settle("default", outcome)


def race(ask, count=16):
    """Answers to one request that is sent so many times at once."""
    ready = threading.Barrier(count)

    def send(number):
        ready.wait()
        return ask(number)

    with ThreadPoolExecutor(count) as clients:
        return list(clients.map(send, range(count)))


def told_once(answers, headers_of):
    """Assert that all were answered alike, and one of them as the first."""
    assert len({(answer.status_code, headers_of(answer)) for answer in answers}) == 1
    replayed = [answer.headers.get("Idempotency-Replayed") for answer in answers]
    assert sorted(replayed, key=str) == [None] + ["true"] * (len(answers) - 1)


def test_of_many_at_once_one_is_carried_out(client):
    request = {"images": [body(jpeg(1)), body(jpeg(2))]}
    answers = race(lambda _: add(client.application.test_client(), json=request))
    told_once(answers, lambda answer: answer.data)
    assert len(held(client)) == 2


def send(server, seed, key=KEY, **fields):
    return server.ask("POST", "/add", json=body(small(seed), **fields), headers={"Idempotency-Key": key})


@pytest.mark.slow
@pytest.mark.parametrize("wait", [True, False])
def test_of_many_at_once_to_two_services_one_is_carried_out(tmp_path, wait):
    data_dir = tmp_path / "data"
    manual = {"enabled": False, "inbox_settle_s": 0.0}
    with serving(data_dir, maintenance=manual) as one, serving(data_dir, maintenance=manual) as other:
        answers = race(lambda number: send((one, other)[number % 2], 1, wait=wait))
        told_once(answers, lambda answer: answer.content)
        assert answers[0].status_code == (201 if wait else 202)
        if wait:
            assert len(one.get("/images")["images"]) == 1
        refused = send(other, 2, wait=wait)
        assert (refused.status_code, refused.json()["type"]) == (422, "urn:imageretrieval:key-reused")


@pytest.mark.slow
@pytest.mark.parametrize("on_duplicate", ["keep", "reject"])
def test_an_answer_lost_by_kill_9_is_given_to_who_asks_again(tmp_path, on_duplicate):
    with launched(tmp_path / "data", program=("-m", "tests.service.lost_answers")) as server:
        server.wait_until_ready()
        with pytest.raises(requests.ConnectionError):
            send(server, 1, on_duplicate=on_duplicate)
        answer = until(lambda: replayed(server, on_duplicate), "a worker in place of the dead one", server)
        assert (answer.status_code, answer.headers["Idempotency-Replayed"]) == (201, "true")
        (image,) = server.get("/images")["images"]
        assert answer.json()["id"] == image["id"]
        assert answer.json()["matches"] == []
        server.stop()
    with serving(tmp_path / "data") as server:  # and by the next process
        again = send(server, 1, on_duplicate=on_duplicate)
        assert (again.status_code, again.content) == (answer.status_code, answer.content)
        assert len(server.get("/images")["images"]) == 1


def replayed(server, on_duplicate):
    """The answer to the request sent again, once there is somebody to give it."""
    try:
        answer = send(server, 1, on_duplicate=on_duplicate)
    except requests.ConnectionError:
        return None
    return answer if answer.status_code != 503 else None
