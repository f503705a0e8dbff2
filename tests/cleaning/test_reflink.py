"""Sharing blocks, on a file system that can: run where mkfs.btrfs is installed and mounting is permitted."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cleaning.trees import acted, group, plan_of, settle, snapshot, undone, write

SIZE = 3 << 20


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Path]:
    """A folder on btrfs."""
    if not shutil.which("mkfs.btrfs"):
        pytest.skip("mkfs.btrfs is not installed")
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(200 << 20)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", image, folder], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield folder / "top"
    finally:
        subprocess.run(["umount", folder], check=True)


def _used(folder: Path) -> int:
    os.sync()
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def test_copies_share_blocks_and_nothing_else_changes(top: Path, tmp_path: Path) -> None:
    content = os.urandom(SIZE - 123)
    kept = write(top / "kept.jpg", content)
    copies = [write(top / f"{number}.jpg", content, number) for number in range(8)]
    empty = write(top / "empty.jpg", b"")
    plan = plan_of(top, group(kept, *copies), group(empty, write(top / "e.jpg", b"")))
    before, used = snapshot(settle(top)), _used(top)
    assert {each.status for each in acted(plan, tmp_path / "journal", "reflink")} == {"done"}
    assert snapshot(top) == before
    assert _used(top) < used - 6 * SIZE
    assert {each.status for each in acted(plan, tmp_path / "journal", "reflink")} == {"before"}
    assert {each.status for each in undone(tmp_path / "journal")} == {"done"}
    assert snapshot(top) == before


def test_quarantine_and_hard_links_work_there_too(top: Path, tmp_path: Path) -> None:
    kept, other = write(top / "kept.jpg", b"picture"), write(top / "other.jpg", b"picture", 1)
    before = snapshot(settle(top))
    for action in ("quarantine", "hardlink"):
        [outcome] = acted(plan_of(top, group(kept, other)), tmp_path / "journal", action)  # type: ignore[arg-type]
        assert outcome.status == "done"
        undone(tmp_path / "journal")
        assert snapshot(top) == before
