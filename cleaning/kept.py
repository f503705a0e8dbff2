"""What readers of a clean-up report marked to be kept all the same: a text file with one `file://` URL a line."""

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote_to_bytes

from cleaning.plan import Plan, PlanError

PREFIX = "file:///"


class KeptError(PlanError):
    """A file is no list of files to keep, or not one of this plan."""


def read_kept(file: Path) -> frozenset[str]:
    """Paths, as `os.fsdecode` gives them. Empty lines and lines with # are comments. Raises KeptError, OSError."""
    paths = set()
    for number, line in enumerate(file.read_bytes().split(b"\n"), 1):
        url = line.strip()
        if not url or url.startswith(b"#"):
            continue
        if not url.startswith(PREFIX.encode()):
            raise KeptError(f"{file}, line {number}: {url[:80]!r} does not begin with {PREFIX}")
        paths.add(os.fsdecode(unquote_to_bytes(url[len(PREFIX) - 1 :])))
    return frozenset(paths)


def kept_of(plan: Plan, files: Iterable[Path]) -> frozenset[str]:
    """The copies that these lists name. Raises KeptError where the plan has no such copy, OSError."""
    paths = frozenset[str]().union(*map(read_kept, files))
    known = {copy.path for group in plan.groups for copy in group.copies}
    if unknown := sorted(paths - known):
        raise KeptError(f"the plan has no copy {unknown[0]!r}; the list is of another report")
    return paths
