"""Duplicate groups by comparing every picture with every other one."""

from collections.abc import Iterable

import numpy as np

from index_store import Group, ImageRecord, ImageStore, Policy

Verdicts = dict[frozenset[str], str]
Told = list[tuple[str, dict[str, float]]]


class Oracle:
    """What `matches` says of pictures by their records, their vectors as the catalog keeps them, and their marks."""

    def __init__(self, vectors: dict[str, np.ndarray], marks: Verdicts, least: float) -> None:
        stored = {image_id: vector.astype(np.float16).astype(np.float64) for image_id, vector in vectors.items()}
        self._units = {image_id: vector / np.linalg.norm(vector) for image_id, vector in stored.items()}
        self._marks = marks
        self._least = least

    def score(self, one: ImageRecord, other: ImageRecord) -> float:
        return round(min(float(self._units[one.id] @ self._units[other.id]), 1.0), 6)

    def matches(self, one: ImageRecord, other: ImageRecord) -> bool:
        said = self._marks.get(frozenset((one.id, other.id)))
        same = one.sha256 == other.sha256 or one.pixels_sha256 == other.pixels_sha256
        return said == "duplicates" or (said is None and (same or self.score(one, other) >= self._least))

    def groups(self, pictures: Iterable[ImageRecord], policy: Policy) -> Told:
        free, groups = sorted(pictures, key=policy.key), []
        while free:
            keeper, *rest = free
            members = {image.id: self.score(keeper, image) for image in rest if self.matches(keeper, image)}
            free = [image for image in rest if image.id not in members]
            groups += [(keeper.id, members)] if members else []
        return groups


def told(groups: Iterable[Group]) -> Told:
    """The same of what was found."""
    return [(group.keeper.id, {member.image.id: member.score for member in group.members}) for group in groups]


def records(store: ImageStore, name: str) -> list[ImageRecord]:
    return store.images(name, limit=10_000)


def same(found: Told, expected: Told) -> bool:
    """Scores but for the last decimal, which depends on the order of summing."""
    if [(keeper, set(members)) for keeper, members in found] != [(k, set(m)) for k, m in expected]:
        return False
    pairs = zip(found, expected, strict=True)
    return all(abs(score - other[1][each]) < 2e-6 for one, other in pairs for each, score in one[1].items())


def circle(degrees: Iterable[float], dim: int) -> np.ndarray:
    """(N, dim) unit vectors on one circle: the cosine of two is that of the angle between. Rich in chains."""
    angles = np.radians(list(degrees))
    vectors = np.zeros((len(angles), dim), np.float32)
    vectors[:, 0], vectors[:, 1] = np.cos(angles), np.sin(angles)
    return vectors
