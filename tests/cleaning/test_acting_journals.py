"""Journals that are not ours, not whole, or without room: nothing is lost, and taking back needs no room."""

from pathlib import Path

import pytest

from cleaning.acting import apply_plan, header
from cleaning.journal import Journal, JournalError
from cleaning.places import QUARANTINE
from cleaning.plan import Plan, PlanError
from cleaning.records import Action
from cleaning.undoing import undo
from tests.cleaning.trees import acted, copy, group, plan_of, settle, snapshot, store, undone, write
from tests.disk import no_room


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    for name in ("kept.jpg", "a/copy.jpg", "b/copy.jpg"):
        write(top / name, b"picture")
    (top / QUARANTINE).mkdir()
    return settle(top)


@pytest.fixture
def plan(top: Path) -> Plan:
    return plan_of(top, group(top / "kept.jpg", top / "a" / "copy.jpg", top / "b" / "copy.jpg"))


@pytest.fixture
def journal(top: Path, plan: Plan) -> Path:
    """Where it lies unless it is said otherwise."""
    return top / QUARANTINE / f"{header(plan).run}.jsonl"


@pytest.mark.parametrize("content", [b"my only notes", b'{"event": "header"} mine', b"\0"])
def test_a_file_that_is_not_ours_stays_as_it_is(top: Path, plan: Plan, content: bytes) -> None:
    notes = write(top.parent / "notes.txt", content)
    with pytest.raises(JournalError, match="is not a journal of this program"):
        acted(plan, notes)
    assert notes.read_bytes() == content
    assert (top / "a" / "copy.jpg").exists()


def test_an_empty_journal_is_a_run_that_was_not_begun(top: Path, plan: Plan, journal: Path) -> None:
    journal.touch()
    with pytest.raises(JournalError, match="its run was not begun, and there is nothing to take back"):
        undone(journal)
    assert not journal.exists()
    mine = write(top.parent / "mine", b"")
    with pytest.raises(JournalError, match="nothing to take back"):
        undone(mine)
    assert mine.exists()


def test_on_a_full_disk_no_empty_journal_is_left(plan: Plan, journal: Path) -> None:
    with no_room(), pytest.raises(JournalError, match="cannot be written"):
        acted(plan, journal)
    assert not journal.exists()


def test_a_journal_that_lost_lines_does_not_lose_files(top: Path, plan: Plan, journal: Path) -> None:
    acted(plan, journal)
    content = journal.read_bytes()
    journal.write_bytes(b"".join(content.splitlines(keepends=True)[:-2]))
    first, stray = undone(journal)
    assert (first.status, stray.status) == ("done", "refused")
    assert "b/copy.jpg is in the quarantine, but not in the journal" in stray.reason
    assert [each.status for each in undone(journal)] == ["refused"]  # the journal is still there
    assert Path(stray.path).read_bytes() == b"picture"
    journal.write_bytes(content)
    assert {each.status for each in undone(journal)} == {"done"}
    assert sorted(snapshot(top)) == [".", "a", "a/copy.jpg", "b", "b/copy.jpg", "kept.jpg"]


def test_a_journal_that_lost_all_but_its_first_line(plan: Plan, journal: Path) -> None:
    acted(plan, journal)
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    assert [each.status for each in undone(journal)] == ["refused"] * 2
    assert journal.exists()


@pytest.mark.parametrize("action", ["quarantine", "hardlink"])
def test_taking_back_needs_no_room(top: Path, plan: Plan, tmp_path: Path, action: Action) -> None:
    (top / QUARANTINE).rmdir()
    before = snapshot(settle(top))
    acted(plan, tmp_path / "journal", action)
    with no_room(limit=(tmp_path / "journal").stat().st_size):
        assert {each.status for each in undone(tmp_path / "journal")} == {"done"}
    assert snapshot(top) == before
    assert undone(tmp_path / "journal")[0].status == "done"  # which the journal does not know of
    assert snapshot(top) == before


def test_what_there_was_no_room_for_is_written_later(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    acted(plan, path)
    with Journal.open(path) as journal:
        taking_back = undo(journal)
        with no_room(limit=path.stat().st_size):
            next(taking_back)
        list(taking_back)
    assert path.read_bytes().count(b'"undone"') == 2
    assert {each.status for each in acted(plan, path)} == {"done"}


def test_what_is_kept_now_but_was_moved_before_is_told(top: Path, plan: Plan, journal: Path) -> None:
    acted(plan, journal)
    with Journal.open(journal, header(plan)) as opened:
        told = list(apply_plan(plan, opened, leave=[str(top / "a" / "copy.jpg")]))
    assert [each.status for each in told] == ["refused", "before"]
    assert "was moved before: --undo first" in told[0].reason


def test_a_plan_that_calls_other_bytes_exact_is_refused(top: Path, tmp_path: Path) -> None:
    other = write(top / "other.jpg", b"another")
    plan = plan_of(top, group(top / "kept.jpg", copy(other)))
    with pytest.raises(PlanError, match=r"other\.jpg' exact, but gives it other bytes"):
        Plan.read(store(tmp_path / "plan.json", plan))
    alike = plan_of(top, group(top / "kept.jpg", copy(other, relation="identical")))
    assert Plan.read(store(tmp_path / "plan.json", alike)) == alike
