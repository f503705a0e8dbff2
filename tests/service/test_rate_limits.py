"""Rate limits by key and by address, and what replies say of them."""

import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import MakeClient
from tests.service.asking import small
from tests.service.keyed import MINE, Keyed

pytestmark = pytest.mark.any_extractor

QUOTA = 12
STRANGER = "203.0.113.5"


def left(answer: TestResponse) -> int:
    """What the field RateLimit says."""
    found = re.fullmatch(r'"default";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    assert found and 0 <= int(found[2]) <= 60
    assert answer.headers["RateLimit-Policy"] == f'"default";q={QUOTA};w=60'
    return int(found[1])


@pytest.fixture
def keyed(make_client: MakeClient) -> Keyed:
    return Keyed(make_client(testing=False, access={"requests_per_minute": QUOTA, "failures_per_minute": 3}))


@pytest.fixture
def open_to_all(make_client: MakeClient) -> FlaskClient:
    client = make_client(access={"requests_per_minute": QUOTA, "keys": "off"}, server={"host": "0.0.0.0"})
    client.application.extensions["service"].wait_until_ready()
    return client


def ask_from(client: FlaskClient, address: str, path: str = "/collections", **headers: str) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(path, environ_overrides={"REMOTE_ADDR": address}, headers=sent)


def test_a_key_may_ask_so_often_and_is_told_what_is_left_and_when_to_go_on(keyed: Keyed) -> None:
    key = keyed.key("search")
    answers = [keyed.ask(key, "GET", "/collections") for _ in range(QUOTA + 1)]
    assert [answer.status_code for answer in answers] == [200] * QUOTA + [429]
    assert [left(answer) for answer in answers] == [*range(QUOTA - 1, -1, -1), 0]
    assert answers[-1].content_type == "application/problem+json"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60 / QUOTA
    assert keyed.ask(keyed.key("search"), "GET", "/collections").status_code == 200


def test_open_routes_are_answered_to_who_has_nothing_left(keyed: Keyed) -> None:
    key = keyed.key("search")
    for _ in range(QUOTA + 1):
        keyed.ask(key, "GET", "/collections")
    assert keyed.ask(key, "GET", "/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/search", "/add"])
