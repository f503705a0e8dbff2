"""Flask-RESTful resources. Each reads the request, makes one call and shapes the reply."""

from collections.abc import Callable
from typing import Any

from flask import Response, request, url_for
from flask_restful import Resource

from retrieval import replies
from retrieval.errors import BadPayload, IdTaken
from retrieval.payload import read_payload
from retrieval.problems import problem
from retrieval.schemas import (
    AddFields,
    CollectionQuery,
    ListQuery,
    NewCollection,
    NewJob,
    PatchFields,
    SearchFields,
    is_strict,
)
from retrieval.service import Service

Reply = dict[str, Any] | tuple[dict[str, Any], int] | tuple[dict[str, Any], int, dict[str, str]] | Response


def in_body(post: Callable[..., Reply]) -> Callable[..., Reply]:
    """Fields in the URL of a POST would be passed over in silence, so they are refused."""

    def checked(*args: Any, **kwargs: Any) -> Reply:
        if request.args:
            raise BadPayload(
                f"the fields of a POST belong in its body, not in its URL: {', '.join(request.args)[:200]}"
            )
        return post(*args, **kwargs)

    return checked


class ServiceResource(Resource):  # type: ignore[misc]  # Flask-RESTful has no type hints
    """What every resource has at hand."""

    method_decorators = {"post": [in_body]}  # noqa: RUF012  # Flask-RESTful's name and shape

    def __init__(self, service: Service) -> None:
        self.service = service


class Search(ServiceResource):
    """POST a picture; reply with the nearest remembered ones, best first."""

    def post(self) -> Reply:
        payload = read_payload(request, self.service.settings.input)
        fields = SearchFields.of(payload.fields, is_strict(request))
        refinement = fields.refine.refinement(self.service.settings.search.refine_depth) if fields.refine else None
        answer = self.service.retriever.search(
            payload.image, fields.collection, fields.top_k, fields.min_score, refinement
        )
        return replies.search_reply(fields.collection, answer)


class Add(ServiceResource):
    """POST a picture to be remembered, now or (`wait` false) by the next ingest."""

    def post(self) -> Reply:
        payload = read_payload(request, self.service.settings.input)
        fields = AddFields.of(payload.fields, is_strict(request))
        if not fields.wait:
            queued = self.service.inbox.put(payload.image, fields, self.service.store)
            return {"id": queued, "status": "queued", "collection": fields.collection}, 202
        reject = fields.on_duplicate == "reject"
        answer = self.service.retriever.add(payload.image, fields.collection, fields.id, fields.metadata, reject)
        if answer.status == "id_taken":
            raise IdTaken(f"collection {fields.collection!r} has a picture {answer.id!r} already; delete it first")
        if answer.status == "duplicate":
            detail = f"collection {fields.collection!r} holds this picture already; nothing was stored"
            return problem(409, "duplicate", detail, matches=replies.matches(answer.verdicts))
        return replies.add_reply(fields.collection, answer), 201, _location("image", answer.id, fields.collection)


class Images(ServiceResource):
    """GET what a collection holds, page by page, in the order of adding."""

    def get(self) -> Reply:
        query = ListQuery.of_query(request)
        page = self.service.store.images(query.collection, query.after, query.limit)
        more = page[-1].seq if len(page) == query.limit else None
        return {"images": [replies.image_reply(query.collection, image) for image in page], "next": more}


class Image(ServiceResource):
    """GET, PATCH (its metadata) or DELETE one picture."""

    def get(self, image_id: str) -> Reply:
        query = CollectionQuery.of_query(request)
        store = self.service.store
        image = store.image(query.collection, image_id)
        return replies.described_reply(query.collection, image, store.kept(query.collection, image_id))

    def patch(self, image_id: str) -> Reply:
        query = CollectionQuery.of_query(request)
        fields = PatchFields.of_body(request)
        image = self.service.store.update_metadata(query.collection, image_id, fields.metadata)
        return replies.image_reply(query.collection, image)

    def delete(self, image_id: str) -> Reply:
        query = CollectionQuery.of_query(request)
        self.service.store.delete(query.collection, image_id)
        return Response(status=204)


class Collections(ServiceResource):
    """GET all collections, or POST a new, empty one."""

    def get(self) -> Reply:
        threshold = self.service.retriever.threshold
        return {
            "collections": [
                replies.collection_reply(each, threshold(each)) for each in self.service.store.collections()
            ]
        }

    def post(self) -> Reply:
        fields = NewCollection.of_body(request)
        made = self.service.store.create_collection(fields.name, fields.threshold)
        reply = replies.collection_reply(made, self.service.retriever.threshold(made))
        return reply, 201, {"Location": url_for("collection", name=made.name)}


class Collection(ServiceResource):
    """GET a collection with its figures, or DELETE it with all its pictures."""

    def get(self, name: str) -> Reply:
        store = self.service.store
        found = store.collection(name)
        return replies.collection_reply(found, self.service.retriever.threshold(found), store.stats(found))

    def delete(self, name: str) -> Reply:
        self.service.store.delete_collection(name)
        return Response(status=204)


class Jobs(ServiceResource):
    """GET the newest maintenance jobs, or POST one to be started now."""

    def get(self) -> Reply:
        return {"jobs": [replies.job_reply(job) for job in self.service.jobs.newest()]}

    def post(self) -> Reply:
        fields = NewJob.of_body(request)
        options = fields.checked_options(is_strict(request))
        if fields.collection is not None and fields.kind != "ingest":
            self.service.store.collection(fields.collection)
        job = self.service.jobs.ask(fields.kind, fields.collection, options)
        return replies.job_reply(job), 202, {"Location": url_for("job", job_id=job.id)}


class Job(ServiceResource):
    """GET one maintenance job."""

    def get(self, job_id: int) -> Reply:
        return replies.job_reply(self.service.jobs.job(job_id))


class Healthz(ServiceResource):
    """GET whether the process is alive."""

    def get(self) -> Reply:
        return {"status": "alive"}


class Readyz(ServiceResource):
    """GET whether the process can answer: 503 with the reason while it cannot."""

    def get(self) -> Reply:
        return {"status": "ready", "fingerprint": self.service.engine.extractor.fingerprint}


def _location(endpoint: str, image_id: str, collection: str) -> dict[str, str]:
    return {"Location": url_for(endpoint, image_id=image_id, collection=collection)}
