"""The command: what it does by itself, what it asks, what it says, its exit status."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cleaning.places import QUARANTINE
from tests.cleaning.trees import copy, group, plan_of, settle, snapshot, store, write

REPOSITORY = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.cleaning.command"]


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


def run(*arguments: str | Path, before: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*(before or []), *COMMAND, *map(str, arguments)],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_apply_and_undo(top: Path, plan: Path) -> None:
    before = snapshot(top)
    done = run("--apply", plan)
    assert done.returncode == 0
    assert "2 of 2 copies done (14 bytes), 0 passed over" in done.stderr
    assert "nothing is freed until the quarantine is emptied" in done.stderr
    assert "copy/s" in done.stderr
    assert not (top / "a" / "copy.jpg").exists()
    taken_back = run("--undo", plan)
    assert (taken_back.returncode, "2 of 2 taken back" in taken_back.stderr) == (0, True)
    assert snapshot(top) == before


@pytest.mark.parametrize("what", ["journal", "run", "quarantine", "top"])
def test_what_to_take_back_can_be_named_in_many_ways(top: Path, plan: Path, what: str) -> None:
    before = snapshot(top)
    run("--apply", plan)
    [journal] = (top / QUARANTINE).glob("*.jsonl")
    names = {"journal": journal, "run": journal.with_suffix(""), "quarantine": journal.parent, "top": top}
    assert run("--undo", names[what]).returncode == 0
    assert snapshot(top) == before


def test_undo_takes_the_folder_that_one_is_in(top: Path, plan: Path) -> None:
    before = snapshot(top)
    run("--apply", plan)
    done = subprocess.run(
        [*COMMAND, "--undo"],
        cwd=top,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert snapshot(top) == before


def test_with_a_quarantine_and_a_journal_of_ones_own(top: Path, plan: Path, tmp_path: Path) -> None:
    before = snapshot(top)
    assert run("--apply", plan, "--quarantine", tmp_path / "aside", "--journal", tmp_path / "j").returncode == 0
    assert len(list((tmp_path / "aside").rglob("copy.jpg"))) == 2
    assert not (top / QUARANTINE).exists()
    assert run("--undo", tmp_path / "j").returncode == 0
    assert snapshot(top) == before


def test_something_passed_over_is_status_1(top: Path, plan: Path) -> None:
    write(top / "b" / "copy.jpg", b"changed\n")
    done = run("--apply", plan)
    assert done.returncode == 1
    assert "refused: " in done.stderr
    assert "1 of 2 copies done (7 bytes), 1 passed over" in done.stderr


@pytest.mark.parametrize("folder", ["relative", "/\ud800"])
def test_a_plan_of_impossible_folders_is_status_2(top: Path, folder: str) -> None:
    plan = plan_of(Path(folder), group(top / "kept.jpg", top / "a" / "copy.jpg"))
    done = run("--apply", store(top.parent / "plan.json", plan))
    assert (done.returncode, "Traceback" in done.stderr, len(done.stderr.splitlines())) == (2, False, 1)


@pytest.mark.parametrize("content", [None, "{}", "nonsense", '{"format": "imageretrieval-plan/1"}'])
def test_what_is_no_plan_is_status_2(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "plan.json").write_text(content)
    done = run("--apply", tmp_path / "plan.json")
    assert (done.returncode, "Traceback" in done.stderr, len(done.stderr.splitlines())) == (2, False, 1)


def test_what_was_not_applied_cannot_be_taken_back(top: Path, plan: Path) -> None:
    before = snapshot(top)
    done = run("--undo", plan)
    assert (done.returncode, "was not applied, or was taken back" in done.stderr) == (2, True)
    assert run("--undo", top).returncode == 2
    assert snapshot(top) == before


@pytest.mark.parametrize("arguments", [["--action", "delete", "--apply"], ["--empty-quarantine"]])
def test_nothing_is_deleted_unasked(top: Path, plan: Path, arguments: list[str]) -> None:
    if "--empty-quarantine" in arguments:
        run("--apply", plan)
    before = snapshot(top)
    done = run(*arguments, plan)
    assert (done.returncode, "--yes" in done.stderr) == (2, True)
    assert snapshot(top) == before
    assert run(*arguments, plan, "--yes").returncode == 0
    assert [each.name for each in top.rglob("*.jpg")] == ["kept.jpg"]


@pytest.mark.parametrize(("answer", "status", "left"), [("yes", 0, False), ("no", 2, True)])
def test_on_a_terminal_it_asks(top: Path, plan: Path, answer: str, status: int, left: bool) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        [*COMMAND, "--apply", plan, "--action", "delete"],
        cwd=REPOSITORY,
        stdin=theirs,
        capture_output=True,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert (done.returncode, (top / "a" / "copy.jpg").exists()) == (status, left)


def test_deleting_says_that_it_is_for_good(plan: Path) -> None:
    done = run("--apply", plan, "--action", "delete", "--yes")
    assert "14 bytes freed; this cannot be undone" in done.stderr
    taken_back = run("--undo", plan)
    assert (taken_back.returncode, "was deleted: that cannot be taken back" in taken_back.stderr) == (1, True)
    assert "cannot be undone" in run("--help").stdout.replace("\n", " ").replace("  ", "")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_between_two_copies_it_goes_on_later(tmp_path: Path, number: int, status: int) -> None:
    top = tmp_path / "top"
    kept = write(top / "kept.jpg", b"picture")
    copies = [write(top / f"{each}.jpg", b"picture", each) for each in range(400)]
    plan = store(tmp_path / "plan.json", plan_of(top, group(kept, *copies)))
    before = snapshot(settle(top))
    process = subprocess.Popen([*COMMAND, "--apply", str(plan)], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    while len(list(top.glob("*.jpg"))) > 390:
        time.sleep(0.001)
    process.send_signal(number)
    told = process.communicate()[1]
    assert (process.returncode, "the same command goes on from here" in told) == (status, True)
    assert "Traceback" not in told
    [journal] = (top / QUARANTINE).glob("*.jsonl")
    assert journal.read_text().count('"intent"') == journal.read_text().count('"done"')
    assert 10 <= len(list((top / QUARANTINE).rglob("*.jpg"))) < 400
    assert run("--apply", plan).returncode == 0
    assert [each.name for each in top.glob("*.jpg")] == ["kept.jpg"]
    assert run("--undo", plan).returncode == 0
    assert snapshot(top) == before


def test_names_do_no_harm_to_a_terminal(tmp_path: Path) -> None:
    top = tmp_path / "top"
    kept, odd = write(top / "kept.jpg", b"picture"), write(top / "\x1b[2J\u202e.jpg", b"picture")
    plan = store(tmp_path / "plan.json", plan_of(top, group(kept, odd)))
    odd.write_bytes(b"another")
    done = run("--apply", plan)
    assert done.returncode == 1
    assert "\x1b[2J" not in done.stderr and "\u202e" not in done.stderr


def test_quiet_is_quiet(plan: Path) -> None:
    for what in ("--apply", "--undo"):
        assert "copy/s" not in run(what, plan, "--quiet").stderr


def test_refusals_for_one_reason_are_summed_up(tmp_path: Path) -> None:
    top = tmp_path / "top"
    kept = write(top / "kept.jpg", b"picture")
    near = [copy(write(top / f"{each}.jpg", b"near"), relation="near") for each in range(25)]
    done = run("--apply", store(tmp_path / "plan.json", plan_of(top, group(kept, *near))), "--action", "hardlink")
    assert done.stderr.count("only exact copies can share them") == 11
    assert "refused: and 15 more: FILE has other bytes than its keeper" in done.stderr
    assert "0 of 25 copies done (0 bytes), 25 passed over" in done.stderr


def test_what_is_to_be_kept_but_was_moved_is_passed_over(top: Path, plan: Path, tmp_path: Path) -> None:
    run("--apply", plan)
    (tmp_path / "kept.txt").write_text((top / "a" / "copy.jpg").as_uri())
    done = run("--apply", plan, "--kept", tmp_path / "kept.txt")
    assert (done.returncode, "1 of 2 copies done (7 bytes), 1 passed over" in done.stderr) == (1, True)


def test_of_a_plan_that_was_written_anew_the_folder_is_named(top: Path, plan: Path) -> None:
    before = snapshot(top)
    run("--apply", plan)
    store(plan, plan_of(top))
    done = run("--undo", plan)
    assert (done.returncode, f"another plan was applied there: --undo {top}\n" in done.stderr) == (2, True)
    assert run("--undo", top).returncode == 0
    assert snapshot(top) == before


def test_the_root_has_no_journal_beside_it() -> None:
    done = run("--undo", "/")
    assert (done.returncode, "Traceback" in done.stderr, "has no quarantine" in done.stderr) == (2, False, True)


def test_the_record_of_what_was_deleted_is_named_and_can_go(top: Path, plan: Path) -> None:
    done = run("--apply", plan, "--action", "delete", "--yes")
    [journal] = (top / QUARANTINE).glob("*.jsonl")
    assert f"what was deleted is noted in {journal}" in done.stderr
    assert run("--empty-quarantine", plan, "--yes").returncode == 0
    assert sorted(snapshot(top)) == [".", "a", "b", "kept.jpg"]
