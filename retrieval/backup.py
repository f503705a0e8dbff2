"""Backups: a folder that holds all that is remembered, with checksums; made while the service runs.

The inbox is copied before the catalog, the library after it: what an ingest moves meanwhile is then in one or both, and
the next ingest recognises what it registered already.
"""

import json
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from index_store.backup import CatalogFacts, checked, copy_catalog
from index_store.catalog_file import CatalogFile, file_of
from index_store.errors import StorageFull
from index_store.files import sha256_of, sync, write_atomically
from index_store.reserve import told_if_full
from retrieval.copied_files import CopiedFile, Earlier, all_files, copy_tree, read_list, write_list
from retrieval.errors import BackupRefused
from retrieval.settings import Settings

LAYOUT = 1
CATALOG, FILES, MANIFEST = "catalog.db", "files.jsonl", "manifest.json"
FIRST, LAST = ("inbox",), ("library", "failed")  # before and after the catalog
Report = Callable[[str, int, int], None]  # of what, how much is done, and of how much; 0 where nobody knows


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. `files` and `bytes` are of the folders besides the catalog."""

    created_at: str
    catalog_sha256: str
    files_sha256: str
    folders: tuple[str, ...]
    files: int
    bytes: int
    catalog: dict[str, Any]
    layout: int = LAYOUT

    @classmethod
    def read(cls, backup: Path) -> Self:
        """Raises BackupRefused."""
        try:
            manifest = cls(**json.loads((backup / MANIFEST).read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise BackupRefused(f"{backup} is no complete backup: {MANIFEST}: {error}") from None
        if manifest.layout != LAYOUT:
            raise BackupRefused(f"{backup} has layout {manifest.layout}, this program reads {LAYOUT}")
        if tuple(manifest.folders) not in (FIRST, FIRST + LAST):
            raise BackupRefused(f"{backup} is damaged: {MANIFEST} names folders that no backup has")
        return manifest


@dataclass(frozen=True)
class Copying:
    """The folders of a data folder on their way into a backup."""

    data_dir: Path
    earlier: Earlier
    report: Report

    def copy(self, names: tuple[str, ...], to: Path) -> list[CopiedFile]:
        """Copy those that are there."""
        copied: list[CopiedFile] = []
        for name in names:
            for each in copy_tree(self.data_dir, name, to, self.earlier):
                copied.append(each)
                self.report(name, len(copied), 0)
        return copied


def create(settings: Settings, backup: Path, library: bool, since: Path | None, report: Report) -> Manifest:
    """Back up the catalog and the inbox, and with `library` also the folders of what was ingested.

    since: an earlier backup; files that are in it unchanged become hard links to it.
    It is there whole once this ends, or not at all. Raises BackupRefused, CatalogUnavailable, StorageFull.
    """
    source = _catalog_of(settings)
    if backup.exists():
        raise BackupRefused(f"{backup} is there already; a backup is never written over another")
    _check_apart(backup, settings.data_dir)
    backup.parent.mkdir(parents=True, exist_ok=True)
    tree = Copying(settings.data_dir, Earlier.of(since, FILES), report)
    folders = FIRST + (LAST if library else ())
    with closing(CatalogFile(source)), _aside(backup) as aside, told_if_full(backup):
        begun = datetime.now(UTC).isoformat(timespec="seconds")
        copied = tree.copy(FIRST, aside)
        facts = copy_catalog(source, aside / CATALOG, lambda done, of: report(CATALOG, done, of))
        copied += tree.copy(folders[len(FIRST) :], aside)
        manifest = _manifest(aside, begun, folders, copied, facts)
        write_atomically(aside / MANIFEST, json.dumps(asdict(manifest), indent=2).encode())
        os.sync()
        aside.rename(backup)
    sync(backup.parent)
    return manifest


def verify(backup: Path, report: Report) -> Manifest:
    """Read all of a backup. Raises BackupRefused where something is missing or damaged, CatalogUnavailable."""
    manifest = Manifest.read(backup)
    _same(backup / CATALOG, manifest.catalog_sha256)
    _same(backup / FILES, manifest.files_sha256)
    unknown = {path for folder in manifest.folders for path in all_files(backup, folder)}
    for number, each in enumerate(read_list(backup / FILES)):
        _same(backup / each.path, each.sha256)
        unknown.discard(each.path)
        report("files", number + 1, manifest.files)
    if unknown:
        raise BackupRefused(f"{backup / min(unknown)} is not of that backup; take it away")
    if asdict(checked(backup / CATALOG)) != manifest.catalog:
        raise BackupRefused(f"{backup}: the catalog does not hold what the manifest says")
    return manifest


def restore(settings: Settings, backup: Path, report: Report) -> list[Path]:
    """Put a backup in place of what a data folder holds, once all of it was verified.

    What was there is kept, in folders that this gives: of the data folder, and of the catalog if that is elsewhere.
    Interrupted, it can be repeated. Raises BackupRefused, CatalogUnavailable where a service or a script uses the
    folder, StorageFull.
    """
    target = _catalog_of(settings)
    _check_apart(backup, settings.data_dir)
    if (settings.data_dir / MANIFEST).exists():
        raise BackupRefused(f"{settings.data_dir} is a backup itself; restore into a data folder")
    manifest = verify(backup, report)
    data_dir, beside = settings.data_dir, target.parent
    for folder in (data_dir, beside):
        folder.mkdir(parents=True, exist_ok=True)
    _check_room((data_dir, manifest.bytes), (beside, (backup / CATALOG).stat().st_size))
    replaced = f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}"
    with (
        closing(CatalogFile(target, alone=True)),
        _aside(data_dir / "restored") as aside,
        _aside(beside / f"restored-{CATALOG}") as aside_catalog,  # for it can be renamed within a file system only
    ):
        with told_if_full(data_dir):
            for name in manifest.folders:
                _copy(backup / name, aside / name)
        with told_if_full(beside):
            _copy(backup / CATALOG, aside_catalog / CATALOG)
        os.sync()
        for name in manifest.folders:
            _put_aside(data_dir / name, data_dir / replaced)
            if (aside / name).exists():
                (aside / name).rename(data_dir / name)
        _swap_catalog(aside_catalog / CATALOG, target, beside / replaced)
        for folder in (data_dir, beside):
            sync(folder)
    return [folder for folder in sorted({data_dir / replaced, beside / replaced}) if folder.exists()]


def _check_apart(backup: Path, data_dir: Path) -> None:
    one, other = backup.resolve(), data_dir.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise BackupRefused(f"a backup and a data folder may not lie in each other: {backup}, {data_dir}")


def _check_room(*needed: tuple[Path, int]) -> None:
    """needed: folders and bytes; some may share a file system."""
    of_system: Counter[int] = Counter()
    for folder, size in needed:
        of_system[folder.stat().st_dev] += size
    for folder, _ in needed:
        free, wanted = shutil.disk_usage(folder).free, of_system[folder.stat().st_dev]
        if free < wanted:
            raise StorageFull(f"{folder}: what the backup holds takes {wanted:,} bytes, and {free:,} are free")


def _catalog_of(settings: Settings) -> Path:
    path = file_of(settings.catalog_url)
    if path is None:
        raise BackupRefused(
            "the catalog is not an SQLite file: back it up and put it back with the tools of its database (pg_dump, "
            "pg_restore), and copy the folders inbox and library of data_dir"
        )
    return path


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, gone at the end unless it was renamed."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    aside.mkdir()
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _manifest(
    aside: Path, begun: str, folders: tuple[str, ...], copied: list[CopiedFile], facts: CatalogFacts
) -> Manifest:
    write_list(aside / FILES, copied)
    return Manifest(
        created_at=begun,
        catalog_sha256=sha256_of(aside / CATALOG),
        files_sha256=sha256_of(aside / FILES),
        folders=folders,
        files=len(copied),
        bytes=sum(each.size for each in copied),
        catalog=asdict(facts),
    )


def _same(path: Path, sha256: str) -> None:
    try:
        actual = sha256_of(path)
    except OSError as error:
        raise BackupRefused(f"the backup is damaged: {path}: {error.strerror}") from None
    if actual != sha256:
        raise BackupRefused(f"the backup is damaged: {path} is not what was written")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copy2(source, target)


def _put_aside(path: Path, replaced: Path) -> None:
    if path.exists():
        replaced.mkdir(exist_ok=True)
        path.rename(replaced / path.name)


def _swap_catalog(fresh: Path, target: Path, replaced: Path) -> None:
    """The last step. The old log goes first: SQLite would read it into the new file."""
    if target.exists():
        replaced.mkdir(exist_ok=True)
        os.link(target, replaced / target.name)
    for suffix in ("-wal", "-shm"):
        _put_aside(target.with_name(target.name + suffix), replaced)
    fresh.replace(target)
