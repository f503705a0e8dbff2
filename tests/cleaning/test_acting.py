"""Copies go aside, or become links, where everything is as planned; else nothing happens to them, for a reason."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cleaning.places import QUARANTINE
from cleaning.plan import Plan, PlanError
from cleaning.records import Action
from tests.cleaning.trees import acted, copy, group, plan_of, settle, snapshot, undone, write

ACTIONS: list[Action] = ["quarantine", "hardlink", "delete"]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Three same pictures, one with a sidecar."""
    top = tmp_path / "top"
    write(top / "kept.jpg", b"picture")
    write(top / "a" / "copy.jpg", b"picture", 1).chmod(0o640)
    write(top / "a" / "copy.xmp", b"sidecar", 2)
    write(top / "b" / "copy.jpg", b"picture", 3)
    return settle(top)


@pytest.fixture
def plan(top: Path) -> Plan:
    first = copy(top / "a" / "copy.jpg", [top / "a" / "copy.xmp"])
    return plan_of(top, group(top / "kept.jpg", first, top / "b" / "copy.jpg"))


def test_copies_go_to_the_quarantine_with_what_belongs_to_them(top: Path, plan: Plan, tmp_path: Path) -> None:
    before = snapshot(top)
    outcomes = acted(plan, tmp_path / "journal")
    assert [(each.status, each.bytes, each.freed) for each in outcomes] == [("done", 14, 0), ("done", 7, 0)]
    [run] = (top / QUARANTINE).iterdir()
    aside = snapshot(run)
    for name in ("a/copy.jpg", "a/copy.xmp", "b/copy.jpg"):
        assert not (top / name).exists()
        assert aside[name] == before[name]
    assert (top / "kept.jpg").read_bytes() == b"picture"


@pytest.mark.parametrize("action", ["quarantine", "hardlink"])
def test_undone_all_is_as_it_was(top: Path, plan: Plan, tmp_path: Path, action: Action) -> None:
    os.setxattr(top / "b" / "copy.jpg", "user.note", b"mine")
    before = snapshot(top)
    acted(plan, tmp_path / "journal", action)
    assert snapshot(top) != before
    assert {each.status for each in undone(tmp_path / "journal")} == {"done"}
    assert snapshot(top) == before


def test_a_hard_link_takes_the_place_of_a_copy(top: Path, plan: Plan, tmp_path: Path) -> None:
    acted(plan, tmp_path / "journal", "hardlink")
    kept = (top / "kept.jpg").stat()
    assert (top / "a" / "copy.jpg").stat().st_ino == (top / "b" / "copy.jpg").stat().st_ino == kept.st_ino
    assert (top / "a" / "copy.xmp").exists()


def test_deleted_copies_are_gone_and_nothing_is_left_beside(top: Path, plan: Plan, tmp_path: Path) -> None:
    outcomes = acted(plan, tmp_path / "journal", "delete")
    assert [each.freed for each in outcomes] == [14, 7]
    assert sorted(snapshot(top)) == [".", "a", "b", "kept.jpg"]


def test_again_it_passes_over_what_was_done(top: Path, plan: Plan, tmp_path: Path) -> None:
    acted(plan, tmp_path / "journal")
    assert [each.status for each in acted(plan, tmp_path / "journal")] == ["before", "before"]


def _grow(path: Path) -> None:
    path.write_bytes(b"picture and more")


def _change(path: Path) -> None:
    times = path.stat()
    path.write_bytes(b"PICTURE")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _replace_by_link(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def _replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("which", ["kept.jpg", "a/copy.jpg"])
@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_grow, "has 16 bytes, in the plan 7"),
        (_change, "has other bytes than in the plan"),
        (_replace_by_link, "symbolic link"),
        (_replace_by_pipe, "is no regular file"),
        (Path.unlink, "No such file"),
    ],
)
def test_what_changed_since_is_let_be(
    top: Path, harm: Callable[[Path], None], told: str, which: str, action: Action
) -> None:
    plan = plan_of(top, group(top / "kept.jpg", top / "a" / "copy.jpg"))
    harm(top / which)
    settle(top)
    before = snapshot(top) if harm is not _replace_by_pipe else None
    [outcome] = acted(plan, top.parent / "journal", action)
    assert outcome.status == "refused"
    assert told in outcome.reason or (harm is _replace_by_link and "Too many levels" in outcome.reason)
    assert before is None or snapshot(top) == before


