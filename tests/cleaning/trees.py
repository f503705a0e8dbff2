"""Folders full of copies, plans of them, and what such a folder is: every name, byte, time and permission."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cleaning.acting import apply_plan, header
from cleaning.journal import Journal
from cleaning.plan import About, Companion, Copy, Plan, PlannedGroup, PlannedPicture, write_plan
from cleaning.records import Action
from cleaning.undoing import Outcome, undo

OLD_NS = 1_500_000_000_123_456_789
Snapshot = dict[str, tuple[Any, ...]]


def write(path: Path, content: bytes, age: int = 0) -> Path:
    """With a time of its own, to the nanosecond."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(OLD_NS, OLD_NS + age))
    return path


def settle(top: Path, age: int = 7) -> Path:
    """Gives the folders times of their own, too, once they are filled."""
    for number, (folder, _, _) in enumerate(os.walk(top)):
        os.utime(folder, ns=(OLD_NS, OLD_NS + age + number))
    return top


def snapshot(top: Path) -> Snapshot:
    """By relative path: kind, permissions, owner, mtime (ns), and of files size, SHA-256, links, attributes."""
    return {os.path.relpath(path, top): _described(path) for path in _below(top)}


def _below(top: Path) -> Iterator[str]:
    yield str(top)
    for folder, folders, files in os.walk(top):
        yield from (f"{folder}/{name}" for name in folders + files)


def _described(path: str) -> tuple[Any, ...]:
    found = os.lstat(path)
    common = (stat.S_IFMT(found.st_mode), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime_ns)
    if not stat.S_ISREG(found.st_mode):
        return common
    content = Path(path).read_bytes()
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return (
        *common,
        len(content),
        hashlib.sha256(content).hexdigest(),
        found.st_nlink,
        tuple(sorted(attributes.items())),
    )


def planned(path: Path | str) -> dict[str, Any]:
    content, found = Path(path).read_bytes(), Path(path).stat()
    digest = hashlib.sha256(content).hexdigest()
    return {"path": str(path), "size": len(content), "mtime_ns": found.st_mtime_ns, "sha256": digest}


def picture(path: Path) -> PlannedPicture:
    return PlannedPicture(**planned(path), width=2, height=1, format="JPEG")


def copy(path: Path, companions: Iterable[Path] = (), relation: str = "exact", held: str = "") -> Copy:
    along = tuple(Companion(**planned(each), kind="sidecar") for each in companions)
    return Copy(
        **planned(path), width=2, height=1, format="JPEG", companions=along, relation=relation, score=1.0, held=held
    )  # type: ignore[arg-type]


def group(keeper: Path, *copies: Path | Copy) -> PlannedGroup:
    told = tuple(each if isinstance(each, Copy) else copy(each) for each in copies)
    return PlannedGroup(keeper=picture(keeper), kept_for="oldest", copies=told)


def about(folders: Sequence[Path], protected: Sequence[Path] = ()) -> About:
    return About(
        made_at=datetime(2026, 5, 1, 12, 30, 15, tzinfo=UTC),
        folders=tuple(map(str, folders)),
        protected=tuple(map(str, protected)),
        keep="oldest",
        threshold=0.5,
        fingerprint="x",
        pictures=0,
        bytes=0,
    )


def plan_of(folders: Sequence[Path] | Path, *groups: PlannedGroup, protected: Sequence[Path] = ()) -> Plan:
    tops = [folders] if isinstance(folders, Path) else folders
    return Plan(about=about(tops, protected), groups=groups)


def store(path: Path, plan: Plan) -> Path:
    write_plan(path, plan.about, plan.groups)
    return path


def acted(plan: Plan, journal: Path, action: Action = "quarantine", quarantine: Path | None = None) -> list[Outcome]:
    """What comes of each copy."""
    with Journal.open(journal, header(plan)) as opened:
        return list(apply_plan(plan, opened, action, str(quarantine) if quarantine else None))


def undone(journal: Path) -> list[Outcome]:
    with Journal.open(journal) as opened:
        return list(undo(opened))
