"""Flask-RESTful resources of tidying up: what people say of pairs, and the duplicate groups of a collection."""

import json
from collections.abc import Iterator
from typing import Literal

from flask import Response, request

from index_store import Group, Marks
from retrieval import replies
from retrieval.callers import caller
from retrieval.errors import BadPayload
from retrieval.fields import CollectionName, ImageId
from retrieval.resource import Reply, ServiceResource
from retrieval.schemas import CollectionQuery, DuplicatesQuery, ListQuery

JSON, LINES = "application/json", "application/x-ndjson"


class OnePair(CollectionQuery):
    """DELETE /pairs: two pictures, the second of `other_collection` if that is given."""

    a: ImageId
    b: ImageId
    other_collection: CollectionName | None = None

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

    verdict: Literal["duplicates", "not_duplicates"]


class PairsQuery(ListQuery):
    """GET /pairs."""

    image: ImageId | None = None


class Pairs(ServiceResource):
    """POST what is to be thought of two stored pictures, whatever they score; GET what was said; DELETE it."""

    def post(self) -> Reply:
        fields = PairFields.of_body(request)
        self.allow(*fields.collections)
        return replies.pair_reply(self._marks.mark(*fields.pictures, fields.verdict))

    def get(self) -> Reply:
        query = PairsQuery.of_query(request)
        self.allow(query.collection)
        page = self._marks.listing(query.collection, query.image, query.after, query.limit)
        more = page[-1].number if len(page) == query.limit else None
        seen = [pair for pair in page if caller().sees(pair.a_collection) and caller().sees(pair.b_collection)]
        return {"pairs": [replies.pair_reply(pair) for pair in seen], "next": more}

    def delete(self) -> Reply:
        query = OnePair.of_query(request)
        self.allow(*query.collections)
        self._marks.unmark(*query.pictures)
        return Response(status=204)

    @property
    def _marks(self) -> Marks:
        return Marks(self.service.catalog)


class Duplicates(ServiceResource):
    """GET the duplicate groups of a collection: a page of them, or a JSON line each for who accepts that."""

    def get(self, name: str) -> Reply:
        query = DuplicatesQuery.of_query(request)
        self.allow(name, *([query.against] if query.against else []))
        if request.accept_mimetypes.best_match([JSON, LINES]) == LINES:
            if "limit" in query.model_fields_set:
                raise BadPayload("limit: of pages; lines are told to the end")
            groups = self.service.duplicates.stream(name, query, query.after)
            return Response(_lines(name, query.against, groups), content_type=LINES)
        page = self.service.duplicates.page(name, query, query.after, query.limit)
        return {
            "collection": name,
            "against": query.against,
            "keep": query.keep.split(","),
            "threshold": page.terms.least,
            "groups": [replies.group_reply(name, query.against, group) for group in page.groups],
            "current": page.current,
            "next": page.next,
        }


def _lines(name: str, against: str | None, groups: Iterator[Group]) -> Iterator[str]:
    for group in groups:
        yield json.dumps(replies.group_reply(name, against, group), ensure_ascii=False) + "\n"