def test_a_copy_stays_where_its_sidecar_changed(top: Path, plan: Plan, tmp_path: Path) -> None:
    (top / "a" / "copy.xmp").write_bytes(b"edited!")
    first, second = acted(plan, tmp_path / "journal")
    assert (first.status, second.status) == ("refused", "done")
    assert (top / "a" / "copy.jpg").exists()


def test_of_a_picture_and_its_sidecar_none_goes_alone(top: Path, plan: Plan, tmp_path: Path) -> None:
    """The second of the two cannot be moved, so the first comes back."""
    [run] = _prepared(top, plan, tmp_path)
    before = snapshot(top)
    write(run / "a" / "copy.xmp", b"in the way")
    first, _ = acted(plan, tmp_path / "journal")
    assert "File exists" in first.reason
    after = snapshot(top)
    assert after["a/copy.jpg"] == before["a/copy.jpg"]
    assert after["a"] == before["a"]
    assert (run / "a" / "copy.xmp").read_bytes() == b"in the way"


def _prepared(top: Path, plan: Plan, tmp_path: Path) -> list[Path]:
    """A run of which only the second copy was taken back: its folder in the quarantine stays."""
    missing = top / "b" / "copy.jpg"
    acted(plan, tmp_path / "journal")
    content = missing.with_name("in the way")
    write(missing, b"in the way")
    undone(tmp_path / "journal")
    missing.rename(content)
    content.unlink()
    settle(top)
    return [each for each in (top / QUARANTINE).iterdir() if each.is_dir()]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_name_of_the_keeper_itself_is_no_copy(top: Path, tmp_path: Path, action: Action) -> None:
    second = top / "second.jpg"
    os.link(top / "kept.jpg", second)
    [outcome] = acted(plan_of(top, group(top / "kept.jpg", second)), tmp_path / "journal", action)
    assert "is its keeper under another name" in outcome.reason
    assert second.exists()


@pytest.mark.parametrize("which", ["kept.jpg", "a/copy.jpg"])
def test_what_another_program_writes_to_is_let_be(top: Path, tmp_path: Path, which: str) -> None:
    plan = plan_of(top, group(top / "kept.jpg", top / "a" / "copy.jpg"))
    with (top / which).open("r+b"):
        [outcome] = acted(plan, tmp_path / "journal")
    assert "is open for writing" in outcome.reason


@pytest.mark.parametrize("action", ["hardlink", "reflink"])
def test_only_the_same_bytes_are_shared(top: Path, tmp_path: Path, action: Action) -> None:
    near = write(top / "near.jpg", b"alike")
    [outcome] = acted(plan_of(top, group(top / "kept.jpg", copy(near, relation="near"))), tmp_path / "j", action)
    assert "only exact copies" in outcome.reason
    assert near.read_bytes() == b"alike"


def test_what_is_held_stays(top: Path, tmp_path: Path) -> None:
    plan = plan_of(top, group(top / "kept.jpg", copy(top / "a" / "copy.jpg", held="its date")))
    assert acted(plan, tmp_path / "journal") == []
    assert (top / "a" / "copy.jpg").exists()


def test_a_plan_that_removes_what_it_keeps_is_not_acted_on(top: Path, tmp_path: Path) -> None:
    one, other = top / "kept.jpg", top / "a" / "copy.jpg"
    with pytest.raises(PlanError):
        acted(plan_of(top, group(one, other), group(other, one)), tmp_path / "journal")
    assert one.exists() and other.exists()


def test_a_lease_is_given_back(top: Path, plan: Plan, tmp_path: Path) -> None:
    """Nobody waits for us when we are done."""
    acted(plan, tmp_path / "journal")
    with (top / "kept.jpg").open("r+b") as file:
        assert fcntl.fcntl(file.fileno(), fcntl.F_GETLEASE) == fcntl.F_UNLCK
