"""Domain objects -> the JSON of the HTTP contract."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from index_store import Collection, CollectionStats, Group, ImageRecord, Job, KeptFacts, Pair
from retrieval.answers import AddAnswer, SearchAnswer, Took
from retrieval.calibration import Calibration
from retrieval.comparer import Comparison
from retrieval.options import Mode
from retrieval.verdicts import Verdict


def search_reply(answer: SearchAnswer) -> dict[str, Any]:
    """What POST /search says of one picture."""
    return {
        "duplicate": answer.outcome == "duplicate",
        "verdict": answer.outcome,
        "matches": matches(answer.verdicts),
        "took_ms": took_ms(answer.took),
    }


def add_reply(collection: str, answer: AddAnswer) -> dict[str, Any]:
    """What POST /add says of one picture that was compared."""
    return {
        "id": answer.id,
        "status": answer.status,
        "collection": collection,
        "matches": matches(answer.verdicts),
        "took_ms": took_ms(answer.took),
    }


def comparison_reply(comparison: Comparison) -> dict[str, Any]:
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


def repeats(answer: SearchAnswer) -> list[dict[str, Any]]:
    """The field `repeats` of a picture in a batch: earlier pictures of the batch that it is a copy of, best first."""
    return [asdict(each) for each in answer.in_batch]


def matches(verdicts: list[Verdict]) -> list[dict[str, Any]]:
    """The field `matches`, best first."""
    return [_match(verdict) for verdict in verdicts]


def _match(verdict: Verdict) -> dict[str, Any]:
    """`refined_score` only where the search was refined, `collection` only where several were searched."""
    match = verdict.match
    refined = {} if match.refined_score is None else {"refined_score": match.refined_score}
    named = {} if match.collection is None else {"collection": match.collection}
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


def took_ms(took: Took) -> dict[str, float]:
    """The field `took_ms`."""
    return {name: round(getattr(took, name), 2) for name in ("decode", "embed", "search", "total")}


def described_reply(collection: str, image: ImageRecord, kept: KeptFacts | None) -> dict[str, Any]:
    """`image_reply`, and what the catalog keeps of the picture itself."""
    return {**image_reply(collection, image), "kept": asdict(kept) if kept else None}


def image_reply(collection: str, image: ImageRecord) -> dict[str, Any]:
    """A picture as the catalog knows it; `size` is in bytes."""
    record = {**asdict(image), "collection": collection, "created_at": moment(image.created_at)}
    del record["seq"]
    return record


def collection_reply(collection: Collection, threshold: float, stats: CollectionStats | None = None) -> dict[str, Any]:
    """A collection, with figures of its index where `stats` are given."""
    reply: dict[str, Any] = {
        "name": collection.name,
        "threshold": threshold,
        "fingerprint": collection.fingerprint,
        "dim": collection.dim,
        "created_at": moment(collection.created_at),
    }
    if stats:
        index = {"kind": stats.index_kind, "generation": stats.generation, "images": stats.indexed}
        kept = {"images": stats.kept, "bytes": stats.kept_bytes}
        reply |= {"images": stats.images, "kept": kept, "index": {**index, "pending": stats.pending}}
    return reply


def calibrations(found: Mapping[Mode, Calibration]) -> dict[str, Any]:
    """By mode of search: thresholds by precision, null where too little is known, and what they rest on."""
    return {
        mode: {
            "thresholds": each.thresholds,
            "copies": each.copies,
            "queries": each.queries,
            "created_at": moment(each.created_at),
        }
        for mode, each in found.items()
    }


def pair_reply(pair: Pair) -> dict[str, Any]:
    """What was said of two pictures."""
    reply = {**asdict(pair), "created_at": moment(pair.created_at)}
    del reply["number"]
    return reply


def group_reply(collection: str, against: str | None, group: Group) -> dict[str, Any]:
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


def job_reply(job: Job) -> dict[str, Any]:
    """A job and how far it has come."""
    moments = {name: moment(getattr(job, name)) for name in ("created_at", "started_at", "finished_at")}
    return {**asdict(job), **moments}


def moment(when: datetime | None) -> str | None:
    """RFC 3339, UTC."""
    return when.isoformat().replace("+00:00", "Z") if when else None
