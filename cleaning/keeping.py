"""Which of several copies is kept: rules in order, the first that tells two pictures apart deciding."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from cleaning.cache import Content
from cleaning.scan import Found
from index_store.policy import FORMAT_RANKS

COMPARED_BITS = 8


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be kept. `folder` is the number of the one that it was found in; `apart` is 1 unless it is one of
    those closest to all others of its group. `near`: it is compared with pictures of other pixels, too."""

    file: Found
    content: Content
    folder: int
    protected: bool
    apart: int = 0
    near: bool = False

    @property
    def riches(self) -> int:
        """How much it holds that is not compared. Transparency counts among the same pixels only: a screenshot of a
        window may have some, too, and is not to be kept for that instead of the photograph."""
        riches = self.content.riches
        return (riches.bits > COMPARED_BITS) + bool(riches.behind) + (riches.alpha and not self.near)


# Of each rule a number, the picture with the least being kept.
RULES: dict[str, Callable[[Candidate], int]] = {
    "closest": lambda each: each.apart,
    "metadata": lambda each: -len(each.content.metadata) - len(each.file.unit.beside),
    "largest-resolution": lambda each: -each.content.width * each.content.height,
    "best-format": lambda each: FORMAT_RANKS.get(each.content.format, 1),
    "biggest-file": lambda each: -each.file.size,
    "smallest-file": lambda each: each.file.size,
    "oldest": lambda each: each.file.mtime_ns,
    "newest": lambda each: -each.file.mtime_ns,
    "shortest-path": lambda each: len(each.file.path),
    "longest-path": lambda each: -len(each.file.path),
    "first-folder": lambda each: each.folder,
}
MEANINGS = {
    "closest": "what the others of its group resemble most, as edited copies do their original",
    "metadata": "most of date, place, camera, description, rights, and files that belong to it",
    "largest-resolution": "most pixels",
    "best-format": "PNG, TIFF, BMP before HEIF, AVIF, WebP, JPEG before GIF",
    "biggest-file": "most bytes",
    "smallest-file": "fewest bytes",
    "oldest": "changed first",
    "newest": "changed last",
    "shortest-path": "such as a.jpg rather than a (copy 2).jpg",
    "longest-path": "the contrary",
    "first-folder": "in the FOLDER that is given first",
}
DEFAULT = "closest,metadata,largest-resolution,best-format,biggest-file,oldest,shortest-path"
PROTECTED, RICHEST, LAST_RESORT = "protected", "holds-more", "path"


@dataclass(frozen=True)
class Keep:
    """Rules in the order of their weight; what is protected goes before all, then what holds most beyond what is
    compared; what is left equal is decided by path."""

    rules: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of names with commas between. Raises ValueError that names what is wrong."""
        rules = tuple(name.strip() for name in text.split(","))
        if unknown := [name for name in rules if name not in RULES]:
            raise ValueError(f"{unknown[0]!r} is no rule; the rules are {', '.join(RULES)}")
        if len(set(rules)) < len(rules):
            raise ValueError("a rule is named twice")
        return cls(rules)

    def __str__(self) -> str:
        return ",".join(self.rules)

    def key(self, each: Candidate) -> tuple[int | str, ...]:
        """Files in the order of their keys are in the order of the rules, the best first."""
        return (not each.protected, -each.riches, *(RULES[name](each) for name in self.rules), each.file.path)

    def best(self, several: Sequence[Candidate]) -> Candidate:
        return min(several, key=self.key)

    def reason(self, keeper: Candidate, others: Sequence[Candidate]) -> str:
        """The rule by which the keeper comes before the best of the others."""
        names = (PROTECTED, RICHEST, *self.rules, LAST_RESORT)
        rival = self.best(others)
        keys = zip(names, self.key(replace(keeper, near=rival.near)), self.key(rival), strict=True)
        return next((name for name, own, its in keys if own != its), LAST_RESORT)
