"""API keys: who may ask, for what, of which collections. The catalog holds digests; a key itself is seen once.

A key is `ir_ID_SECRET`. The ID is public and finds the row; the SECRET has 256 random bits. So one SHA-256 is enough to
keep at rest: slow hashes are for passwords, which can be guessed, and would only make every request slow.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, exists, insert, or_, select, update

from index_store.catalog import Catalog
from index_store.errors import KeyNameTaken, UnknownKey
from index_store.rows import now
from index_store.schema import api_keys
from index_store.version import Unchanged

Scope = Literal["search", "add", "admin", "metrics"]
SCOPES: tuple[Scope, ...] = ("search", "add", "admin", "metrics")
KEY_FORMAT = re.compile(r"ir_([0-9a-f]{16})_[0-9a-f]{64}", re.ASCII)
_NOBODY = "0" * 64  # no digest anybody knows the origin of


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key; `collections` None means all of them, `scopes` with admin mean every one."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    collections: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def is_usable(self) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now() < self.expires_at)


_COLUMNS = [api_keys.c[field.name] for field in fields(ApiKey)]
# Every request asks these, so they are put together once.
_BY_ID = select(api_keys.c.digest, *_COLUMNS).where(api_keys.c.id == bindparam("id"))
_ANY = select(exists(select(api_keys.c.id)))


@dataclass(frozen=True)
class KeyRing:
    """The keys of a catalog. What one process does here holds in all at their next request."""

    catalog: Catalog

    def create(
        self,
        name: str,
        scopes: Sequence[Scope],
        collections: Sequence[str] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key: what is known of it, and the key itself, which nobody can find out later. Raises KeyNameTaken."""
        key_id = secrets.token_hex(8)
        key = f"ir_{key_id}_{secrets.token_hex(32)}"
        bound = None if collections is None else tuple(collections)
        made = ApiKey(key_id, name, tuple(scopes), bound, now(), expires_at, None)
        with self.catalog.writing() as connection:
            if _alive(connection, api_keys.c.name == name):
                raise KeyNameTaken(f"there is a key {name!r} already; revoke it, or choose another name")
            connection.execute(insert(api_keys).values(**vars(made), digest=_digest(key)))
        return made, key

    def all(self) -> list[ApiKey]:
        """Every key that was ever made, oldest first."""
        with self.catalog.reading() as connection:
            return [_key(row) for row in connection.execute(select(*_COLUMNS).order_by(api_keys.c.created_at))]

    def revoke(self, name_or_id: str) -> ApiKey:
        """From now on it opens nothing. Its row stays: see `exist`. Raises UnknownKey."""
        with self.catalog.writing() as connection:
            found = _alive(connection, or_(api_keys.c.id == name_or_id, api_keys.c.name == name_or_id))
            if not found:
                raise UnknownKey(f"there is no key {name_or_id!r}, or it is revoked already")
            found.sort(key=lambda key: key.id != name_or_id)  # of a name that is another key's id
            connection.execute(update(api_keys).where(api_keys.c.id == found[0].id).values(revoked_at=now()))
        return found[0]

    def exist(self) -> bool:
        """Whether a key was ever made, so that the end of the last one does not open the service to everybody."""
        return self._any.get(None)

    @cached_property
    def _any(self) -> Unchanged[None, bool]:
        def read(_: None) -> bool:
            with self.catalog.reading() as connection:
                return bool(connection.scalar(_ANY))

        return Unchanged(self.catalog.version, read)

    @cached_property
    def _rows(self) -> Unchanged[str, Any]:
        """By public id; unknown ones are not held, so that nobody fills the memory with them."""

        def read(key_id: str) -> Any:
            with self.catalog.reading() as connection:
                row = connection.execute(_BY_ID, {"id": key_id}).one_or_none()
            if row is None:
                raise UnknownKey(f"there is no key {key_id!r}")
            return row

        return Unchanged(self.catalog.version, read)

    def check(self, key: str) -> ApiKey | None:
        """The usable key that this is; None of any other text.

        The secret is only ever compared as a digest, and in constant time: what is looked up is the public id.
        """
        parsed = KEY_FORMAT.fullmatch(key)
        if not parsed:
            return None
        try:
            row = self._rows.get(parsed[1])
        except UnknownKey:
            row = None
        same = hmac.compare_digest(row.digest if row else _NOBODY, _digest(key))
        found = _key(row[1:]) if row and same else None
        return found if found and found.is_usable else None


def _alive(connection: Connection, condition: Any) -> list[ApiKey]:
    rows = connection.execute(select(*_COLUMNS).where(condition, api_keys.c.revoked_at.is_(None)))
    return [_key(row) for row in rows]


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _key(row: Any) -> ApiKey:
    key_id, name, scopes, collections, *moments = row
    return ApiKey(key_id, name, tuple(scopes), None if collections is None else tuple(collections), *moments)
