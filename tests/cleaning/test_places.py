"""Where files are: odd names, long paths, links on the way, protected folders."""

import os
from pathlib import Path

import pytest

from cleaning.plan import Plan
from cleaning.records import Action
from tests.cleaning.trees import acted, copy, group, plan_of, settle, snapshot, undone, write

ODD = ["ä ☃\n.jpg", os.fsdecode(b"no\xffutf8.jpg"), "x" * 251 + ".jpg", "-rf.jpg"]
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


@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_in_a_protected_folder_is_touched(top: Path, plan: Plan, tmp_path: Path, action: Action) -> None:
    (tmp_path / "other").symlink_to(top / "a")
    for name in (top / "a", tmp_path / "other"):  # by another name it is the same folder
        shielded = plan_of(top, *plan.groups, protected=[name])
        before = snapshot(top / "a")
        first, second = acted(shielded, tmp_path / f"journal-{name.name}", action)
        assert "lies in a protected folder" in first.reason
        assert second.status == "done" or name.name == "other"
        assert snapshot(top / "a") == before


def test_a_keeper_may_lie_in_a_protected_folder(top: Path, tmp_path: Path) -> None:
    write(tmp_path / "masters" / "kept.jpg", b"picture")
    plan = plan_of(
        top, group(tmp_path / "masters" / "kept.jpg", top / "a" / "copy.jpg"), protected=[tmp_path / "masters"]
    )
    assert [each.status for each in acted(plan, tmp_path / "journal")] == ["done"]


def test_files_outside_the_plans_folders_are_let_be(top: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "copy.jpg", b"picture")
    [outcome] = acted(plan_of(top, group(top / "kept.jpg", outside)), tmp_path / "journal")
    assert "is in none of the plan's folders" in outcome.reason
    assert outside.exists()


@pytest.mark.parametrize("which", ["a", "keepers"])
def test_no_link_to_another_folder_is_followed(top: Path, tmp_path: Path, which: str) -> None:
    kept = write(top / "keepers" / "kept.jpg", b"picture")
    plan = plan_of(top, group(kept, top / "a" / "copy.jpg"))
    (top / which).rename(tmp_path / "elsewhere")
    (top / which).symlink_to(tmp_path / "elsewhere")
    [outcome] = acted(plan, tmp_path / "journal")
    assert "is a symbolic link" in outcome.reason
    assert (top / "a" / "copy.jpg").exists()


def test_the_plans_folder_itself_may_be_reached_through_a_link(top: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(top)
    plan = plan_of(link, group(link / "kept.jpg", link / "a" / "copy.jpg"))
    before = snapshot(top)
    assert [each.status for each in acted(plan, tmp_path / "journal")] == ["done"]
    undone(tmp_path / "journal")
    assert snapshot(top) == before


@pytest.mark.parametrize("action", ["quarantine", "hardlink"])
@pytest.mark.parametrize("name", ODD)
def test_any_name_will_do(tmp_path: Path, name: str, action: Action) -> None:
    top = tmp_path / "top"
    write(top / "kept.jpg", b"picture")
    write(top / name, b"picture")
    before = snapshot(settle(top))
    assert [
        each.status for each in acted(plan_of(top, group(top / "kept.jpg", top / name)), tmp_path / "j", action)
    ] == ["done"]
    assert (top / name).exists() == (action == "hardlink")
    undone(tmp_path / "j")
    assert snapshot(top) == before


def test_a_path_longer_than_the_system_takes_will_do(tmp_path: Path) -> None:
    top, deep = tmp_path / "top", "d" * 200
    write(top / "kept.jpg", b"picture")
    fd = os.open(top, os.O_RDONLY)
    for _ in range(30):
        os.mkdir(deep, dir_fd=fd)
        below = os.open(deep, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    with os.fdopen(os.open("copy.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=fd), "wb") as file:
        file.write(b"picture")
    first = copy(top / "kept.jpg").model_copy(update={"path": f"{top}/" + f"{deep}/" * 30 + "copy.jpg"})
    plan = plan_of(top, group(top / "kept.jpg", first))
    try:
        assert [each.status for each in acted(plan, tmp_path / "journal")] == ["done"]
        assert _names(fd) == []
        assert [each.status for each in undone(tmp_path / "journal")] == ["done"]
        assert _names(fd) == ["copy.jpg"]
        assert sorted(each.name for each in top.iterdir()) == sorted([deep, "kept.jpg"])
    finally:
        os.close(fd)


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as found:
        return [each.name for each in found]
