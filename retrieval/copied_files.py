"""Folders of pictures copied into a backup, while pictures come and go in them."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

from retrieval.errors import BackupRefused
from retrieval.inbox import REQUEST_SUFFIX

BLOCK = 1 << 20


@dataclass(frozen=True)
class CopiedFile:
    """A file of a backup: where below it, its bytes and SHA-256, and when the original was last written to."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Earlier:
    """A backup made before, whose files a new one need not copy again; of none, all are copied."""

    folder: Path | None
    files: Mapping[str, CopiedFile]

    @classmethod
    def of(cls, backup: Path | None, list_name: str) -> Self:
        """Raises BackupRefused."""
        return cls(backup, {each.path: each for each in read_list(backup / list_name)} if backup else {})

    def link(self, relative: str, now: os.stat_result, target: Path) -> CopiedFile | None:
        """The file as that backup has it, linked to `target`; None if it is another by now."""
        known = self.files.get(relative)
        if self.folder is None or known is None or (known.size, known.mtime_ns) != (now.st_size, now.st_mtime_ns):
            return None
        os.link(self.folder / relative, target)
        return known


def copy_tree(root: Path, name: str, to: Path, earlier: Earlier) -> Iterator[CopiedFile]:
    """Copy `root`/`name` to `to`/`name`; says of each file that was still there when its turn came."""
    for path in _files(root / name):
        relative = os.fspath(path.relative_to(root))
        (to / relative).parent.mkdir(parents=True, exist_ok=True)
        # Its request comes before a picture and leaves after it, so a copy of the picture has one too.
        request = relative + REQUEST_SUFFIX
        told = _copied(root, request, to, earlier) if os.path.exists(root / request) else None  # noqa: PTH110
        copied = _copied(root, relative, to, earlier)
        if copied:
            yield from filter(None, (told, copied))
        else:  # taken by an ingest meanwhile, so the catalog, copied later, has it
            (to / request).unlink(missing_ok=True)


def write_list(path: Path, files: Iterable[CopiedFile]) -> None:
    """One line of JSON a file."""
    with path.open("w", encoding="ascii") as lines:
        lines.writelines(f"{json.dumps(astuple(each))}\n" for each in files)


def read_list(path: Path) -> Iterator[CopiedFile]:
    """What `write_list` wrote. Raises BackupRefused."""
    try:
        with path.open(encoding="ascii") as lines:
            for line in lines:
                yield CopiedFile(*json.loads(line))
    except (OSError, ValueError, TypeError) as error:
        raise BackupRefused(f"{path} is no list of a backup's files: {error}") from None


def all_files(root: Path, name: str) -> Iterator[str]:
    """Whatever lies in `root`/`name`, as its path below `root`."""
    for here, _, names in os.walk(root / name):
        yield from (os.fspath(Path(here, each).relative_to(root)) for each in names)


def _files(folder: Path) -> Iterator[Path]:
    """Whole files; not what is being written aside, and no links, which may lead anywhere."""
    for here, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(here, name)
            if not name.startswith(".") and not name.endswith(REQUEST_SUFFIX) and not path.is_symlink():
                yield path


def _copied(root: Path, relative: str, to: Path, earlier: Earlier) -> CopiedFile | None:
    """None where the file is there no longer."""
    source, target = root / relative, to / relative
    try:
        now = source.stat()
        if linked := earlier.link(relative, now, target):
            return linked
        sha256, size = _copy(source, target)
        shutil.copystat(source, target)
    except FileNotFoundError:
        target.unlink(missing_ok=True)
        return None
    return CopiedFile(relative, size, now.st_mtime_ns, sha256)


def _copy(source: Path, target: Path) -> tuple[str, int]:
    """SHA-256 and bytes of what was written."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as given, target.open("wb") as taken:
        while block := given.read(BLOCK):
            taken.write(block)
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size
