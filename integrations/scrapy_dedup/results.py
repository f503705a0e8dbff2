"""What an item gets told of each of its pictures."""

from typing import Any, Literal, TypedDict

from client import Added, Duplicate, Failure, Match, Queued

Status = Literal["new", "duplicate", "unchecked", "failed"]
DECIDED = ("new", "duplicate")


class Result(TypedDict, total=False):
    """`url` and `status` always; the rest as far as there is something to be said.

    by:    which test found the duplicate: url, bytes or service.
    of:    the URL at which it was seen before in this crawl (url, bytes), or the id of what the service holds.
    id:    under which the service holds it now.
    match: what the service said of the nearest: id, collection, score, relation, source, metadata.
    """

    url: str
    status: Status
    by: Literal["url", "bytes", "service"]
    of: str
    id: str
    match: dict[str, Any]
    detail: str


def result_of(url: str, own_id: str, outcome: Added | Duplicate | Queued | Failure | None) -> Result:
    """Of an answer of the service, None where there is none.

    own_id: is of this crawl, URL and bytes alone. So what has it was added by an earlier try, or before the crawl was
            interrupted: it is new, and no duplicate of itself.
    """
    if outcome is None:
        return {"url": url, "status": "unchecked", "detail": "the service could not be asked"}
    if isinstance(outcome, Failure) and outcome.slug != "id-taken":
        return {"url": url, "status": "failed", "detail": outcome.detail}
    if isinstance(outcome, Duplicate) and all(match.id != own_id for match in outcome.matches):
        told = _told(outcome.best)
        return {"url": url, "status": "duplicate", "by": "service", "of": outcome.best.id, "match": told}
    return {"url": url, "status": "new", "id": own_id}


def _told(match: Match) -> dict[str, Any]:
    names = ("id", "collection", "score", "relation", "source", "metadata")
    return {name: getattr(match, name) for name in names}
