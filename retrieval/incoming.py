"""Resources that take pictures. Each reads the request, makes one call and shapes the reply."""

import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from typing import Any

from flask import request, url_for
from werkzeug.datastructures import FileStorage

from index_store import FingerprintMismatch, KeyReused, Once, StorageFull, UnknownCollection, UnknownImage
from retrieval import observing, replies, shapes
from retrieval.access import charge
from retrieval.answer import Answer, several
from retrieval.answers import AddAnswer, SearchAnswer
from retrieval.bodies import Pictures, SentPictures, SentSides, Sides
from retrieval.callers import caller
from retrieval.comparer import Side
from retrieval.errors import BadPayload, IdTaken, InputError, NotCalibrated
from retrieval.fields import DEFAULT_COLLECTION
from retrieval.openapi.operations import STORE, operation
from retrieval.options import NewPicture, Receipt, Stored
from retrieval.payload import ImageSource, Payload, take_image, uploaded
from retrieval.problems import REPLAYED, body, body_of
from retrieval.query import FAILURES, Failure
from retrieval.resource import Reply, ServiceResource
from retrieval.schemas import AddFields, BatchFields, CompareFields, ItemFields, NoFields, SearchFields, StoredFields
from retrieval.strict_json import parse_json

KEY = "Idempotency-Key"
KEY_PATTERN = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
KEYED_IDS = uuid.UUID("5b5b7f0e-3c0c-4f0e-9a55-0c6f2f0c6b1d")


class Search(ServiceResource):
    """POST a picture, or several; reply with the nearest remembered ones of each, best first."""

    @operation(
        "Find the stored pictures that are nearest to one, or to each of several",
        body=Pictures("Search", one=SearchFields, several=SearchFields, each=NoFields),
        gives={200: shapes.Found | shapes.FoundSeveral},
        raises=(*STORE, UnknownCollection, FingerprintMismatch, NotCalibrated, StorageFull),
    )
    def post(self, sent: SentPictures) -> Reply:
        fields: SearchFields = sent.fields
        self.allow(fields.collection)
        charge(len(sent.payload.images))
        options = fields.options(self.service.settings.search.refine_depth)
        with self.service.fetches.place(sent.payload.images):
            found = self.service.retriever.search(sent.payload.images, options)
        answers = [_found(fields.collection, each) for each in found]
        repeats = [[] if isinstance(each, FAILURES) else replies.repeats(each) for each in found]
        return _gathered(sent.payload, answers, [{"repeats": each} for each in repeats]).response()


class Compare(ServiceResource):
    """POST two pictures, sent or stored; reply with how they relate."""

    @operation(
        "Compare two pictures, sent or stored",
        body=Sides(CompareFields, StoredFields),
        gives={200: shapes.Compared},
        raises=(*STORE, UnknownCollection, UnknownImage, FingerprintMismatch, NotCalibrated, StorageFull),
    )
    def post(self, sent: SentSides) -> Reply:
        options = sent.fields.options()
        if options.collection:
            self.allow(options.collection)
        sides = (self._side(name, side, options.collection or DEFAULT_COLLECTION) for name, side in sent.sides.items())
        one, other = sides
        with self.service.fetches.place([one, other]):
            return replies.comparison_reply(self.service.engine.comparer.compare(one, other, options))

    def _side(self, name: str, given: Any, collection: str) -> Side:
        """What is wrong with it is told with its name."""
        try:
            return self._picture(given, collection)
        except BadPayload as error:
            raise BadPayload(f"{name}: {error}") from None

    def _picture(self, given: Any, collection: str) -> Side:
        """Of a form: a file, or an object in JSON. A stored picture is of `collection` unless it says of which."""
        limits = self.service.settings.input
        if isinstance(given, FileStorage):
            return uploaded(given, limits)
        about = parse_json(given) if isinstance(given, str) else given
        if not isinstance(about, dict):
            raise BadPayload('give a picture as {"url": ...}, {"base64": ...} or {"id": ...}, or a file')
        if "id" in about:
            stored = StoredFields.of(about, strict=True)
            self.allow(stored.collection or collection)
            return Stored(stored.collection or collection, stored.id)
        rest = dict(about)
        image = take_image(rest, limits)
        NoFields.of(rest, strict=True)
        return image


