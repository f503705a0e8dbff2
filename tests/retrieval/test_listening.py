"""Which addresses only this machine reaches, and when the start is refused."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from index_store import Catalog, KeyRing
from index_store.rows import now
from retrieval.errors import Unprotected
from retrieval.listening import check_exposure, is_loopback
from retrieval.settings import BadSettings
from tests.conftest import MakeSettings


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.1", "localhost", "LOCALHOST", "127.1"]
)
def test_these_are_of_this_machine_alone(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("0.0.0.0", "::", "::ffff:0.0.0.0", "::ffff:192.0.2.1", "192.168.1.5", "10.0.0.1", "8.8.8.8", "fe80::1", "0"),
        *("128.0.0.1", "no-such-name.invalid", "*", "fd://3", "unix:/tmp/s", "\udcff"),
    ],
)
def test_these_are_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.fixture
def keys(settings: MakeSettings) -> Iterator[KeyRing]:
    made = settings()
    made.data_dir.mkdir()
    with closing(Catalog(made.catalog_url)) as catalog:
        yield KeyRing(catalog)


EXPOSED = [
    ({"server": {"host": "0.0.0.0"}}, "would listen on 0.0.0.0"),
    ({"server": {"host": "::"}}, "would listen on ::"),
    ({"server": {"host": "192.0.2.1"}}, "would listen on 192.0.2.1"),
    ({"server": {"host": "no-such-name.invalid"}}, "would listen on no-such-name.invalid"),
    ({"server": {"trusted_proxies": 1}}, "through a proxy"),
    ({"access": {"keys": "required"}}, "access.keys is `required`"),
]


@pytest.mark.parametrize(("changes", "reason"), EXPOSED)
def test_an_open_door_is_refused_with_the_reason_and_both_ways_out(
    settings: MakeSettings, keys: KeyRing, changes: dict, reason: str
) -> None:
    with pytest.raises(Unprotected, match=reason) as refusal:
        check_exposure(settings(**changes), keys.catalog)
    assert "scripts/keys.py create" in str(refusal.value)
    assert "access: {keys: off}" in str(refusal.value)


@pytest.mark.parametrize("changes", [changes for changes, _ in EXPOSED])
def test_a_key_that_is_valid_opens_the_door_and_one_that_is_not_does_not(
    settings: MakeSettings, keys: KeyRing, changes: dict
) -> None:
    keys.create("old", ["admin"], expires_at=now() - timedelta(days=1))
    keys.create("lost", ["admin"])
    keys.revoke("lost")
    with pytest.raises(Unprotected):
        check_exposure(settings(**changes), keys.catalog)
    keys.create("new", ["search"])
    check_exposure(settings(**changes), keys.catalog)


def test_who_says_off_may_listen_anywhere(settings: MakeSettings, keys: KeyRing) -> None:
    check_exposure(settings(server={"host": "0.0.0.0"}, access={"keys": "off"}), keys.catalog)
    check_exposure(settings(server={"host": "0.0.0.0"}, access={"keys": False}), keys.catalog)  # YAML's bare `off`


def test_this_machine_needs_no_keys(settings: MakeSettings, keys: KeyRing) -> None:
    check_exposure(settings(), keys.catalog)


@pytest.mark.parametrize(
    "access",
    [
        {"keys": True},
        {"keys": "on"},
        {"cors_origins": ["*"]},
        {"cors_origins": ["https://a.example/"]},
        {"cors_origins": ["a.example"]},
        {"allowed_hosts": ["a b"]},
        {"allowed_hosts": ["*"]},
        {"allowed_hosts": [""]},
    ],
)
def test_settings_that_would_not_work_as_meant_are_refused(settings: MakeSettings, access: dict) -> None:
    with pytest.raises(BadSettings, match=next(iter(access))):
        settings(access=access)
