"""Others act at the same moment, or the file system lacks a call: what then happens is tried at that very moment."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cleaning import linux, moving
from cleaning.journal import Journal
from cleaning.plan import Plan
from cleaning.records import Action, Event, Intent
from tests.cleaning.trees import acted, copy, group, plan_of, settle, snapshot, undone, write
from tests.disk import mounted

Meanwhile = Callable[[], object]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    write(top / "kept.jpg", b"picture")
    write(top / "a" / "copy.jpg", b"picture", 1).chmod(0o604)
    write(top / "a" / "copy.xmp", b"sidecar", 2)
    return settle(top)


@pytest.fixture
def plan(top: Path) -> Plan:
    return plan_of(top, group(top / "kept.jpg", copy(top / "a" / "copy.jpg", [top / "a" / "copy.xmp"])))


def _after_the_intent(monkeypatch: pytest.MonkeyPatch, meanwhile: Meanwhile) -> None:
    real = Journal.write

    def write_and(self: Journal, event: Event) -> None:
        real(self, event)
        if isinstance(event, Intent):
            meanwhile()

    monkeypatch.setattr(Journal, "write", write_and)


def _before_the_rename(monkeypatch: pytest.MonkeyPatch, meanwhile: Meanwhile) -> None:
    real = linux.rename
    left = [meanwhile]

    def rename_then(*arguments: int | str) -> None:
        if left:
            left.pop()()
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(linux, "rename", rename_then)


def _replaced(path: Path) -> Meanwhile:
    return lambda: write(path.with_suffix(".new"), b"another").replace(path)


@pytest.mark.parametrize("action", ["quarantine", "hardlink", "delete"])
@pytest.mark.parametrize("which", ["kept.jpg", "a/copy.jpg"])
def test_what_is_replaced_after_it_was_read_stays(
    top: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch, which: str, action: Action
) -> None:
    _after_the_intent(monkeypatch, _replaced(top / which))
    [outcome] = acted(plan, top.parent / "journal", action)
    assert "was changed while it was looked at" in outcome.reason
    assert (top / which).read_bytes() == b"another"
    assert (top / "a" / "copy.jpg").stat().st_nlink == 1
    assert (top / "a" / "copy.xmp").exists()


@pytest.mark.parametrize("action", ["quarantine", "hardlink", "delete"])
def test_what_is_replaced_at_the_last_moment_is_put_back(
    top: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch, action: Action
) -> None:
    _before_the_rename(monkeypatch, _replaced(top / "a" / "copy.jpg"))
    [outcome] = acted(plan, top.parent / "journal", action)
    assert "and was put back" in outcome.reason
    assert (top / "a" / "copy.jpg").read_bytes() == b"another"
    assert (top / "a" / "copy.xmp").exists()


def test_what_is_written_while_it_is_copied_to_another_file_system_stays(
    top: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = moving.copy_to

    def copy_and_replace(*arguments: object) -> str:
        poured = real(*arguments)  # type: ignore[arg-type]
        _replaced(top / "a" / "copy.jpg")()
        return poured

    monkeypatch.setattr(moving, "copy_to", copy_and_replace)
    with mounted(top.parent / "elsewhere", 1) as found:
        if not found:
            pytest.skip("mounting is not permitted here")
        [outcome] = acted(plan, top.parent / "journal", quarantine=found.folder)
    assert "was changed while it was looked at" in outcome.reason
    assert (top / "a" / "copy.jpg").read_bytes() == b"another"


def test_something_that_comes_back_while_it_is_taken_back_stays(
    top: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    acted(plan, top.parent / "journal")
    _before_the_rename(monkeypatch, lambda: write(top / "a" / "copy.xmp", b"new"))
    [outcome] = undone(top.parent / "journal")
    assert "File exists" in outcome.reason
    assert (top / "a" / "copy.xmp").read_bytes() == b"new"
    assert (top / "a" / "copy.jpg").exists()


def _lacking(*_arguments: object) -> None:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def test_without_renames_that_replace_nothing_links_do(top: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(top)
    monkeypatch.setattr(linux, "rename", _lacking)
    assert [each.status for each in acted(plan, top.parent / "journal")] == ["done"]
    assert [each.status for each in undone(top.parent / "journal")] == ["done"]
    assert snapshot(top) == before


def test_without_exchange_hard_links_are_refused(top: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(top)
    monkeypatch.setattr(linux, "rename", _lacking)
    [outcome] = acted(plan, top.parent / "journal", "hardlink")
    assert "cannot let two names change places" in outcome.reason
    assert snapshot(top) == before


def test_without_nameless_files_another_name_does(top: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(top)
    monkeypatch.setattr(moving, "_nameless", lambda _folder: None)
    with mounted(top.parent / "elsewhere", 1) as found:
        if not found:
            pytest.skip("mounting is not permitted here")
        assert [each.status for each in acted(plan, top.parent / "j", quarantine=found.folder)] == ["done"]
        assert [each.status for each in undone(top.parent / "j")] == ["done"]
        assert list(found.folder.iterdir()) == []
    assert snapshot(top) == before
