"""Which of several copies is kept: an ordered list of rules, the first that tells two pictures apart deciding."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from index_store.records import ImageRecord

# Formats that lose nothing come first, those of 256 colours last.
FORMAT_RANKS = {"TIFF": 0, "PNG": 0, "BMP": 0, "HEIF": 1, "AVIF": 1, "WEBP": 1, "JPEG": 1, "GIF": 2}
# Of each rule a number, the picture with the least being kept.
RULES: dict[str, Callable[[ImageRecord], int]] = {
    "largest": lambda image: -image.width * image.height,
    "best_format": lambda image: FORMAT_RANKS.get(image.format, 1),
    "biggest_file": lambda image: -image.size,
    "smallest_file": lambda image: image.size,
    "oldest": lambda image: image.seq,
    "newest": lambda image: -image.seq,
    "shortest_id": lambda image: len(image.id),
}
# Most pixels; of those, the format that has lost least, then the file with most in it, then what was there first.
DEFAULT = "largest,best_format,biggest_file,oldest"
LAST_RESORT = "oldest"


@dataclass(frozen=True)
class Policy:
    """Rules in the order of their weight. What they leave equal is decided by age, so no two pictures are equal."""

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

    def key(self, image: ImageRecord) -> tuple[int, ...]:
        """Pictures in the order of their keys are in the order of this policy, the best first."""
        return (*(RULES[name](image) for name in self.rules), RULES[LAST_RESORT](image))

    def reason(self, keeper: ImageRecord, others: list[ImageRecord]) -> str:
        """The rule by which the keeper comes before the best of the others."""
        best = self.key(min(others, key=self.key))
        names = (*self.rules, LAST_RESORT)
        return next(
            (name for name, own, its in zip(names, self.key(keeper), best, strict=True) if own < its), names[-1]
        )
