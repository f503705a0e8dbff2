"""Folders through which pictures come in without waiting: inbox/NAME -> library/NAME, or failed/NAME with the reason.

Anyone may drop files into inbox/NAME, in sub-folders too; the id is then the path below it. `POST /add` with `wait`
false puts a picture there, and beside it a file that holds the rest of the request.
"""

import json
import logging
import os
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index_store import ImageStore
from index_store.files import sync, write_atomically
from index_store.reserve import told_if_full
from retrieval.bulk import FileOutcome, ImageFile
from retrieval.errors import IdTaken
from retrieval.fields import COLLECTION_PATTERN
from retrieval.payload import ImageSource
from retrieval.picture import undecoded
from retrieval.room import Room
from retrieval.schemas import BatchFields, ItemFields
from retrieval.settings import Settings

log = logging.getLogger(__name__)
REQUEST_SUFFIX = ".request.json"
OURS = re.compile(r"[0-9a-f]{32}\.[a-z]+")  # what `put` names a picture
OURS_ASIDE = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")  # what write_atomically writes to
LEFTOVER_S = 3600.0  # longer than any write takes
MOST_NAME_BYTES = 200  # file systems take 255, of which writing aside needs some


@dataclass(frozen=True)
class Waiting:
    """A picture in an inbox, and whether it is to be refused if its collection holds a duplicate."""

    file: ImageFile
    reject: bool


