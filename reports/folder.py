"""The folder of a report: written aside, and put in the place of the last one when it is whole."""

import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FORMAT = "imageretrieval-report/1"
MARK = "report.json"
OURS = {MARK, "index.html", "pages", "thumbs"}
NAME = 200  # bytes of a name that leave room for what is added to it


class ReportError(Exception):
    """A report cannot be written there; the message says why."""


def is_report(folder: Path) -> bool:
    """Whether a folder is a report of ours. What looks for pictures had better leave its thumbnails alone."""
    try:
        content = json.loads((folder / MARK).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def check_folder(folder: Path) -> None:
    """Raises ReportError where `folder` is neither absent, nor empty, nor a report and nothing else; OSError."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ReportError(f"{folder} is a file; the report needs a folder")
    names = {each.name for each in folder.iterdir()}
    if names and not is_report(folder):
        raise ReportError(f"{folder} is not empty and no report of this program; name another folder")
    if foreign := sorted(names - OURS):
        raise ReportError(f"{folder} is a report, but {foreign[0]!r} in it is none of it; move that elsewhere")


@contextmanager
def rewritten(folder: Path) -> Iterator[tuple[Path, Path]]:
    """An empty folder to write a report into, and where the last one is, if there is one.

    It takes that one's place once the block is done, and is removed if the block raises. Raises ReportError, OSError.
    """
    folder = folder.resolve()
    check_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = _beside(folder)
    new.mkdir()
    try:
        yield new, folder
        (new / MARK).write_text(json.dumps({"format": FORMAT}) + "\n", encoding="ascii")
        _swap(new, folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _beside(folder: Path) -> Path:
    name = folder.name.encode("utf-8", "surrogateescape")[:NAME].decode("utf-8", "surrogateescape")
    return folder.with_name(f".{name}.{uuid.uuid4().hex}.tmp")


def _swap(new: Path, folder: Path) -> None:
    """Two renames, as there is none that replaces a folder with something in it."""
    check_folder(folder)  # somebody may have put something there meanwhile
    old = _beside(folder)
    try:
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
