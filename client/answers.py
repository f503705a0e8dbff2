"""What the service answers of each picture of a request, as results."""

from typing import Any

from client.decode import decode
from client.errors import UNREADABLE, BadReply, ServiceError, UnreadableFile
from client.results import Added, Duplicate, Failure, Found, Match, Queued

REPLY = dict[str, Any]  # {"status": ..., "body": ...}


def each(reply: Any, count: int) -> list[REPLY]:
    """One for each picture. Raises BadReply."""
    results = reply.get("results") if isinstance(reply, dict) else None
    if not isinstance(results, list) or len(results) != count:
        raise BadReply(f"the reply has no results of {count} pictures")
    if not all(isinstance(one, dict) and "status" in one and isinstance(one.get("body"), dict) for one in results):
        raise BadReply("a result in the reply has no status or no body")
    return results


def found(reply: REPLY) -> Found | Failure:
    """Of a search."""
    if reply["status"] != 200:
        return failure(reply["status"], reply["body"])
    return decode(Found, {**reply["body"], "repeats": reply.get("repeats", [])})


def added(reply: REPLY) -> Added | Duplicate | Queued | Failure:
    """Of an add."""
    status, body = reply["status"], reply["body"]
    if status == 201:
        return decode(Added, body)
    if status == 202:
        return decode(Queued, body)
    if status == 409 and body.get("matches"):
        return Duplicate(tuple(decode(Match, match) for match in body["matches"]), str(body.get("detail", "")))
    return failure(status, body)


def failure(status: int, body: dict[str, Any]) -> Failure:
    """Of a problem document."""
    error = ServiceError(status, body)
    return Failure(status, error.type, error.title, error.detail, error.reason)


def unreadable(error: UnreadableFile) -> Failure:
    """Of a file that never got to the service."""
    return Failure(0, UNREADABLE, "Unreadable file", str(error))


def one(result: Any, picture: Any) -> Any:
    """The only result of a call, if it is none of a failure. Raises UnreadableFile, ServiceError."""
    if not isinstance(result, Failure):
        return result
    if result.status == 0:
        raise UnreadableFile(str(picture), result.detail.removeprefix(f"{picture}: "))
    told = {"type": result.type, "title": result.title, "detail": result.detail, "reason": result.reason}
    raise ServiceError(result.status, told)
