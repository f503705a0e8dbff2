"""Resources of what is remembered, of jobs and of the service: each asks once and shapes the reply."""

from typing import Any

from flask import Response, current_app, request, url_for

from index_store import (
    CatalogUnavailable,
    CollectionExists,
    FingerprintMismatch,
    ImageRecord,
    StorageFull,
    UnknownCollection,
    UnknownImage,
    UnknownJob,
)
from index_store import Job as JobRecord
from retrieval import replies, stored_shapes
from retrieval.bodies import Plain
from retrieval.callers import caller
from retrieval.errors import BadPayload, NothingKept, NotReady
from retrieval.fields import DEFAULT_COLLECTION, is_strict
from retrieval.formats import MEDIA_TYPES
from retrieval.keeping import THUMBNAIL_FORMAT
from retrieval.openapi.operations import STORE, Text, operation
from retrieval.problems import problem
from retrieval.resource import Reply, ServiceResource
from retrieval.schemas import CollectionQuery, ListQuery, NewCollection, NewJob, PatchCollection, PatchFields

JSON = "application/json"


class Images(ServiceResource):
    """What a collection holds."""

    @operation(
        "List the pictures of a collection, page by page, in the order of adding",
        query=ListQuery,
        gives={200: stored_shapes.ImagesPage},
        raises=(*STORE, UnknownCollection),
    )
    def get(self, query: ListQuery) -> Reply:
        self.allow(query.collection)
        page = self.service.store.images(query.collection, query.after, query.limit)
        return replies.images_page(query.collection, page, page[-1].seq if len(page) == query.limit else None)


class Image(ServiceResource):
    """One picture."""

    @operation(
        "Describe a picture; or, where `Accept` asks for `image/*`, send what is kept of it",
        query=CollectionQuery,
        gives={200: (stored_shapes.DescribedImage, *(Text(media, {}) for media in MEDIA_TYPES.values()))},
        raises=(*STORE, UnknownCollection, UnknownImage, NothingKept),
    )
    def get(self, image_id: str, query: CollectionQuery) -> Reply:
        self.allow(query.collection)
        store = self.service.store
        image = store.image(query.collection, image_id)
        accepted = request.accept_mimetypes
        if max(accepted.quality(media) for media in MEDIA_TYPES.values()) > accepted.quality(JSON):
            return self._kept(image)
        return replies.described_reply(query.collection, image, store.kept(query.collection, image_id))

    def _kept(self, image: ImageRecord) -> Response:
        kept = self.service.catalog.kept_picture(image.seq)
        if kept is None:
            raise NothingKept(f"nothing is kept of picture {image.id!r} but its vector; see `keep` in config.yaml")
        media = MEDIA_TYPES[image.format if kept.kind == "original" else THUMBNAIL_FORMAT]
        return Response(kept.data, content_type=media, headers={"Cache-Control": "private, no-cache"})

    @operation(
        "Replace a picture's metadata",
        query=CollectionQuery,
        body=Plain(PatchFields),
        gives={200: stored_shapes.Image},
        raises=(*STORE, UnknownCollection, UnknownImage, StorageFull),
    )
    def patch(self, image_id: str, query: CollectionQuery, sent: PatchFields) -> Reply:
        self.allow(query.collection)
        image = self.service.store.update_metadata(query.collection, image_id, sent.metadata)
        return replies.image_reply(query.collection, image)

    @operation(
        "Forget a picture",
        query=CollectionQuery,
        gives={204: None},
        raises=(*STORE, UnknownCollection, UnknownImage, StorageFull),
    )
    def delete(self, image_id: str, query: CollectionQuery) -> Reply:
        self.allow(query.collection)
        self.service.store.delete(query.collection, image_id)
        return Response(status=204)


