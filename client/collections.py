"""`Client.collections`."""

from collections.abc import Iterator
from typing import Unpack

from client import asking
from client.asking import Ask, given
from client.decode import decode
from client.errors import ServiceError
from client.options import GroupOptions
from client.stored import Collection, CollectionInfo, Group, Pair
from client.transport import Request


class Collections:
    """Named sets of pictures, their duplicates, and what people say of pairs. Calls raise what Client's do."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def list(self) -> "list[Collection]":
        """All that the key may see."""
        return [decode(Collection, each) for each in self._ask(Request("GET", "/collections"))["collections"]]

    def create(self, name: str, threshold: float | None = None) -> Collection:
        """A new, empty one. Raises ServiceError with the slug "collection-exists" where there is one already."""
        try:
            made = self._ask(Request("POST", "/collections", json=given(name=name, threshold=threshold)))
        except ServiceError as error:
            if not (error.answer_lost and error.slug == "collection-exists"):
                raise
            made = self._ask(asking.collection("GET", name))  # made by the try whose answer was lost
        return decode(Collection, made)

    def get(self, name: str) -> CollectionInfo:
        """One, with its figures."""
        return decode(CollectionInfo, self._ask(asking.collection("GET", name)))

    def update(self, name: str, *, threshold: float | None) -> Collection:
        """Sets its threshold; None takes it back."""
        return decode(Collection, self._ask(asking.collection("PATCH", name, json={"threshold": threshold})))

    def delete(self, name: str) -> None:
        """Deletes it with all its pictures."""
        asking.delete(self._ask, asking.collection("DELETE", name))

    def duplicates(self, name: str, *, page: int = 100, **options: Unpack[GroupOptions]) -> Iterator[Group]:
        """Its duplicate groups, asked for as they are needed (docs/duplicates.md).

        Raises ServiceError with the slug "needs-job" where the collection is too large for a request:
        `jobs.wait(jobs.start("duplicates", name, ...))` first.
        """
        asked = given(limit=page, **options)
        path = asking.collection("GET", name, "/duplicates").path
        return (decode(Group, each) for each in asking.paged(self._ask, path, "groups", asked))

    def mark(
        self, a: str, b: str, verdict: str, *, collection: str = "default", other_collection: str | None = None
    ) -> Pair:
        """Says that two stored pictures are "duplicates" or "not_duplicates"; `b` may be of another collection."""
        fields = given(a=a, b=b, verdict=verdict, collection=collection, other_collection=other_collection)
        return decode(Pair, self._ask(Request("POST", "/pairs", json=fields)))

    def unmark(self, a: str, b: str, *, collection: str = "default", other_collection: str | None = None) -> None:
        """Takes that back."""
        fields = given(a=a, b=b, collection=collection, other_collection=other_collection)
        asking.delete(self._ask, Request("DELETE", "/pairs", params=fields))

    def marks(self, collection: str = "default", image: str | None = None, page: int = 1000) -> Iterator[Pair]:
        """What was said, all of it or of one picture."""
        params = given(collection=collection, image=image, limit=page)
        return (decode(Pair, each) for each in asking.paged(self._ask, "/pairs", "pairs", params))
