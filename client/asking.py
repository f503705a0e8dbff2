"""What is asked of the service, as Requests."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from client.errors import ServiceError
from client.forms import FilePart, Form, as_text
from client.pictures import Picture, Ready, Stored, Url, size_of
from client.transport import Request

Ask = Callable[[Request], Any]


def given(**fields: Any) -> dict[str, Any]:
    """Those of the fields that are not None; no names at all, as of `against`, are left out, too."""
    return {name: value for name, value in fields.items() if value is not None and value not in ((), [])}


def items(
    pictures: Sequence[Picture], ids: Sequence[str | None] | None, metadata: Sequence[Mapping[str, Any]] | None
) -> list[tuple[Picture, dict[str, Any]]]:
    """Each picture with what is said of it alone. Raises ValueError where there are more or fewer ids than pictures."""
    names = [None] * len(pictures) if ids is None else ids
    facts: Sequence[Mapping[str, Any]] = [{}] * len(pictures) if metadata is None else metadata
    if not len(pictures) == len(names) == len(facts):
        raise ValueError(f"{len(pictures)} pictures, {len(names)} ids and {len(facts)} metadata: one of each is needed")
    beside = [given(id=name, metadata=dict(fact) or None) for name, fact in zip(names, facts, strict=True)]
    return list(zip(pictures, beside, strict=True))


def pictures(
    path: str, some: Sequence[Ready], fields: dict[str, Any], headers: dict[str, str] | None = None
) -> Request:
    """POST of several pictures, all of them URLs or none."""
    if some[0].is_url:
        listed = [{"url": each.picture.url, **each.item} for each in some if isinstance(each.picture, Url)]
        return Request("POST", path, json={"images": listed, **fields}, headers=headers or {})
    beside = {"items": json.dumps([each.item for each in some])} if any(each.item for each in some) else {}
    texts = {name: as_text(value) for name, value in fields.items()} | beside
    files = [FilePart("images", each.picture, each.size) for each in some if not isinstance(each.picture, Url)]
    return Request("POST", path, form=lambda: Form(texts, files), headers=headers or {})


def comparison(a: Picture | Stored, b: Picture | Stored, fields: dict[str, Any]) -> Request:
    """POST /compare. Raises UnreadableFile."""
    texts = {name: as_text(value) for name, value in fields.items()}
    files = []
    for name, side in (("a", a), ("b", b)):
        if isinstance(side, Stored):
            texts[name] = json.dumps(given(id=side.id, collection=side.collection))
        elif isinstance(side, Url):
            texts[name] = json.dumps({"url": side.url})
        else:
            files.append(FilePart(name, side, size_of(side)))
    return Request("POST", "/compare", form=lambda: Form(texts, files))


def image(method: str, image_id: str, collection: str, body: Any = None) -> Request:
    """What is asked of one stored picture. Raises ValueError for an id that no picture can have."""
    return Request(method, f"/images/{below(image_id)}", params={"collection": collection}, json=body)


def collection(method: str, name: str, more: str = "", **request: Any) -> Request:
    """What is asked of one collection. Raises ValueError for a name that none can have."""
    return Request(method, f"/collections/{below(name, slash='')}{more}", **request)


def below(name: str, slash: str = "/") -> str:
    """A name as a part of a path; one that would lead elsewhere, such as "../pairs", raises ValueError."""
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(f"{name!r} is the name of nothing that the service holds")
    return quote(name, safe=slash)


def paged(ask: Ask, path: str, name: str, params: dict[str, Any]) -> Iterator[Any]:
    """What is listed as `name`, page after page."""
    following = None
    while True:
        page = ask(Request("GET", path, params=params | given(after=following)))
        yield from page[name]
        following = page["next"]
        if following is None:
            return


def delete(ask: Ask, request: Request) -> None:
    """What was deleted by a try whose answer was lost is gone at the next, which is no error."""
    try:
        ask(request)
    except ServiceError as error:
        if not (error.status == 404 and error.answer_lost):
            raise