class Inbox:
    """The inbox, library and failed folders of all collections, below the data folder."""

    def __init__(self, settings: Settings, room: Room | None = None) -> None:
        """`room` is for decoded pictures, of its own unless given."""
        self._limits = settings.input
        self._room = room or Room(settings.input.max_pixels_at_once)
        self._reserve = settings.reserve
        self._settle_s = settings.maintenance.inbox_settle_s
        self._inbox, self._library, self._failed = (settings.data_dir / n for n in ("inbox", "library", "failed"))

    def put(
        self, image: ImageSource, fields: BatchFields, item: ItemFields, store: ImageStore, again: bool = False
    ) -> str:
        """Keep a picture durably for the next ingest; gives its id. What is bad about it is raised now, as by add.

        again: it may have been put before, and be ingested by now. Raises StorageFull.
        """
        data = image.read()
        sha256, kind = self._checked(data)
        image_id = item.id or uuid.uuid4().hex
        store.find_collection(fields.collection)
        known = store.known_ids(fields.collection, [image_id])
        if again and known.get(image_id) == sha256:
            return image_id
        if known:
            raise IdTaken(f"collection {fields.collection!r} has a picture {image_id!r} already; delete it first")
        folder = self._inbox / fields.collection
        with told_if_full(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._reserve.check(folder, len(data))
        about: dict[str, Any] = {"on_duplicate": fields.on_duplicate, "metadata": item.metadata}
        request = about | {"id": image_id, "source": image.origin}
        path = folder / f"{uuid.uuid4().hex}.{kind.lower()}"
        # The picture comes last: where it stands, its request is complete.
        try:
            write_atomically(_request_of(path), json.dumps(request).encode())
            write_atomically(path, data)
        except BaseException:
            _request_of(path).unlink(missing_ok=True)
            raise
        return image_id

    def _checked(self, data: bytes) -> tuple[str, str]:
        """SHA-256 and format of a picture that can be decoded."""
        with undecoded(data, self._limits) as file, self._room.taken(file.pixels):
            picture = file.decode()
            return picture.sha256, picture.format

    def collections(self) -> list[str]:
        """Names of the collections that have an inbox folder."""
        return sorted(path.name for path in self._entries() if _is_of_collection(path))

    def strays(self) -> list[str]:
        """What lies in the inbox folder itself but is no collection's: loose files, and folders of impossible names."""
        return sorted(ascii(path.name)[1:-1] for path in self._entries() if not _is_of_collection(path))

    def _entries(self) -> list[Path]:
        return list(self._inbox.iterdir()) if self._inbox.is_dir() else []

    def waiting(self, collection: str) -> Iterator[Waiting]:
        """Pictures that lie in an inbox and no longer change, without holding all their names in memory."""
        root = self._inbox / collection
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if not name.startswith(".") and not name.endswith(REQUEST_SUFFIX) and self._is_settled(path):
                    yield _waiting(path, root)

    def has_waited(self, collection: str, seconds: float) -> bool:
        """Whether a picture has waited in an inbox for longer than so many seconds."""
        return any(_age_s(each.file.path) > seconds for each in self.waiting(collection))

    def sweep(self) -> None:
        """Remove what a crash between two writes has left: files written aside, requests whose picture is not there."""
        for folder in (self._inbox, self._library, self._failed):
            for path in folder.rglob("*"):
                if _is_leftover(path) and _age_s(path) > LEFTOVER_S:
                    log.info("removing %s, which an interruption has left", path)
                    path.unlink(missing_ok=True)

    def settle(self, collection: str, outcome: FileOutcome) -> None:
        """Move a picture where its outcome belongs; what an interrupted ingest had registered counts as added."""
        path = outcome.file.path
        kept = outcome.status in ("added", "known")
        try:
            moved = self._move(path, self._library if kept else self._failed, collection)
        except FileNotFoundError:
            log.warning("somebody took %s out of the inbox before it could be moved", path)
            return
        if not kept:
            write_atomically(_renamed(moved, moved.name, ".txt"), f"{outcome.detail}\n".encode())

    def _move(self, path: Path, to: Path, collection: str) -> Path:
        target = _free(to / collection / path.relative_to(self._inbox / collection))
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        sync(target.parent)
        if _has_request(path):
            _request_of(path).unlink()
        return target

    def _is_settled(self, path: Path) -> bool:
        if path.is_symlink() or not path.is_file():
            return False
        return _has_request(path) or _age_s(path) >= self._settle_s


def _request_of(path: Path) -> Path:
    return path.with_name(path.name + REQUEST_SUFFIX)


def _has_request(path: Path) -> bool:
    return os.path.exists(_request_of(path))  # noqa: PTH110  # Path.exists fails where the name gets too long by this


def _age_s(path: Path) -> float:
    """Seconds since the file was put here or last written to; copying tools keep older mtimes.

    A file from the future, seen once a clock was put back, is as old as it is far away, or it would wait until then.
    """
    try:
        return abs(time.time() - path.lstat().st_ctime)
    except FileNotFoundError:
        return 0


def _is_leftover(path: Path) -> bool:
    if OURS_ASIDE.fullmatch(path.name):
        return True
    picture = path.name.removesuffix(REQUEST_SUFFIX)
    return OURS.fullmatch(picture) is not None and picture != path.name and not path.with_name(picture).exists()


def _is_of_collection(path: Path) -> bool:
    return path.is_dir() and re.fullmatch(COLLECTION_PATTERN, path.name) is not None


def _waiting(path: Path, root: Path) -> Waiting:
    try:
        request: dict[str, Any] = json.loads(_request_of(path).read_bytes())
        file = ImageFile(request["id"], path, request["source"], request["metadata"], _arrival(path))
        return Waiting(file, request["on_duplicate"] == "reject")
    except (OSError, ValueError, KeyError, TypeError):
        name = path.relative_to(root).as_posix()
        return Waiting(ImageFile(name, path, source=name, arrival=_arrival(path)), reject=False)


def _arrival(path: Path) -> str | None:
    """What no other file has, nor this one once it was changed or moved; None if it is gone."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return f"{found.st_dev}-{found.st_ino}-{found.st_ctime_ns}"


def _free(path: Path) -> Path:
    """`path`, or with a number before its ending where that is taken."""
    number = 0
    free = path
    while free.exists():
        number += 1
        free = _renamed(path, path.stem, f".{number}{path.suffix}")
    return free


def _renamed(path: Path, stem: str, ending: str) -> Path:
    """Beside `path`, the stem cut so that the file system takes the name."""
    room = max(MOST_NAME_BYTES - len(os.fsencode(ending)), 0)
    return path.with_name(os.fsdecode(os.fsencode(stem)[:room]) + ending)