class Add(ServiceResource):
    """POST a picture, or several, to be remembered, now or (`wait` false) by the next ingest."""

    @operation(
        "Add a picture, or several, unless they are duplicates where that is asked for",
        body=Pictures("Add", one=AddFields, several=BatchFields, each=ItemFields),
        gives={
            200: shapes.AddedSeveral,
            201: shapes.Added,
            202: shapes.Queued,
            409: shapes.DuplicateProblem,
        },
        raises=(*STORE, UnknownCollection, FingerprintMismatch, NotCalibrated, IdTaken, KeyReused, StorageFull),
        takes=(KEY,),
        sends={200: (REPLAYED,), 201: ("Location", REPLAYED), 202: (REPLAYED,), 409: (REPLAYED,)},
    )
    def post(self, sent: SentPictures) -> Reply:
        self.allow(sent.fields.collection, *sent.fields.against)
        charge(len(sent.payload.images))
        once = self._once(sent.payload)
        act = self._add if sent.fields.wait else self._queue
        with self.service.fetches.place(sent.payload.images):
            return act(sent.payload, sent.fields, sent.own, once).response()

    def _add(self, payload: Payload, fields: BatchFields, own: Sequence[ItemFields], once: Once | None) -> Answer:
        def answer(added: Sequence[AddAnswer | Failure]) -> Answer:
            return _gathered(payload, [_added(fields.collection, each) for each in added])

        receipt = Receipt(once, lambda added: answer(added).written()) if once else None
        pictures = [NewPicture(image, each.id, each.metadata) for image, each in zip(payload.images, own, strict=True)]
        return answer(self.service.retriever.add(pictures, fields.options(), receipt))

    def _queue(self, payload: Payload, fields: BatchFields, own: Sequence[ItemFields], once: Once | None) -> Answer:
        store = self.service.store
        if once:
            store.check_answered(once)
        answers = [
            self._queue_one(image, fields, _with_id(each, number, once), again=once is not None)
            for number, (image, each) in enumerate(zip(payload.images, own, strict=True))
        ]
        answer = _gathered(payload, answers)
        # What the disk had no room for is worth another try with the same key; what is there already is recognised.
        if once and any(each.status < 400 for each in answers) and all(each.status != 507 for each in answers):
            store.record_answer(once, answer.written())
        return answer

    def _queue_one(self, image: ImageSource, fields: BatchFields, item: ItemFields, again: bool) -> Answer:
        try:
            queued = self.service.inbox.put(image, fields, item, self.service.store, again)
        except (InputError, IdTaken, StorageFull) as error:
            return _refused(error)
        observing.watch().added("queued")
        return Answer(202, replies.queued_reply(fields.collection, queued))

    def _once(self, payload: Payload) -> Once | None:
        """What the header says. The pictures and fields are part of it: a key stands for one request."""
        key = request.headers.get(KEY)
        if key is None:
            return None
        if not KEY_PATTERN.fullmatch(key):
            raise BadPayload(f"{KEY}: 1 to 255 printable ASCII characters, new for each request, such as a UUID")
        asked = [payload.is_batch, payload.fields, payload.items, [image.identity for image in payload.images]]
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        return Once(key, digest, 3600 * self.service.settings.server.idempotency_hours, caller().id)


def _with_id(item: ItemFields, number: int, once: Once | None) -> ItemFields:
    """Sent again before its answer was noted, a picture gets the same id, by which the ingest recognises it."""
    if item.id is not None or once is None:
        return item
    return ItemFields(id=uuid.uuid5(KEYED_IDS, f"{once.own_key}/{number}").hex, metadata=item.metadata)


def _refused(error: Exception) -> Answer:
    document = body_of(error)
    return Answer(document["status"], document)


def _found(collection: str, answer: SearchAnswer | Failure) -> Answer:
    if isinstance(answer, FAILURES):
        return _refused(answer)
    observing.watch().searched(answer.outcome)
    return Answer(200, replies.search_reply(collection, answer))


def _added(collection: str, answer: AddAnswer | Failure) -> Answer:
    if isinstance(answer, FAILURES):
        return _refused(answer)
    observing.watch().added(answer.status)
    if answer.status == "id_taken":
        return _refused(IdTaken(f"collection {collection!r} has a picture {answer.id!r} already; delete it first"))
    if answer.status == "duplicate":
        homes = " and ".join(dict.fromkeys(repr(each.match.collection or collection) for each in answer.verdicts))
        detail = f"collection {homes} holds this picture already; nothing was stored"
        return Answer(409, body(409, "duplicate", detail, matches=replies.matches(answer.verdicts)))
    place = url_for("image", image_id=answer.id, collection=collection)
    return Answer(201, replies.add_reply(collection, answer), place)


def _gathered(payload: Payload, answers: list[Answer], more: Sequence[dict[str, Any]] = ()) -> Answer:
    """Of one picture its answer; of a batch what each would have got by itself, and `more` of each."""
    return several(answers, more) if payload.is_batch else answers[0]
