"""Thumbnails of many pictures, each content once, on all cores, and again from the report before."""

import os
import shutil
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from reports.thumbnails import NoPicture, Source, first_of
from retrieval.settings import InputSettings

FOLDER = "thumbs"
AHEAD = 64  # thumbnails under way or waiting, so that an interrupt ends it soon
Sources = Mapping[str, tuple[Source, ...]]


def place(key: str) -> str:
    """Where a content's thumbnail lies in a report, `key` being its SHA-256: no folder gets more than some hundreds."""
    return f"{FOLDER}/{key[:2]}/{key[2:]}.jpg"


def make_thumbnails(sources: Sources, new: Path, old: Path, limits: InputSettings, quiet: bool) -> dict[str, str]:
    """Writes the thumbnail of every content, by SHA-256, below the folder `new`, taking over what is below `old`.

    What cannot be read or decoded gets none: returned are the keys of those, with the reason. Raises OSError where
    nothing can be written.
    """
    for first in {key[:2] for key in sources}:
        (new / FOLDER / first).mkdir(parents=True, exist_ok=True)
    missing = {key: each for key, each in sources.items() if not _taken_over(old / place(key), new / place(key))}
    failed: dict[str, str] = {}
    with tqdm(total=len(missing), desc="thumbnails", unit="picture", dynamic_ncols=True, disable=quiet) as bar:
        for key, reason in _made(missing, new, limits):
            if reason:
                failed[key] = reason
            bar.update()
    return failed


def _taken_over(old: Path, new: Path) -> bool:
    try:
        if not old.stat().st_size:
            return False
        os.link(old, new)
    except FileNotFoundError:
        return False
    except OSError:  # no links on this file system
        shutil.copyfile(old, new)
    return True


def _made(sources: Sources, new: Path, limits: InputSettings) -> Iterator[tuple[str, str]]:
    under_way: deque[Future[tuple[str, str]]] = deque()
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="thumbnail") as pool:
        try:
            for key, each in sources.items():
                under_way.append(pool.submit(_make, key, each, new, limits))
                if len(under_way) >= AHEAD:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for each_future in under_way:
                each_future.cancel()


def _make(key: str, sources: tuple[Source, ...], new: Path, limits: InputSettings) -> tuple[str, str]:
    """The key, and why there is no thumbnail, or nothing."""
    try:
        jpeg = first_of(sources, limits)
    except NoPicture as error:
        return key, str(error)
    (new / place(key)).write_bytes(jpeg)
    return key, ""
