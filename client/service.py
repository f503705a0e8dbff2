"""The client: pictures. What it does with collections and jobs is in modules of their own."""

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, Unpack

import requests

from client import answers, asking
from client.batches import BATCH, Batches
from client.collections import Collections
from client.decode import decode
from client.errors import ServiceError, TookTooLong
from client.jobs import Jobs
from client.options import AddOneOptions, AddOptions, CompareOptions, SearchOptions
from client.pictures import Picture, Ready, Stored
from client.results import Added, Comparison, Duplicate, Failure, Found, Queued
from client.stored import Image
from client.transport import Request, Transport

KEY_VARIABLE = "IMAGERETRIEVAL_API_KEY"
KEYS = uuid.UUID("0f1c9f2e-64b6-4b0b-9d0e-0c3f4f7c5a61")
POLL_S = 0.5
AddedOrNot = Added | Duplicate | Queued


class Client:
    """A service of ImageRetrieval, for any number of threads.

    Every call may raise ServiceError (the service refuses), Unreachable (no answer after all tries) and BadReply
    (something else answers). What may work later is tried again, `tries` times in all, with growing pauses.

    key:     API key; that of the environment variable IMAGERETRIEVAL_API_KEY unless given.
    timeout: seconds to wait for an answer to begin or go on; for a connection a sixth of it is enough, 10 at most.
    session: one of requests to be used instead of its own, such as one with `client.wsgi.WsgiAdapter`.
    """

    def __init__(
        self,
        server: str = "http://127.0.0.1:8080",
        key: str | None = None,
        *,
        timeout: float = 60.0,
        tries: int = 5,
        session: requests.Session | None = None,
    ) -> None:
        self._transport = Transport(server, key or os.environ.get(KEY_VARIABLE), timeout, tries, session)
        self.collections = Collections(self._transport.ask)
        self.jobs = Jobs(self._transport.ask)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes connections; a session that was given stays open."""
        self._transport.close()

    def wait_until_ready(self, timeout: float = 120.0) -> str:
        """Waits `timeout` seconds at most for the service to have loaded its model; gives its fingerprint.

        Raises TookTooLong, and ServiceError at once where it says that it cannot load.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                return str(self._transport.ask(Request("GET", "/readyz"))["fingerprint"])
            except ServiceError as error:
                if error.status != 503 or error.reason == "failed":
                    raise
                if time.monotonic() > deadline:
                    raise TookTooLong(f"the service is not ready after {timeout:.0f} s: {error.detail}") from None
            time.sleep(POLL_S)

    def search(self, picture: Picture, **options: Unpack[SearchOptions]) -> Found:
        """What is remembered that is nearest to a picture.

        Raises UnreadableFile, and ServiceError where nothing came of this very picture.
        """
        found: Found = answers.one(self.search_many([picture], **options)[0], picture)
        return found

    def search_many(
        self, pictures: Iterable[Picture], *, batch: int = BATCH, **options: Unpack[SearchOptions]
    ) -> list[Found | Failure]:
        """The same for several, in their order, `batch` in a request. `Found.repeats` looks no further than that."""
        fields = asking.given(**options)

        def shape(some: list[Ready]) -> Request:
            return asking.pictures("/search", some, fields)

        return Batches(self._transport.ask, shape, answers.found, batch).send((each, {}) for each in pictures)

    def add(self, picture: Picture, **options: Unpack[AddOneOptions]) -> AddedOrNot:
        """Adds a picture; see `add_many`.

        Raises UnreadableFile, and ServiceError where it was refused for another reason than being a duplicate.
        """
        own: Any = dict(options)
        names, facts = [own.pop("id", None)], [own.pop("metadata", None) or {}]
        added: AddedOrNot = answers.one(self.add_many([picture], ids=names, metadata=facts, **own)[0], picture)
        return added

    def add_many(
        self,
        pictures: Iterable[Picture],
        *,
        ids: Sequence[str | None] | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
        idempotency_key: str | None = None,
        batch: int = BATCH,
        **options: Unpack[AddOptions],
    ) -> list[AddedOrNot | Failure]:
        """Adds pictures; with `on_duplicate="reject"` only what is held by neither `collection` nor those `against`.

        The results are in the order of the pictures, which are sent `batch` in a request. A request that gets no answer
        is sent again under the same idempotency key, so nothing is added twice or taken for a duplicate of itself.

        ids, metadata:   one for each picture.
        idempotency_key: for a program that may be cut off and start over: called again with the same key, the same
                         pictures and the same `batch`, within a day, it is answered as it was or would have been. Any
                         text, new for each call; the header of each request is made of it.
        """
        fields, seed = asking.given(**options), idempotency_key or uuid.uuid4().hex

        def shape(some: list[Ready]) -> Request:
            key = uuid.uuid5(KEYS, f"{seed}/{','.join(str(each.index) for each in some)}")
            return asking.pictures("/add", some, fields, {"Idempotency-Key": str(key)})

        each = asking.items(list(pictures), ids, metadata)
        batches: Batches[AddedOrNot] = Batches(self._transport.ask, shape, answers.added, batch)
        return batches.send(each)

    def compare(self, a: Picture | Stored, b: Picture | Stored, **options: Unpack[CompareOptions]) -> Comparison:
        """How two pictures relate, sent or `Stored`. Raises UnreadableFile."""
        return decode(Comparison, self._transport.ask(asking.comparison(a, b, asking.given(**options))))

    def image(self, image_id: str, collection: str = "default") -> Image:
        """A stored picture."""
        return decode(Image, self._transport.ask(asking.image("GET", image_id, collection)))

    def picture(self, image_id: str, collection: str = "default") -> bytes:
        """What the service keeps of a stored picture, a file: a thumbnail, by its settings, or the original.

        Raises ServiceError with the slug "nothing-kept" where that is nothing.
        """
        asked = asking.image("GET", image_id, collection)
        kept: bytes = self._transport.ask(replace(asked, headers={"Accept": "image/*"}))
        return kept

    def images(self, collection: str = "default", page: int = 1000) -> Iterator[Image]:
        """All pictures of a collection, in the order of adding, asked for as they are needed."""
        params = {"collection": collection, "limit": page}
        return (decode(Image, each) for each in asking.paged(self._transport.ask, "/images", "images", params))

    def update(self, image_id: str, metadata: Mapping[str, Any], collection: str = "default") -> Image:
        """Replaces a picture's metadata."""
        sent = asking.image("PATCH", image_id, collection, {"metadata": dict(metadata)})
        return decode(Image, self._transport.ask(sent))

    def delete(self, image_id: str, collection: str = "default") -> None:
        """Forgets a picture."""
        asking.delete(self._transport.ask, asking.image("DELETE", image_id, collection))
