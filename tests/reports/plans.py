"""Plans over real files, for tests of reports."""

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cleaning.plan import About, Companion, Copy, Plan, PlannedGroup, PlannedPicture
from retrieval.settings import InputSettings, load_settings
from tests.corpus import encoded, photo

LIMITS: InputSettings = load_settings(environ={}).input
MADE_AT = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


def put(path: Path | bytes, data: bytes) -> dict[str, Any]:
    """Writes a file; gives what a plan says of it."""
    place = Path(os.fsdecode(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    facts = place.stat()
    digest = hashlib.sha256(data).hexdigest()
    return {"path": str(place), "size": facts.st_size, "mtime_ns": facts.st_mtime_ns, "sha256": digest}


def jpeg(seed: int, size: tuple[int, int] = (96, 72)) -> bytes:
    return encoded(photo(seed, size), "JPEG")


def picture(path: Path | bytes, data: bytes, **facts: Any) -> PlannedPicture:
    return PlannedPicture(**{"width": 96, "height": 72, "format": "JPEG"} | put(path, data) | facts)


def copy(path: Path | bytes, data: bytes, relation: str = "near", score: float = 0.8, **facts: Any) -> Copy:
    about = {"width": 96, "height": 72, "format": "JPEG", "relation": relation, "score": score}
    return Copy(**about | put(path, data) | facts)


def sidecar(path: Path) -> Companion:
    return Companion(kind="sidecar", **put(path, b"<x/>"))


def plan(groups: Sequence[PlannedGroup], **about: Any) -> Plan:
    known = {"folders": ("/pictures",), "keep": "oldest", "threshold": 0.5, "fingerprint": "sscd", "made_at": MADE_AT}
    return Plan(about=About(**known | {"pictures": 100, "bytes": 1_000_000} | about), groups=tuple(groups))


def simple(folder: Path, count: int = 3) -> Plan:
    """Groups of a keeper and a near copy each; the first has the least score and saves the most."""
    groups = []
    for number in range(count):
        keeper = picture(folder / f"a/{number}.jpg", jpeg(number))
        data = jpeg(number) + bytes(1000 * (count - number))
        near = copy(folder / f"b/{number}.jpg", data, score=round(0.5 + 0.4 * number / count, 4))
        groups.append(PlannedGroup(keeper=keeper, kept_for="oldest", copies=(near,)))
    return plan(groups)