def test_each_picture_of_a_batch_counts_and_one_that_is_too_many_does_nothing(keyed: Keyed, path: str) -> None:
    key = keyed.key("search", "add")
    pictures = {"images": [{"base64": "AAAA"}] * 5, "collection": MINE}
    answers = [keyed.ask(key, "POST", path, pictures) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [left(answer) for answer in answers] == [7, 2, 1]


def test_a_batch_that_waits_as_long_as_it_is_told_gets_in(keyed: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though what looks at its key first costs one each time."""
    now = 1000.0
    monkeypatch.setattr("retrieval.allowances.monotonic", lambda: now)
    key = keyed.key("search")
    pictures = {"images": [{"base64": "AAAA"}] * 5, "collection": MINE}
    answers = [keyed.ask(key, "POST", "/search", pictures) for _ in range(3)]
    assert answers[-1].status_code == 429
    now += int(answers[-1].headers["Retry-After"])
    assert keyed.ask(key, "POST", "/search", pictures).status_code == 200


def test_a_batch_of_more_than_the_quota_takes_all_of_it(make_client: MakeClient) -> None:
    keyed = Keyed(make_client(testing=False, access={"requests_per_minute": 8}))
    pictures = {"images": [{"base64": "AAAA"}] * 20, "collection": MINE}
    answers = [keyed.ask(keyed.key("search"), "POST", "/search", pictures)]
    assert [answer.status_code for answer in answers] == [200]
    assert '"default";r=0' in answers[0].headers["RateLimit"]


def test_an_address_may_ask_so_often_but_this_machine_as_often_as_it_likes(open_to_all: FlaskClient) -> None:
    statuses = [ask_from(open_to_all, STRANGER).status_code for _ in range(QUOTA + 1)]
    assert statuses == [200] * QUOTA + [429]
    assert ask_from(open_to_all, "203.0.113.6").status_code == 200
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        answers = [ask_from(open_to_all, address) for _ in range(QUOTA + 1)]
        assert {answer.status_code for answer in answers} == {200}
        assert "RateLimit" not in answers[0].headers


def test_an_ipv6_network_is_one_caller(open_to_all: FlaskClient) -> None:
    statuses = [ask_from(open_to_all, f"2001:db8::{number:x}").status_code for number in range(QUOTA + 1)]
    assert statuses[-1] == 429
    assert ask_from(open_to_all, "2001:db8:0:1::1").status_code == 200


def test_none_means_none(make_client: MakeClient) -> None:
    client = make_client(access={"requests_per_minute": 0, "keys": "off"}, server={"host": "0.0.0.0"})
    client.application.extensions["service"].wait_until_ready()
    answers = [ask_from(client, STRANGER) for _ in range(50)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0].headers


def test_the_address_that_somebody_claims_is_not_believed(open_to_all: FlaskClient) -> None:
    answers = [ask_from(open_to_all, STRANGER, X_Forwarded_For=f"198.51.100.{n}") for n in range(QUOTA + 1)]
    assert answers[-1].status_code == 429


def test_a_trusted_proxy_is_believed_and_what_came_before_it_is_not(make_client: MakeClient) -> None:
    changes = {"server": {"trusted_proxies": 1}, "access": {"requests_per_minute": QUOTA, "keys": "off"}}
    client = make_client(**changes)
    client.application.extensions["service"].wait_until_ready()
    for number in range(QUOTA):
        claimed = f"198.51.100.{number}, {STRANGER}"
        assert ask_from(client, "127.0.0.1", X_Forwarded_For=claimed).status_code == 200
    assert ask_from(client, "127.0.0.1", X_Forwarded_For=STRANGER).status_code == 429
    assert ask_from(client, "127.0.0.1", X_Forwarded_For="203.0.113.6").status_code == 200


def test_behind_a_proxy_keys_are_asked_for(make_client: MakeClient) -> None:
    assert make_client(server={"trusted_proxies": 1}).get("/collections").status_code == 401


def _wrong(key: str) -> str:
    return key[:-1] + ("0" if key[-1] != "0" else "1")


def test_secrets_of_a_key_can_be_tried_only_slowly_and_nobody_else_is_shut_out(keyed: Keyed) -> None:
    victim, other = keyed.key("search"), keyed.key("search")
    headers = {"Authorization": f"Bearer {_wrong(victim)}"}
    answers = [ask_from(keyed.client, STRANGER, **headers) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 2
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 20
    right = {"Authorization": f"Bearer {victim}"}
    assert ask_from(keyed.client, STRANGER, **right).status_code == 429  # or a guess that is right would be known
    assert ask_from(keyed.client, STRANGER, Authorization=f"Bearer {other}").status_code == 200
    assert ask_from(keyed.client, "203.0.113.6", **right).status_code == 200


def test_who_fails_with_ever_other_keys_has_the_limit_of_an_address(keyed: Keyed) -> None:
    tried = [f"ir_{number:016x}_{'0' * 64}" for number in range(QUOTA + 1)]
    answers = [ask_from(keyed.client, STRANGER, Authorization=f"Bearer {key}") for key in tried]
    assert [answer.status_code for answer in answers] == [401] * QUOTA + [429]
    assert ask_from(keyed.client, STRANGER).status_code == 429
    key = keyed.key("search")
    assert ask_from(keyed.client, STRANGER, Authorization=f"Bearer {key}").status_code == 200


def test_a_refused_scope_costs_as_much_as_an_answer(keyed: Keyed) -> None:
    key = keyed.key("search")
    statuses = [keyed.ask(key, "POST", "/jobs", {}).status_code for _ in range(QUOTA + 1)]
    assert statuses == [403] * QUOTA + [429]


def test_a_picture_alone_costs_one(keyed: Keyed) -> None:
    from tests.service.asking import body

    key = keyed.key("search")
    assert left(keyed.ask(key, "POST", "/search", body(small(1), collection=MINE))) == QUOTA - 1
