"""API keys: only the digest is kept, only the key opens, and what ends it ends it in every process."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest

from index_store import ImageStore, KeyNameTaken, KeyRing, UnknownKey
from index_store.rows import now


@pytest.fixture
def keys(store: ImageStore) -> KeyRing:
    return KeyRing(store.catalog)


def test_a_key_is_recognised_and_its_facts_are_told(keys: KeyRing) -> None:
    end = now() + timedelta(days=1)
    made, key = keys.create("crawler", ["search", "add"], ["news"], end)
    assert re.fullmatch(r"ir_[0-9a-f]{16}_[0-9a-f]{64}", key)
    assert keys.check(key) == made
    assert (made.name, made.scopes, made.collections, made.expires_at) == ("crawler", ("search", "add"), ("news",), end)
    assert keys.all() == [made]


def test_neither_the_key_nor_its_secret_is_kept(keys: KeyRing) -> None:
    _, key = keys.create("one", ["admin"])
    with closing(sqlite3.connect(str(keys.catalog.engine.url.database))) as connection:
        kept = "\n".join(connection.iterdump())
    secret = key.split("_")[2]
    assert "api_keys" in kept
    assert secret not in kept and secret[:32] not in kept


def _other_digit(key: str, place: int) -> str:
    return key[:place] + ("0" if key[place] != "0" else "1") + key[place + 1 :]


@pytest.mark.parametrize("place", [3, 18, 20, 50, -1])
def test_a_key_with_one_other_digit_opens_nothing(keys: KeyRing, place: int) -> None:
    _, key = keys.create("one", ["admin"])
    assert keys.check(_other_digit(key, place % len(key))) is None


@pytest.mark.parametrize("spoil", [str.upper, lambda key: key + "0", lambda key: key[:-1], lambda key: f" {key}"])
def test_what_is_nearly_a_key_opens_nothing(keys: KeyRing, spoil: Callable[[str], str]) -> None:
    _, key = keys.create("one", ["admin"])
    assert keys.check(spoil(key)) is None


@pytest.mark.parametrize("text", ["", "ir_", "é" * 80, "ir_" + "٣" * 16 + "_" + "0" * 64, "' OR 1=1 --", "x" * 100_000])
def test_anything_else_opens_nothing(keys: KeyRing, text: str) -> None:
    keys.create("one", ["admin"])
    assert keys.check(text) is None


def test_the_secret_of_one_key_does_not_open_another(keys: KeyRing) -> None:
    (_, one), (_, other) = keys.create("one", ["search"]), keys.create("other", ["admin"])
    mixed = "_".join([*other.split("_")[:2], one.split("_")[2]])
    assert keys.check(mixed) is None


def test_a_revoked_key_opens_nothing_in_any_process(keys: KeyRing, open_store: Callable[..., ImageStore]) -> None:
    _, key = keys.create("one", ["admin"])
    elsewhere = KeyRing(open_store().catalog)
    assert elsewhere.check(key) is not None
    keys.revoke("one")
    assert elsewhere.check(key) is None
    assert elsewhere.all()[0].revoked_at is not None


def test_an_expired_key_opens_nothing(keys: KeyRing) -> None:
    made, key = keys.create("one", ["admin"], expires_at=now() - timedelta(seconds=1))
    assert keys.check(key) is None
    assert not made.is_usable


def test_keys_exist_from_the_first_on_even_when_all_are_revoked(keys: KeyRing) -> None:
    assert not keys.exist()
    keys.create("one", ["admin"])
    keys.revoke("one")
    assert keys.exist()


def test_names_are_given_once_and_free_again_after_the_end(keys: KeyRing) -> None:
    keys.create("one", ["search"])
    with pytest.raises(KeyNameTaken, match="'one'"):
        keys.create("one", ["admin"])
    keys.revoke("one")
    assert keys.create("one", ["admin"])[0].scopes == ("admin",)


def test_a_key_is_revoked_by_its_id_even_if_another_has_that_name(keys: KeyRing) -> None:
    made, key = keys.create("one", ["search"])
    _, namesake = keys.create(made.id, ["search"])
    assert keys.revoke(made.id).name == "one"
    assert keys.check(key) is None
    assert keys.check(namesake) is not None


@pytest.mark.parametrize("unknown", ["two", "", "0" * 16])
def test_what_is_no_key_cannot_be_revoked(keys: KeyRing, unknown: str) -> None:
    keys.create("one", ["search"])
    with pytest.raises(UnknownKey):
        keys.revoke(unknown)