class Collections(ServiceResource):
    """All collections."""

    @operation("List the collections", gives={200: stored_shapes.Collections}, raises=STORE)
    def get(self) -> Reply:
        threshold = self.service.engine.judges.threshold
        seen = [each for each in self.service.store.collections() if caller().sees(each.name)]
        return {"collections": [replies.collection_reply(each, threshold(each)) for each in seen]}

    @operation(
        "Make a new, empty collection",
        body=Plain(NewCollection),
        gives={201: stored_shapes.Collection},
        raises=(*STORE, CollectionExists, StorageFull),
        sends={201: ("Location",)},
    )
    def post(self, sent: NewCollection) -> Reply:
        self.allow(sent.name)
        made = self.service.store.create_collection(sent.name, sent.threshold)
        reply = replies.collection_reply(made, self.service.engine.judges.threshold(made))
        return reply, 201, {"Location": url_for("collection", name=made.name)}


class Collection(ServiceResource):
    """One collection."""

    @operation(
        "Describe a collection, with figures of its index and its calibrations",
        gives={200: stored_shapes.DescribedCollection},
        raises=(*STORE, UnknownCollection),
    )
    def get(self, name: str) -> Reply:
        self.allow(name)
        store, judges = self.service.store, self.service.engine.judges
        found = store.collection(name)
        return replies.described_collection(
            found, judges.threshold(found), store.stats(found), judges.calibrations(found)
        )

    @operation(
        "Set a collection's threshold, or take it back",
        body=Plain(PatchCollection),
        gives={200: stored_shapes.Collection},
        raises=(*STORE, UnknownCollection, StorageFull),
    )
    def patch(self, name: str, sent: PatchCollection) -> Reply:
        self.allow(name)
        changed = self.service.store.set_threshold(name, sent.threshold)
        return replies.collection_reply(changed, self.service.engine.judges.threshold(changed))

    @operation(
        "Delete a collection with all its pictures",
        gives={204: None},
        raises=(*STORE, UnknownCollection, StorageFull),
    )
    def delete(self, name: str) -> Reply:
        self.allow(name)
        self.service.store.delete_collection(name)
        return Response(status=204)


class Jobs(ServiceResource):
    """Maintenance jobs."""

    @operation("List the newest jobs", gives={200: stored_shapes.Jobs}, raises=STORE)
    def get(self) -> Reply:
        mine = [job for job in self.service.jobs.newest(collections=caller().collections) if _is_own(job)]
        return {"jobs": [replies.job_reply(job) for job in mine]}

    @operation(
        "Start a job",
        body=Plain(NewJob),
        gives={202: stored_shapes.Job},
        raises=(*STORE, UnknownCollection, FingerprintMismatch, StorageFull),
        sends={202: ("Location",)},
    )
    def post(self, sent: NewJob) -> Reply:
        options = sent.checked_options(is_strict(request))
        self.allow(sent.collection, *_against(options))
        self._check(sent, options)
        job = self.service.jobs.ask(sent.kind, sent.collection, options)
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
    """One maintenance job."""

    @operation("Tell how far a job has come", gives={200: stored_shapes.Job}, raises=(*STORE, UnknownJob))
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
    """Liveness."""

    @operation("Tell whether the process is alive", gives={200: stored_shapes.Alive})
    def get(self) -> Reply:
        return {"status": "alive"}


class Readyz(ServiceResource):
    """Readiness."""

    @operation("Tell whether the process can answer, or why not", gives={200: stored_shapes.Ready}, raises=(NotReady,))
    def get(self) -> Reply:
        try:
            return {"status": "ready", "fingerprint": self.service.check_ready()}
        except CatalogUnavailable as error:
            return problem(503, "not-ready", error.told, reason="catalog")


class Metrics(ServiceResource):
    """How the service is doing."""

    @operation(
        "Tell how the service is doing, for Prometheus",
        gives={200: (Text("text/plain"), Text("application/openmetrics-text"))},
    )
    def get(self) -> Reply:
        self.allow(None)
        page, content_type = current_app.extensions["metrics"].page(request.headers.get("Accept", ""))
        return Response(page, content_type=content_type)
