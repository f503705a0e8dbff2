"""Domain objects -> the JSON of the HTTP contract, in the types of shapes.py and stored_shapes.py."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from typing_extensions import TypedDict

from index_store import Collection, CollectionStats, Group, ImageRecord, Job, KeptFacts, Pair
from retrieval import shapes, stored_shapes
from retrieval.answers import AddAnswer, SearchAnswer, Took
from retrieval.calibration import Calibration
from retrieval.comparer import Comparison
from retrieval.duplicates import Page
from retrieval.options import Mode
from retrieval.verdicts import Verdict


class _Named(TypedDict, total=False):
    collection: str


class _Refined(TypedDict, total=False):
    refined_score: float


def search_reply(collection: str, answer: SearchAnswer) -> shapes.Found:
    """What POST /search says of one picture."""
    return {
        "collection": collection,
        "duplicate": answer.outcome == "duplicate",
        "verdict": answer.outcome,
        "matches": matches(answer.verdicts),
        "took_ms": took_ms(answer.took),
    }


def add_reply(collection: str, answer: AddAnswer) -> shapes.Added:
    """What POST /add says of one picture that was stored."""
    return {
        "id": answer.id,
        "status": "added",
        "collection": collection,
        "matches": matches(answer.verdicts),
        "took_ms": took_ms(answer.took),
    }


def queued_reply(collection: str, image_id: str) -> shapes.Queued:
    """What POST /add says of one picture that waits in the inbox."""
    return {"id": image_id, "status": "queued", "collection": collection}


def comparison_reply(comparison: Comparison) -> shapes.Compared:
    """200 of POST /compare."""
    return {
        "score": comparison.score,
        "confidence": confidence(comparison.confidence),
        "relation": comparison.relation,
        "duplicate": comparison.duplicate,
        "marked": comparison.marked,
        "took_ms": {"total": round(comparison.took_ms, 2)},
    }


def confidence(value: float | None) -> float | None:
    """The field `confidence`, to four decimals; never rounded up to certainty."""
    return value if value in (None, 1.0) else min(round(value, 4), 0.9999)


def repeats(answer: SearchAnswer) -> list[shapes.Repeat]:
    """The field `repeats` of a picture in a batch: earlier pictures of the batch that it is a copy of, best first."""
    return [{"index": each.index, "score": each.score, "relation": each.relation} for each in answer.in_batch]


def matches(verdicts: list[Verdict]) -> list[shapes.Match]:
    """The field `matches`, best first."""
    return [_match(verdict) for verdict in verdicts]


def _match(verdict: Verdict) -> shapes.Match:
    """`refined_score` only where the search was refined, `collection` only where several were searched."""
    match = verdict.match
    refined: _Refined = {} if match.refined_score is None else {"refined_score": match.refined_score}
    named: _Named = {} if match.collection is None else {"collection": match.collection}
    return {
        **named,
        "id": match.image.id,
        "score": match.score,
        **refined,
        "confidence": confidence(verdict.confidence),
        "relation": verdict.relation,
        "source": match.image.source,
        "metadata": match.image.metadata,
    }


def took_ms(took: Took) -> shapes.Took:
    """The field `took_ms`."""
    return {
        "decode": round(took.decode, 2),
        "embed": round(took.embed, 2),
        "search": round(took.search, 2),
        "total": round(took.total, 2),
    }


def described_reply(collection: str, image: ImageRecord, kept: KeptFacts | None) -> stored_shapes.DescribedImage:
    """`image_reply`, and what the catalog keeps of the picture itself."""
    return {**image_reply(collection, image), "kept": {"kind": kept.kind, "size": kept.size} if kept else None}


def image_reply(collection: str, image: ImageRecord) -> stored_shapes.Image:
    """A picture as the catalog knows it; `size` is in bytes."""
    return {
        "id": image.id,
        "sha256": image.sha256,
        "pixels_sha256": image.pixels_sha256,
        "width": image.width,
        "height": image.height,
        "size": image.size,
        "format": image.format,
        "indeterminate": image.indeterminate,
        "source": image.source,
        "metadata": image.metadata,
        "created_at": moment(image.created_at),
        "collection": collection,
    }


def images_page(collection: str, images: Sequence[ImageRecord], following: int | None) -> stored_shapes.ImagesPage:
    """200 of GET /images."""
    return {"images": [image_reply(collection, image) for image in images], "next": following}


def collection_reply(collection: Collection, threshold: float) -> stored_shapes.Collection:
    """A collection, with the threshold that holds for it."""
    return {
        "name": collection.name,
        "threshold": threshold,
        "fingerprint": collection.fingerprint,
        "dim": collection.dim,
        "created_at": moment(collection.created_at),
    }


def described_collection(
    collection: Collection, threshold: float, stats: CollectionStats, found: Mapping[Mode, Calibration]
) -> stored_shapes.DescribedCollection:
    """A collection with figures of its index, and its calibrations by mode of search."""
    return {
        **collection_reply(collection, threshold),
        "images": stats.images,
        "kept": {"images": stats.kept, "bytes": stats.kept_bytes},
        "index": {
            "kind": stats.index_kind,
            "generation": stats.generation,
            "images": stats.indexed,
            "pending": stats.pending,
        },
        "calibrations": {mode: _calibration(each) for mode, each in found.items()},
    }


def _calibration(calibration: Calibration) -> stored_shapes.Calibration:
    return {
        "thresholds": calibration.thresholds,
        "copies": calibration.copies,
        "queries": calibration.queries,
        "created_at": moment(calibration.created_at),
    }


def pair_reply(pair: Pair) -> stored_shapes.Pair:
    """What was said of two pictures."""
    return {
        "a": pair.a,
        "a_collection": pair.a_collection,
        "b": pair.b,
        "b_collection": pair.b_collection,
        "verdict": pair.verdict,
        "created_at": moment(pair.created_at),
    }


def pairs_page(pairs: Sequence[Pair], following: int | None) -> stored_shapes.PairsPage:
    """200 of GET /pairs."""
    return {"pairs": [pair_reply(pair) for pair in pairs], "next": following}


def groups_page(collection: str, page: Page) -> stored_shapes.GroupsPage:
    """200 of GET /collections/NAME/duplicates."""
    return {
        "collection": collection,
        "against": page.terms.against,
        "keep": list(page.terms.policy.rules),
        "threshold": page.terms.least,
        "groups": [group_reply(collection, page.terms.against, group) for group in page.groups],
        "current": page.current,
        "next": page.next,
    }


def group_reply(collection: str, against: str | None, group: Group) -> stored_shapes.Group:
    """A duplicate group: its keeper, and what is superfluous beside it, the closest first."""
    return {
        "keeper": {**image_reply(against or collection, group.keeper), "kept_for": group.kept_for},
        "members": [
            {**image_reply(collection, each.image), "score": each.score, "relation": each.relation}
            for each in group.members
        ],
        "min_score": group.min_score,
        "saves_bytes": group.saves_bytes,
    }


def job_reply(job: Job) -> stored_shapes.Job:
    """A job and how far it has come."""
    return {
        "id": job.id,
        "kind": job.kind,
        "collection": job.collection,
        "options": job.options,
        "state": job.state,
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at) if job.started_at else None,
        "finished_at": moment(job.finished_at) if job.finished_at else None,
        "progress": job.progress,
        "result": job.result,
        "error": job.error,
    }


def moment(when: datetime) -> str:
    """RFC 3339, UTC."""
    return when.isoformat().replace("+00:00", "Z")
