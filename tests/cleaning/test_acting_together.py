"""Two plans of the same files do not act at once: each may keep what the other removes."""

import os
from pathlib import Path

import pytest

from cleaning import acting
from cleaning.acting import header
from cleaning.journal import Journal, JournalError
from cleaning.places import Entry
from tests.cleaning.test_acting_command import run
from tests.cleaning.trees import acted, group, plan_of, settle, snapshot, store, undone, write


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    for name in ("one.jpg", "a/two.jpg", "b/three.jpg"):
        write(top / name, b"picture")
    (tmp_path / "link").symlink_to(top)
    return settle(top)


@pytest.mark.parametrize("other", [".", "a", "..", "../link", "../link/a"])
def test_folders_in_one_another_are_one_runs_at_a_time(top: Path, tmp_path: Path, other: str) -> None:
    one, two = top / "one.jpg", top / "a" / "two.jpg"
    name = Path(os.path.normpath(top / other))
    first, second = plan_of(top, group(one, two)), plan_of(name, group(two, one))
    with Journal.open(tmp_path / "first", header(first)):
        with pytest.raises(JournalError, match="another run acts in it"):
            acted(second, tmp_path / "second")
        assert not (tmp_path / "second").exists()
    assert acted(first, tmp_path / "first")[0].status == "done"


def test_to_take_back_is_to_act(top: Path, tmp_path: Path) -> None:
    plan = plan_of(top, group(top / "one.jpg", top / "a" / "two.jpg"))
    acted(plan, tmp_path / "first")
    other = plan_of([top / "a"])
    with Journal.open(tmp_path / "second", header(other)), pytest.raises(JournalError, match="another run"):
        undone(tmp_path / "first")
    assert {each.status for each in undone(tmp_path / "first")} == {"done"}


def test_neighbours_do_not_wait_for_one_another(top: Path, tmp_path: Path) -> None:
    write(top / "a" / "copy.jpg", b"picture")
    plan = plan_of(top / "a", group(top / "a" / "two.jpg", top / "a" / "copy.jpg"))
    with Journal.open(tmp_path / "second", header(plan_of([top / "b", top / "b" / "below"]))):
        assert acted(plan, tmp_path / "first")[0].status == "done"


def test_a_copy_is_not_deleted_where_its_keeper_went_meanwhile(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the copy's going aside and its end."""
    plan = plan_of(top, group(top / "one.jpg", top / "a" / "two.jpg"))
    move = acting._DO["delete"]

    def rob(held: acting._Held) -> None:
        move(held)
        (top / "one.jpg").rename(tmp_path / "elsewhere.jpg")

    monkeypatch.setitem(acting._DO, "delete", rob)
    [outcome] = acted(plan, tmp_path / "journal", "delete")
    assert (outcome.status, "was changed while it was looked at" in outcome.reason) == ("refused", True)
    assert (top / "a" / "two.jpg").read_bytes() == b"picture"


@pytest.mark.parametrize("is_there", [True, False])
def test_what_was_aside_when_a_run_ended_is_not_deleted_without_its_keeper(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    plan = plan_of(top, group(top / "one.jpg", top / "a" / "two.jpg"))

    def end(_stashes: tuple[Entry, ...]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(acting, "drop", end)
        acted(plan, tmp_path / "journal", "delete")
    if not is_there:
        (top / "one.jpg").unlink()
    [outcome] = acted(plan, tmp_path / "journal", "delete")
    assert outcome.status == ("done" if is_there else "refused")
    if not is_there:
        assert {each.status for each in undone(tmp_path / "journal")} == {"done"}
        assert (top / "a" / "two.jpg").read_bytes() == b"picture"


def test_a_run_that_has_to_wait_leaves_nothing(top: Path, tmp_path: Path) -> None:
    plan = plan_of(top / "a", group(top / "a" / "two.jpg", write(top / "a" / "copy.jpg", b"picture")))
    before = snapshot(settle(top))
    with Journal.open(tmp_path / "first", header(plan_of(top))):
        done = run("--apply", store(tmp_path / "plan.json", plan))
    assert (done.returncode, "is in use: another run" in done.stderr) == (2, True)
    assert snapshot(top) == before
