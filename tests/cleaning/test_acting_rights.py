"""Files and folders that we may not change stay as they are, and that is told."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cleaning.test_acting_command import run
from tests.cleaning.trees import copy, group, plan_of, settle, snapshot, store, write

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    write(top / "kept.jpg", b"picture")
    write(top / "a" / "copy.jpg", b"picture", 1)
    write(top / "b" / "copy.jpg", b"picture", 3)
    return settle(top)


@pytest.fixture
def plan(top: Path) -> Path:
    return store(
        top.parent / "plan.json", plan_of(top, group(top / "kept.jpg", top / "a" / "copy.jpg", top / "b" / "copy.jpg"))
    )


def test_an_immutable_copy_stays_with_its_sidecar(top: Path, tmp_path: Path) -> None:
    sidecar = write(top / "a" / "copy.xmp", b"sidecar")
    plan = store(
        tmp_path / "plan.json",
        plan_of(top, group(top / "kept.jpg", copy(top / "a" / "copy.jpg", [sidecar]), top / "b" / "copy.jpg")),
    )
    before = snapshot(settle(top))
    if subprocess.run(["chattr", "+i", sidecar], check=False, capture_output=True).returncode:
        pytest.skip("files cannot be made immutable here")
    try:
        done = run("--apply", plan)
    finally:
        subprocess.run(["chattr", "-i", sidecar], check=True)
    assert (done.returncode, "Operation not permitted" in done.stderr) == (1, True)
    assert {**snapshot(top), **{name: before[name] for name in (".", "b")}}.items() >= {
        name: before[name] for name in (".", "a", "a/copy.jpg", "a/copy.xmp", "b")
    }.items()
    assert run("--undo", plan).returncode == 0
    assert snapshot(top) == before


@pytest.fixture
def anybodys(top: Path, plan: Path) -> Iterator[Path]:
    """The tree is another user's, and the way there is open."""
    opened = [each for each in plan.parents if each.stat().st_uid == 0 and not each.stat().st_mode & 0o001]
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv")
    modes = {each: each.stat().st_mode & 0o7777 for each in opened}
    for each in opened:
        each.chmod(0o711)
    for path in [top, *top.rglob("*"), plan]:
        os.chown(path, 65534, 65534)
    settle(top)
    yield top
    for each, mode in modes.items():
        each.chmod(mode)


def test_a_folder_that_may_not_be_written_to_keeps_its_files(anybodys: Path, plan: Path) -> None:
    os.chown(anybodys / "a", 0, 0)
    os.chown(anybodys / "b", 0, 0)
    (anybodys / "b").chmod(0o700)
    before = snapshot(anybodys)
    done = run("--apply", plan, before=NOBODY)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("Permission denied") == 2
    assert snapshot(anybodys) == before


def test_where_no_quarantine_can_be_made_it_is_told(anybodys: Path, plan: Path) -> None:
    os.chown(anybodys, 0, 0)
    done = run("--apply", plan, before=NOBODY)
    assert (done.returncode, "Permission denied" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_another_user_applies_and_takes_back(anybodys: Path, plan: Path) -> None:
    before = snapshot(anybodys)
    assert run("--apply", plan, before=NOBODY).returncode == 0
    assert run("--undo", plan, before=NOBODY).returncode == 0
    assert snapshot(anybodys) == before


def test_reflinks_are_refused_where_the_file_system_cannot(top: Path, plan: Path) -> None:
    if subprocess.run(["stat", "-f", "-c", "%T", top], capture_output=True, text=True, check=True).stdout.strip() in (
        "btrfs", "xfs",
    ):  # fmt: skip
        pytest.skip("it can")
    before = snapshot(top)
    done = run("--apply", plan, "--action", "reflink")
    assert (done.returncode, "cannot share blocks (reflink)" in done.stderr) == (1, True)
    assert snapshot(top) == before
