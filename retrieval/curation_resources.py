"""Flask-RESTful resources of tidying up: what people say of pairs, and the duplicate groups of a collection."""

import json
from collections.abc import Iterator
from typing import Literal

from flask import Response, request
from pydantic import ConfigDict, Field

from index_store import (
    FingerprintMismatch,
    Group,
    Marks,
    SamePicture,
    StorageFull,
    UnknownCollection,
    UnknownImage,
    UnknownPair,
)
from retrieval import replies, stored_shapes
from retrieval.bodies import Plain
from retrieval.callers import caller
from retrieval.errors import BadPayload, NeedsJob, ResultGone
from retrieval.fields import CollectionName, ImageId
from retrieval.openapi.operations import LINES, STORE, Lines, operation
from retrieval.resource import Reply, ServiceResource
from retrieval.schemas import CollectionQuery, DuplicatesQuery, ListQuery

JSON = "application/json"


class OnePair(CollectionQuery):
    """DELETE /pairs: two pictures, the second of `other_collection` if that is given."""

    a: ImageId
    b: ImageId
    other_collection: CollectionName | None = Field(default=None, description="Of `b`, if it is another.")

    @property
    def pictures(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """As the store takes them."""
        first, second = self.collections
        return (first, self.a), (second, self.b)

    @property
    def collections(self) -> tuple[str, str]:
        """Of the two pictures."""
        return self.collection, self.other_collection or self.collection


class PairFields(OnePair):
    """POST /pairs."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"a": "cats/1.jpg", "b": "cats/2.jpg", "verdict": "not_duplicates"}]}
    )

    verdict: Literal["duplicates", "not_duplicates"]


class PairsQuery(ListQuery):
    """GET /pairs."""

    image: ImageId | None = Field(default=None, description="Only pairs with this picture.")


class Pairs(ServiceResource):
    """What people say of two stored pictures, whatever they score."""

    @operation(
        "Say what is to be thought of two stored pictures",
        body=Plain(PairFields),
        gives={200: stored_shapes.Pair},
        raises=(*STORE, UnknownCollection, UnknownImage, SamePicture, StorageFull),
    )
    def post(self, sent: PairFields) -> Reply:
        self.allow(*sent.collections)
        return replies.pair_reply(self._marks.mark(*sent.pictures, sent.verdict))

    @operation(
        "List what was said, page by page",
        query=PairsQuery,
        gives={200: stored_shapes.PairsPage},
        raises=(*STORE, UnknownCollection, UnknownImage),
    )
    def get(self, query: PairsQuery) -> Reply:
        self.allow(query.collection)
        page = self._marks.listing(query.collection, query.image, query.after, query.limit, caller().collections)
        return replies.pairs_page(page, page[-1].number if len(page) == query.limit else None)

    @operation(
        "Take back what was said of two pictures",
        query=OnePair,
        gives={204: None},
        raises=(*STORE, UnknownCollection, UnknownImage, UnknownPair, SamePicture, StorageFull),
    )
    def delete(self, query: OnePair) -> Reply:
        self.allow(*query.collections)
        self._marks.unmark(*query.pictures)
        return Response(status=204)

    @property
    def _marks(self) -> Marks:
        return Marks(self.service.catalog)


class Duplicates(ServiceResource):
    """The duplicate groups of a collection."""

    @operation(
        "List the duplicate groups of a collection: a page of them, or all as JSON lines",
        query=DuplicatesQuery,
        gives={200: (stored_shapes.GroupsPage, Lines(stored_shapes.Group))},
        raises=(*STORE, UnknownCollection, FingerprintMismatch, NeedsJob, ResultGone, StorageFull),
    )
    def get(self, name: str, query: DuplicatesQuery) -> Reply:
        self.allow(name, *([query.against] if query.against else []))
        if request.accept_mimetypes.best_match([JSON, LINES]) == LINES:
            if "limit" in query.model_fields_set:
                raise BadPayload("limit: of pages; lines are told to the end")
            groups = self.service.duplicates.stream(name, query, query.after)
            return Response(_lines(name, query.against, groups), content_type=LINES)
        return replies.groups_page(name, self.service.duplicates.page(name, query, query.after, query.limit))


def _lines(name: str, against: str | None, groups: Iterator[Group]) -> Iterator[str]:
    for group in groups:
        yield json.dumps(replies.group_reply(name, against, group), ensure_ascii=False) + "\n"
