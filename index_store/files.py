"""Files that are whole or absent: written aside, synced, and renamed into place."""

import hashlib
import os
import uuid
from pathlib import Path

from index_store.reserve import told_if_full


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file at `path` so that a reader, or a crash, meets the old content or the new, never a part.

    Raises StorageFull.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with told_if_full(path), aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
