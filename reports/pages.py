"""Pages of HTML that load nothing but pictures: style and script are in them, and nothing else can run."""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import text
from reports.gallery import place

HERE = Path(__file__).parent / "templates"
FOLDER = "pages"
MOST_ITEMS = 100  # on a page
MOST_PICTURES = 400
UNFOLDED = 24  # copies that a group shows at once
FILTERS = {
    "printable": text.printable,
    "name": text.name,
    "folder": text.folder,
    "file_url": text.file_url,
    "web_url": text.web_url,
    "bytes": text.size,
    "moment": text.moment,
    "number": text.number,
    "several": text.several,
    "facts": text.facts,
}
Item = TypeVar("Item")


@dataclass(frozen=True)
class Page:
    """A page of an order: its number, from 1, of how many, and what is on it."""

    slug: str
    title: str
    number: int
    last: int
    items: Sequence[Any]

    @property
    def file(self) -> str:
        return file_of(self.slug, self.number)


def file_of(slug: str, page: int) -> str:
    """Name of a page below FOLDER."""
    return f"{slug}-{page}.html"


def paged(slug: str, title: str, items: Iterable[Item], pictures: Callable[[Item], int]) -> list[Page]:
    """Pages of MOST_ITEMS, or fewer where they have more than MOST_PICTURES together, and at least one each."""
    parts = list(_parts(items, pictures))
    return [Page(slug, title, number, len(parts), part) for number, part in enumerate(parts, 1)]


def _parts(items: Iterable[Item], pictures: Callable[[Item], int]) -> Iterator[list[Item]]:
    part: list[Item] = []
    room = MOST_PICTURES
    for item in items:
        if part and (len(part) >= MOST_ITEMS or pictures(item) > room):
            yield part
            part, room = [], MOST_PICTURES
        part.append(item)
        room -= pictures(item)
    if part:
        yield part


class Writer:
    """Writes the pages of one report; `failed` says of which contents there are no thumbnails, and why."""

    def __init__(self, folder: Path, failed: dict[str, str], identity: str) -> None:
        self._folder = folder
        style, script = (_source(name) for name in ("page.css", "page.js"))
        loader = FileSystemLoader(HERE)
        environment = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters |= FILTERS
        policy = _policy(style, script)
        environment.globals |= {"style": Markup(style), "script": Markup(script), "policy": policy}  # noqa: S704
        environment.globals |= {"failed": failed, "place": place, "identity": identity, "unfolded": UNFOLDED}
        self._environment = environment
        (folder / FOLDER).mkdir()

    def overview(self, template: str, **facts: Any) -> None:
        """Writes index.html. Raises OSError."""
        self._write("index.html", template, base="", **facts)

    def page(self, template: str, page: Page, **facts: Any) -> None:
        """Writes one of the pages. Raises OSError."""
        self._write(f"{FOLDER}/{page.file}", template, base="../", page=page, file_of=file_of, **facts)

    def _write(self, name: str, template: str, **facts: Any) -> None:
        html = self._environment.get_template(template).render(**facts)
        (self._folder / name).write_text(html, encoding="utf-8")


def _source(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """What a browser lets the page do: its own style and script by their hashes, pictures from the disk, no more."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src 'self' file:; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode('ascii')}'"
