"""A journal: on the disk before what it says is done; a torn end is cut off, anything else that is wrong is refused."""

import os
from pathlib import Path

import pytest

from cleaning.acting import apply_plan, header
from cleaning.journal import Journal, JournalError
from cleaning.plan import Plan
from cleaning.records import Header, from_line
from tests.cleaning.trees import acted, group, plan_of, settle, snapshot, undone, write
from tests.disk import no_room

COPIES = 3


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    write(top / "kept.jpg", b"picture")
    for number in range(COPIES):
        write(top / os.fsdecode(b"\xff%d" % number), b"picture", number)
    return settle(top)


@pytest.fixture
def plan(top: Path) -> Plan:
    copies = sorted(each for each in top.iterdir() if each.name != "kept.jpg")
    return plan_of(top, group(top / "kept.jpg", *copies))


@pytest.fixture
def journal(plan: Plan, tmp_path: Path) -> Path:
    """Of a plan that was carried out."""
    acted(plan, tmp_path / "journal")
    return tmp_path / "journal"


def _events(path: Path) -> list[str]:
    return [from_line(line).event for line in path.read_bytes().splitlines()]


def test_each_step_is_noted_before_and_after(journal: Path) -> None:
    assert _events(journal) == ["header", "place", *["intent", "done"] * COPIES]


def test_it_stands_on_the_disk_before_anything_is_done(plan: Plan, tmp_path: Path) -> None:
    """At no moment is a file away without an intent in the journal."""
    path = tmp_path / "journal"
    with Journal.open(path, header(plan)) as journal:
        for number, _ in enumerate(apply_plan(plan, journal), 1):
            assert _events(path).count("intent") == number


@pytest.mark.parametrize("kept", [1, 10, 50])
def test_a_torn_last_line_does_no_harm(plan: Plan, top: Path, journal: Path, kept: int) -> None:
    """It is that of a step which was not confirmed, so the step is taken back and begun again."""
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:kept])
    assert [each.status for each in acted(plan, journal)] == ["before", "before", "done"]
    assert _events(journal)[-4:] == ["undoing", "undone", "intent", "done"]
    assert {each.status for each in undone(journal)} == {"done"}


@pytest.mark.parametrize("length", [0, 20])
def test_a_torn_first_line_is_a_new_journal(plan: Plan, journal: Path, top: Path, length: int) -> None:
    undone(journal)
    before = snapshot(top)
    journal.write_bytes(journal.read_bytes()[:length])
    assert {each.status for each in acted(plan, journal)} == {"done"}
    undone(journal)
    assert snapshot(top) == before


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b'"event": "done"', b'"event": "gone"', "damaged in line 4"),
        (b'"unit": 0', b'"unit": 7', "damaged in line 4: out of order"),
        (b'"stash": "/', b'"stash": "/../', "damaged in line 3"),
        (b'"stash": "/', b'"stash": "', "damaged in line 3"),
        (b'{"event": "header"', b'["event": "header"', "is not a journal of this program"),
    ],
)
def test_a_damaged_journal_is_refused(journal: Path, top: Path, old: bytes, new: bytes, told: str) -> None:
    content = journal.read_bytes()
    cut = 1 if old == b'"unit": 0' else 0  # the second one: that of `done`
    at = content.index(old, content.index(old) + cut)
    journal.write_bytes(content[:at] + new + content[at + len(old) :])
    before = snapshot(top)
    with pytest.raises(JournalError, match=told):
        undone(journal)
    assert snapshot(top) == before


def test_a_journal_cannot_have_files_moved_from_anywhere(journal: Path, top: Path, tmp_path: Path) -> None:
    """What it takes back lies in the quarantines that it names, and so does nothing else."""
    secret = write(tmp_path / "secret", b"secret")
    lines = journal.read_text().splitlines(keepends=True)
    facts = from_line(lines[-2].encode()).files[0]
    journal.write_text("".join(lines).replace(str(facts.stash.encode("unicode_escape"))[2:-1], str(secret)))
    text = journal.read_text().replace(f'"stash": "{top}', f'"stash": "{tmp_path}/x')
    journal.write_text(text)
    assert all("is in no quarantine of this run" in each.reason for each in undone(journal)[:COPIES])
    assert secret.exists()


def test_another_users_journal_is_refused(journal: Path) -> None:
    os.chown(journal, 12345, -1)
    with pytest.raises(JournalError, match="another user's"):
        undone(journal)


def test_a_link_is_no_journal(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(journal)
    with pytest.raises(OSError, match="symbolic links"):
        undone(tmp_path / "link")


def test_two_runs_do_not_share_one(plan: Plan, journal: Path) -> None:
    with Journal.open(journal), pytest.raises(JournalError, match="is in use"):
        acted(plan, journal)


def test_it_belongs_to_one_plan(plan: Plan, journal: Path) -> None:
    other = plan_of(Path("/nowhere"))
    with pytest.raises(JournalError, match="another run"):
        acted(other, journal)


def test_what_was_begun_goes_on_in_the_same_way(plan: Plan, journal: Path) -> None:
    with pytest.raises(JournalError, match="was begun as quarantine"):
        acted(plan, journal, "delete")
    undone(journal)
    assert {each.status for each in acted(plan, journal, "delete")} == {"done"}


def test_without_room_for_a_line_nothing_is_done(plan: Plan, top: Path, tmp_path: Path) -> None:
    before, path = snapshot(top), tmp_path / "journal"
    with Journal.open(path, header(plan)) as journal:
        length = path.stat().st_size
        with no_room(limit=length + 10), pytest.raises(JournalError, match="cannot be written"):
            list(apply_plan(plan, journal))
    assert snapshot(top) == before
    assert {each.status for each in acted(plan, path)} == {"done"}


def test_headers_of_different_plans_differ(plan: Plan) -> None:
    cut = plan_of(Path(plan.about.folders[0]))
    assert header(plan) == header(plan.model_copy())
    assert header(cut).run != header(plan).run
    assert isinstance(header(plan), Header)
