"""Resources of what is remembered, of jobs and of the service: each reads the request, asks once, shapes the reply."""

from typing import Any

from flask import Response, current_app, request, url_for

from index_store import CatalogUnavailable, UnknownJob
from index_store import Job as JobRecord
from retrieval import replies
from retrieval.callers import caller
from retrieval.errors import BadPayload
from retrieval.fields import DEFAULT_COLLECTION, is_strict
from retrieval.payload import read_fields
from retrieval.problems import problem
from retrieval.resource import Reply, ServiceResource
from retrieval.schemas import CollectionQuery, ListQuery, NewCollection, NewJob, PatchCollection, PatchFields


class Images(ServiceResource):
    """GET what a collection holds, page by page, in the order of adding."""

    def get(self) -> Reply:
        query = ListQuery.of_query(request)
        self.allow(query.collection)
        page = self.service.store.images(query.collection, query.after, query.limit)
        more = page[-1].seq if len(page) == query.limit else None
        return {"images": [replies.image_reply(query.collection, image) for image in page], "next": more}


class Image(ServiceResource):
    """GET, PATCH (its metadata) or DELETE one picture."""

    def get(self, image_id: str) -> Reply:
        query = CollectionQuery.of_query(request)
        self.allow(query.collection)
        store = self.service.store
        image = store.image(query.collection, image_id)
        return replies.described_reply(query.collection, image, store.kept(query.collection, image_id))

    def patch(self, image_id: str) -> Reply:
        query = CollectionQuery.of_query(request)
        self.allow(query.collection)
        fields = PatchFields.of_body(request)
        image = self.service.store.update_metadata(query.collection, image_id, fields.metadata)
        return replies.image_reply(query.collection, image)

    def delete(self, image_id: str) -> Reply:
        query = CollectionQuery.of_query(request)
        self.allow(query.collection)
        self.service.store.delete(query.collection, image_id)
        return Response(status=204)


class Collections(ServiceResource):
    """GET all collections, or POST a new, empty one."""

    def get(self) -> Reply:
        threshold = self.service.engine.judges.threshold
        seen = [each for each in self.service.store.collections() if caller().sees(each.name)]
        return {"collections": [replies.collection_reply(each, threshold(each)) for each in seen]}

    def post(self) -> Reply:
        fields = NewCollection.of_body(request)
        self.allow(fields.name)
        made = self.service.store.create_collection(fields.name, fields.threshold)
        reply = replies.collection_reply(made, self.service.engine.judges.threshold(made))
        return reply, 201, {"Location": url_for("collection", name=made.name)}


class Collection(ServiceResource):
    """GET a collection with its figures, PATCH its threshold, or DELETE it with all its pictures."""

    def get(self, name: str) -> Reply:
        self.allow(name)
        store = self.service.store
        found = store.collection(name)
        judges = self.service.engine.judges
        reply = replies.collection_reply(found, judges.threshold(found), store.stats(found))
        return reply | {"calibrations": replies.calibrations(judges.calibrations(found))}

    def patch(self, name: str) -> Reply:
        self.allow(name)
        fields, strict = read_fields(request), is_strict(request)
        if not strict and fields.get("threshold") in ("", "null"):  # a form has no null
            fields["threshold"] = None
        changed = self.service.store.set_threshold(name, PatchCollection.of(fields, strict).threshold)
        return replies.collection_reply(changed, self.service.engine.judges.threshold(changed))

    def delete(self, name: str) -> Reply:
        self.allow(name)
        self.service.store.delete_collection(name)
        return Response(status=204)


class Jobs(ServiceResource):
    """GET the newest maintenance jobs, or POST one to be started now."""

    def get(self) -> Reply:
        mine = [job for job in self.service.jobs.newest(collections=caller().collections) if _is_own(job)]
        return {"jobs": [replies.job_reply(job) for job in mine]}

    def post(self) -> Reply:
        fields = NewJob.of_body(request)
        options = fields.checked_options(is_strict(request))
        self.allow(fields.collection, *_against(options))
        self._check(fields, options)
        job = self.service.jobs.ask(fields.kind, fields.collection, options)
        return replies.job_reply(job), 202, {"Location": url_for("job", job_id=job.id)}

    def _check(self, fields: NewJob, options: dict[str, Any]) -> None:
        """What can be told at once, rather than when the job fails. Most can be asked for while the service loads."""
        against = options.get("against")
        if fields.kind == "calibrate":
            self.service.store.bound(fields.collection or DEFAULT_COLLECTION)
        elif fields.collection is not None and fields.kind != "ingest":
            self.service.store.collection(fields.collection)
        if against is not None and against == fields.collection:
            raise BadPayload("options.against: a collection cannot be compared with itself; leave it out")
        if against is not None:
            self.service.store.collection(against)


class Job(ServiceResource):
    """GET one maintenance job."""

    def get(self, job_id: int) -> Reply:
        job = self.service.jobs.job(job_id)
        if not _is_own(job):
            raise UnknownJob(f"there is no job {job_id}")
        return replies.job_reply(job)


def _is_own(job: JobRecord) -> bool:
    """Whether a job is of the caller's collections alone."""
    return all(caller().sees(name) for name in (job.collection, *_against(job.options)))


def _against(options: dict[str, Any]) -> list[str]:
    other = options.get("against")
    return [] if other is None else [other]


class Healthz(ServiceResource):
    """GET whether the process is alive."""

    def get(self) -> Reply:
        return {"status": "alive"}


class Readyz(ServiceResource):
    """GET whether the process can answer: 503 with the reason while it cannot."""

    def get(self) -> Reply:
        try:
            return {"status": "ready", "fingerprint": self.service.check_ready()}
        except CatalogUnavailable as error:
            return problem(503, "not-ready", str(error), reason="catalog")


class Metrics(ServiceResource):
    """GET how the service is doing, for Prometheus."""

    def get(self) -> Reply:
        self.allow(None)
        page, content_type = current_app.extensions["metrics"].page(request.headers.get("Accept", ""))
        return Response(page, content_type=content_type)
