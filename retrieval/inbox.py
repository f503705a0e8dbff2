"""Folders through which pictures come in without waiting: inbox/NAME -> library/NAME, or failed/NAME with the reason.

Anyone may drop files into inbox/NAME, in sub-folders too; the id is then the path below it. `POST /add` with `wait`
false puts a picture there, and beside it a file that holds the rest of the request.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index_store import ImageStore
from index_store.files import sync, write_atomically
from retrieval.bulk import FileOutcome, ImageFile
from retrieval.errors import IdTaken
from retrieval.payload import ImageSource
from retrieval.picture import decode
from retrieval.schemas import AddFields
from retrieval.settings import Settings

REQUEST_SUFFIX = ".request.json"


@dataclass(frozen=True)
class Waiting:
    """A picture in an inbox, and whether it is to be refused if its collection holds a duplicate."""

    file: ImageFile
    reject: bool


class Inbox:
    """The inbox, library and failed folders of all collections, below the data folder."""

    def __init__(self, settings: Settings) -> None:
        self._limits = settings.input
        self._settle_s = settings.maintenance.inbox_settle_s
        self._inbox, self._library, self._failed = (settings.data_dir / n for n in ("inbox", "library", "failed"))

    def put(self, image: ImageSource, fields: AddFields, store: ImageStore) -> str:
        """Keep a picture durably for the next ingest; gives its id. What is bad about it is raised now, as by add."""
        data = image.read()
        picture = decode(data, self._limits)
        image_id = fields.id or uuid.uuid4().hex
        store.find_collection(fields.collection)
        if fields.id and store.known_ids(fields.collection, [fields.id]):
            raise IdTaken(f"collection {fields.collection!r} has a picture {fields.id!r} already; delete it first")
        folder = self._inbox / fields.collection
        folder.mkdir(parents=True, exist_ok=True)
        request = fields.model_dump(include={"metadata", "on_duplicate"}) | {"id": image_id, "source": image.origin}
        path = folder / f"{uuid.uuid4().hex}.{picture.format.lower()}"
        # The picture comes last: where it stands, its request is complete.
        write_atomically(_request_of(path), json.dumps(request).encode())
        write_atomically(path, data)
        return image_id

    def collections(self) -> list[str]:
        """Names of the collections that have an inbox folder."""
        return sorted(path.name for path in self._inbox.iterdir() if path.is_dir()) if self._inbox.is_dir() else []

    def waiting(self, collection: str) -> Iterator[Waiting]:
        """Pictures that lie in an inbox and no longer change, without holding all their names in memory."""
        root = self._inbox / collection
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if not name.startswith(".") and not name.endswith(REQUEST_SUFFIX) and self._is_settled(path):
                    yield _waiting(path, root)

    def oldest(self, collection: str) -> float | None:
        """Seconds that the picture has waited which has waited longest in an inbox; None where it is empty."""
        times = [each.file.path.lstat().st_mtime for each in self.waiting(collection)]
        return time.time() - min(times) if times else None

    def settle(self, collection: str, outcome: FileOutcome) -> None:
        """Move a picture where its outcome belongs; what an interrupted ingest had registered counts as added."""
        path = outcome.file.path
        if outcome.status in ("added", "known"):
            self._move(path, self._library, collection)
        else:
            moved = self._move(path, self._failed, collection)
            write_atomically(moved.with_name(moved.name + ".txt"), f"{outcome.detail}\n".encode())

    def _move(self, path: Path, to: Path, collection: str) -> Path:
        target = _free(to / collection / path.relative_to(self._inbox / collection))
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        sync(target.parent)
        _request_of(path).unlink(missing_ok=True)
        return target

    def _is_settled(self, path: Path) -> bool:
        if path.is_symlink() or not path.is_file():
            return False
        return _request_of(path).exists() or time.time() - path.stat().st_mtime >= self._settle_s


def _request_of(path: Path) -> Path:
    return path.with_name(path.name + REQUEST_SUFFIX)


def _waiting(path: Path, root: Path) -> Waiting:
    try:
        request: dict[str, Any] = json.loads(_request_of(path).read_bytes())
        file = ImageFile(request["id"], path, request["source"], request["metadata"])
        return Waiting(file, request["on_duplicate"] == "reject")
    except (OSError, ValueError, KeyError, TypeError):
        name = path.relative_to(root).as_posix()
        return Waiting(ImageFile(name, path, source=name), reject=False)


def _free(path: Path) -> Path:
    """`path`, or with a number before its ending where that is taken."""
    number = 0
    free = path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}.{number}{path.suffix}")
    return free
