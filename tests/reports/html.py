"""Reads a report's pages as a browser would, as far as tests need it, and says where one is not well formed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes

INLINE = {"a", "b", "bdi", "span", "small"}
HIDDEN = {"style", "script", "head"}
VOID = {"meta", "img", "input", "br", "link", "hr"}


@dataclass
class Element:
    """A tag with its attributes, and what is in it."""

    tag: str
    attributes: dict[str, str]
    content: list["Element | str"] = field(default_factory=list, repr=False)

    def __iter__(self) -> Iterator["Element"]:
        """Itself and all that is in it."""
        yield self
        for each in self.content:
            if isinstance(each, Element):
                yield from each

    def all(self, tag: str = "", **attributes: str) -> list["Element"]:
        """Those with the tag, and these attributes; of `class_` one name is enough."""
        return [each for each in self if tag in ("", each.tag) and each.has(**attributes)]

    def one(self, tag: str = "", **attributes: str) -> "Element":
        (found,) = self.all(tag, **attributes)
        return found

    def has(self, **attributes: str) -> bool:
        classes = self.attributes.get("class", "").split()
        return all(
            value in classes if name == "class_" else self.attributes.get(name) == value
            for name, value in attributes.items()
        )

    @property
    def text(self) -> str:
        """All that people see of it, with single spaces."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for each in self.content:
            if isinstance(each, str):
                yield each
            elif each.tag not in HIDDEN:
                yield from (each._texts() if each.tag in INLINE else (" ", *each._texts(), " "))


class Reader(HTMLParser):
    """Builds the tree, and insists that what was opened last is closed first."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice: <{tag} {attrs}>"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].content.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        opened = self._open.pop()
        assert opened.tag == tag, f"</{tag}> closes <{opened.tag} {opened.attributes}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self._open[-1].content.append(data)


def page(file: Path) -> Element:
    """The tree of a page, which must be well formed."""
    reader = Reader()
    reader.feed(file.read_text(encoding="utf-8"))
    reader.close()
    assert reader._open == [reader.root], "something is not closed"
    return reader.root


def pages(folder: Path) -> dict[str, Element]:
    """All pages of a report, by their place in it."""
    return {str(file.relative_to(folder)): page(file) for file in sorted(folder.rglob("*.html"))}


def path_of(url: str) -> str:
    """The path that a file URL means, as `os.fsdecode` gives it."""
    assert url.startswith("file:///") and url.isascii()
    return os.fsdecode(unquote_to_bytes(url.removeprefix("file://")))
