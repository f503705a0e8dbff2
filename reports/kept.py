"""What readers of a clean-up report marked to be kept all the same: a text file with one `file://` URL a line."""

import os
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote_to_bytes

from cleaning.plan import Copy, Plan, PlannedGroup

PREFIX = "file:///"
REASON = "kept by the reader"


class KeptError(Exception):
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


def hold(plan: Plan, paths: Collection[str]) -> Plan:
    """The plan, with the copies at these paths held. Raises KeptError where it has no copy at one of them."""
    known = {copy.path for group in plan.groups for copy in group.copies}
    if unknown := sorted(set(paths) - known):
        raise KeptError(f"the plan has no copy {unknown[0]!r}; the list is of another report")
    return plan.model_copy(update={"groups": tuple(_held_in(group, paths) for group in plan.groups)})


def _held_in(group: PlannedGroup, paths: Collection[str]) -> PlannedGroup:
    if not any(copy.path in paths for copy in group.copies):
        return group
    return group.model_copy(update={"copies": tuple(_held(copy, paths) for copy in group.copies)})


def _held(copy: Copy, paths: Collection[str]) -> Copy:
    return copy.model_copy(update={"held": REASON}) if copy.path in paths and not copy.held else copy
