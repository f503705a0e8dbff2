"""Who is asking, and what they may."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from flask import g

from index_store import SCOPES, ApiKey, Scope
from retrieval.errors import Forbidden


@dataclass(frozen=True)
class Caller:
    """A key's holder, or, where no keys are asked for, anybody. `collections` None means all of them.

    id: of the key; None of anybody.
    """

    name: str
    id: str | None
    scopes: frozenset[Scope]
    collections: frozenset[str] | None

    @classmethod
    def of(cls, key: ApiKey) -> "Caller":
        """The holder of a key."""
        scopes = frozenset(SCOPES if "admin" in key.scopes else key.scopes)
        return cls(key.name, key.id, scopes, None if key.collections is None else frozenset(key.collections))

    def sees(self, collection: str | None) -> bool:
        """Whether a collection is one of the caller's; None stands for all that there are."""
        return self.collections is None or collection in self.collections

    def check(self, collections: Iterable[str | None]) -> None:
        """Raises Forbidden, whether or not there are such collections: that, too, is not the caller's to know."""
        for name in collections:
            if not self.sees(name):
                what = "all collections" if name is None else f"collection {name!r}"
                raise Forbidden(f"this key is bound to {self._bound_to} and has no access to {what}")

    def check_scope(self, scope: Scope) -> None:
        """Raises Forbidden."""
        if scope not in self.scopes:
            has = ", ".join(sorted(self.scopes))
            raise Forbidden(f"this takes a key with the scope {scope!r}; this one has: {has}", scope)
        if scope == "metrics":
            self.check([None])

    @property
    def _bound_to(self) -> str:
        return " and ".join(sorted(self.collections or ()))


ANYBODY = Caller("anonymous", None, frozenset(SCOPES), None)
NOBODY = Caller("anonymous", None, frozenset(), frozenset())


def caller() -> Caller:
    """Of the request at hand."""
    return cast(Caller, g.caller)
