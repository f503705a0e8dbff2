"""Taking back: exactly, over nothing that is new, as often as one likes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleaning.acting import header
from cleaning.emptying import empty_quarantine
from cleaning.journal import Journal
from cleaning.places import QUARANTINE
from cleaning.plan import Plan
from cleaning.undoing import Outcome
from tests.cleaning.trees import acted, copy, group, plan_of, settle, snapshot, undone, write
from tests.disk import Mounted, mounted


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    write(top / "kept.jpg", b"picture" * 1000)
    write(top / "a" / "copy.jpg", b"picture" * 1000, 1).chmod(0o640)
    write(top / "a" / "copy.xmp", b"sidecar", 2)
    write(top / "b" / "copy.jpg", b"picture" * 1000, 3)
    return settle(top)


@pytest.fixture
def plan(top: Path) -> Plan:
    first = copy(top / "a" / "copy.jpg", [top / "a" / "copy.xmp"])
    return plan_of(top, group(top / "kept.jpg", first, top / "b" / "copy.jpg"))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Mounted]:
    """Half a megabyte of another file system."""
    with mounted(tmp_path / "elsewhere", 1) as found:
        if not found:
            pytest.skip("mounting is not permitted here")
        yield found


def emptied(journal: Path) -> list[Outcome]:
    with Journal.open(journal) as opened:
        return list(empty_quarantine(opened))


def default_journal(top: Path, plan: Plan) -> Path:
    (top / QUARANTINE).mkdir(exist_ok=True)
    settle(top)
    return top / QUARANTINE / f"{header(plan).run}.jsonl"


@pytest.mark.parametrize("action", ["quarantine", "hardlink"])
def test_nothing_of_ours_is_left(top: Path, plan: Plan, action: str) -> None:
    before = snapshot(top)
    journal = default_journal(top, plan)
    acted(plan, journal, action)  # type: ignore[arg-type]
    undone(journal)
    assert sorted(snapshot(top)) == sorted(before)


@pytest.mark.parametrize("action", ["quarantine", "hardlink"])
def test_what_is_new_in_a_files_place_stays(top: Path, plan: Plan, tmp_path: Path, action: str) -> None:
    before = snapshot(top)
    acted(plan, tmp_path / "journal", action)  # type: ignore[arg-type]
    place = top / "b" / "copy.jpg"
    place.unlink(missing_ok=True)
    write(place, b"something new")
    new = snapshot(top)["b/copy.jpg"]
    second, first = undone(tmp_path / "journal")
    assert (first.status, second.status) == ("done", "refused")
    assert "something new stands there; the file stays in" in second.reason
    assert snapshot(top)["b/copy.jpg"] == new
    place.unlink()
    assert [each.status for each in undone(tmp_path / "journal")] == ["done"]
    after = snapshot(top)
    assert {**after, "b": before["b"]} == before  # that folder was changed by somebody else


def test_a_folder_that_others_changed_keeps_its_new_time(top: Path, plan: Plan, tmp_path: Path) -> None:
    before = snapshot(top)
    acted(plan, tmp_path / "journal")
    write(top / "b" / "another.jpg", b"new")
    changed = (top / "b").stat().st_mtime_ns
    undone(tmp_path / "journal")
    assert (top / "b").stat().st_mtime_ns == changed
    assert snapshot(top)["a"] == before["a"]


def test_a_folder_that_is_gone_is_made_again(top: Path, plan: Plan, tmp_path: Path) -> None:
    acted(plan, tmp_path / "journal")
    (top / "b").rmdir()
    assert {each.status for each in undone(tmp_path / "journal")} == {"done"}
    assert (top / "b" / "copy.jpg").exists()


def test_no_file_is_put_where_a_link_leads(top: Path, plan: Plan, tmp_path: Path) -> None:
    acted(plan, tmp_path / "journal")
    (top / "b").rmdir()
    (tmp_path / "trap").mkdir()
    (top / "b").symlink_to(tmp_path / "trap")
    second, _ = undone(tmp_path / "journal")
    assert "is a symbolic link" in second.reason
    assert list((tmp_path / "trap").iterdir()) == []


def test_what_was_deleted_does_not_come_back(top: Path, plan: Plan, tmp_path: Path) -> None:
    acted(plan, tmp_path / "journal", "delete")
    for _ in range(2):
        assert all("was deleted: that cannot be taken back" in each.reason for each in undone(tmp_path / "journal"))
    assert [each.status for each in acted(plan, tmp_path / "journal", "delete")] == ["before", "before"]


def test_what_vanished_from_the_quarantine_is_told(top: Path, plan: Plan, tmp_path: Path) -> None:
    acted(plan, tmp_path / "journal")
    [gone] = (top / QUARANTINE).glob("*/b/copy.jpg")
    gone.unlink()
    second, first = undone(tmp_path / "journal")
    assert "is not in the quarantine any more" in second.reason
    assert first.status == "done"


def test_what_was_changed_in_the_quarantine_comes_back_and_that_is_told(top: Path, plan: Plan, tmp_path: Path) -> None:
    acted(plan, tmp_path / "journal")
    [aside] = (top / QUARANTINE).glob("*/b/copy.jpg")
    aside.write_bytes(b"longer" * 10_000)
    second, _ = undone(tmp_path / "journal")
    assert (second.status, "not as it was: bytes, time" in second.reason) == ("done", True)


def test_a_link_that_was_written_through_gives_back_the_first_bytes(top: Path, plan: Plan, tmp_path: Path) -> None:
    acted(plan, tmp_path / "journal", "hardlink")
    (top / "b" / "copy.jpg").write_bytes(b"edited")
    undone(tmp_path / "journal")
    assert (top / "b" / "copy.jpg").read_bytes() == b"picture" * 1000
    assert (top / "kept.jpg").read_bytes() == b"edited"


def test_an_edit_that_nothing_else_holds_is_not_thrown_away(top: Path, plan: Plan, tmp_path: Path) -> None:
    """The other names of the linked file are gone, and it was written to."""
    acted(plan, tmp_path / "journal", "hardlink")
    (top / "kept.jpg").unlink()
    (top / "a" / "copy.jpg").unlink()
    (top / "b" / "copy.jpg").write_bytes(b"edited")
    second, first = undone(tmp_path / "journal")
    assert "something new stands there" in second.reason
    assert first.status == "done"
    assert (top / "b" / "copy.jpg").read_bytes() == b"edited"


def test_emptied_hard_links_are_taken_back_from_their_bytes(top: Path, plan: Plan, tmp_path: Path) -> None:
    os.setxattr(top / "b" / "copy.jpg", "user.note", b"mine")
    before = snapshot(top)
    acted(plan, tmp_path / "journal", "hardlink")
    assert sum(each.freed for each in emptied(tmp_path / "journal")) == 14_000
    assert {each.status for each in undone(tmp_path / "journal")} == {"done"}
    assert snapshot(top) == before


def test_an_emptied_quarantine_is_gone(top: Path, plan: Plan) -> None:
    journal = default_journal(top, plan)
    acted(plan, journal)
    assert sum(each.freed for each in emptied(journal)) == 14_007
    assert sorted(snapshot(top)) == [".", "a", "b", "kept.jpg"]


def test_copies_are_not_deleted_where_their_keeper_is_gone(top: Path, plan: Plan, tmp_path: Path) -> None:
    acted(plan, tmp_path / "journal")
    (top / "kept.jpg").write_bytes(b"damaged")
    assert {each.status for each in emptied(tmp_path / "journal")} == {"refused"}
    undone(tmp_path / "journal")
    assert (top / "b" / "copy.jpg").read_bytes() == b"picture" * 1000


def test_to_another_file_system_and_back(top: Path, plan: Plan, tmp_path: Path, elsewhere: Mounted) -> None:
    os.setxattr(top / "b" / "copy.jpg", "user.note", b"mine")
    os.chown(top / "b" / "copy.jpg", 1234, 4321)
    before = snapshot(settle(top))
    outcomes = acted(plan, tmp_path / "journal", quarantine=elsewhere.folder)
    assert {each.status for each in outcomes} == {"done"}
    assert not (top / "b" / "copy.jpg").exists()
    assert len(list(elsewhere.folder.rglob("copy.*"))) == 3
    undone(tmp_path / "journal")
    assert snapshot(top) == before
    assert list(elsewhere.folder.iterdir()) == []


def test_a_full_quarantine_loses_nothing(top: Path, plan: Plan, tmp_path: Path, elsewhere: Mounted) -> None:
    before = snapshot(top)
    acted(plan_of(top), tmp_path / "empty")
    with elsewhere.full():
        outcomes = acted(plan, tmp_path / "journal", quarantine=elsewhere.folder)
    assert all("No space left" in each.reason for each in outcomes)
    assert snapshot(top) == before


def test_a_quarantine_that_is_full_can_be_taken_back(top: Path, plan: Plan, elsewhere: Mounted) -> None:
    """Its journal, too, lies where there is no room."""
    before = snapshot(top)
    journal = elsewhere.folder / f"{header(plan).run}.jsonl"
    acted(plan, journal, quarantine=elsewhere.folder)
    with elsewhere.full():
        assert {each.status for each in undone(journal)} == {"done"}
    assert snapshot(top) == before
    assert list(elsewhere.folder.iterdir()) == []


def test_a_full_disk_keeps_a_file_from_coming_back_until_there_is_room(tmp_path: Path, elsewhere: Mounted) -> None:
    top = elsewhere.folder / "top"
    write(top / "kept.jpg", b"picture" * 1000)
    write(top / "copy.jpg", b"picture" * 1000)
    before = snapshot(settle(top))
    (tmp_path / "quarantine").mkdir()
    plan = plan_of(top, group(top / "kept.jpg", top / "copy.jpg"))
    acted(plan, tmp_path / "journal", quarantine=tmp_path / "quarantine")
    with elsewhere.full():
        [outcome] = undone(tmp_path / "journal")
        assert "No space left" in outcome.reason
        assert not (top / "copy.jpg").exists()
    undone(tmp_path / "journal")
    assert snapshot(top) == before


def test_hard_links_are_not_made_with_a_quarantine_elsewhere(
    top: Path, plan: Plan, tmp_path: Path, elsewhere: Mounted
) -> None:
    before = snapshot(top)
    outcomes = acted(plan, tmp_path / "journal", "hardlink", elsewhere.folder)
    assert {each.status for each in outcomes} == {"refused"}
    assert snapshot(top) == before


def test_a_file_stays_on_its_file_system(tmp_path: Path) -> None:
    top = tmp_path / "top"
    write(top / "kept.jpg", b"picture")
    with mounted(top / "disk", 1) as found:
        if not found:
            pytest.skip("mounting is not permitted here")
        write(top / "disk" / "sub" / "copy.jpg", b"picture")
        before = snapshot(settle(top))
        acted(plan_of(top, group(top / "kept.jpg", top / "disk" / "sub" / "copy.jpg")), tmp_path / "journal")
        [aside] = (top / "disk" / QUARANTINE).glob("*/sub/copy.jpg")
        assert aside.read_bytes() == b"picture"
        undone(tmp_path / "journal")
        assert snapshot(top) == before
