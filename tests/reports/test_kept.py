"""The list of copies that a reader wants to keep: read, and put into a plan."""

import os
from pathlib import Path

import pytest

from cleaning.plan import PlannedGroup
from reports.kept import REASON, KeptError, hold, read_kept
from reports.text import file_url
from tests.reports.plans import copy, jpeg, picture, plan, simple


def test_marked_copies_are_held_and_no_other(tmp_path: Path) -> None:
    given = simple(tmp_path)
    path = given.groups[1].copies[0].path
    (tmp_path / "kept.txt").write_text(f"# a comment\r\n\r\n{file_url(path)}\r\n")
    held = hold(given, read_kept(tmp_path / "kept.txt"))
    assert [[each.held for each in group.copies] for group in held.groups] == [[""], [REASON], [""]]
    assert held.saves_bytes == given.saves_bytes - given.groups[1].copies[0].size


def test_names_that_are_no_utf8_are_found_again(tmp_path: Path) -> None:
    odd = copy(os.fsencode(tmp_path) + b"/\xff #%\n.jpg", jpeg(1))
    given = plan([PlannedGroup(keeper=picture(tmp_path / "a.jpg", jpeg(1)), kept_for="oldest", copies=(odd,))])
    (tmp_path / "kept.txt").write_text(file_url(odd.path))
    assert hold(given, read_kept(tmp_path / "kept.txt")).groups[0].copies[0].held == REASON


def test_what_is_held_already_keeps_its_reason(tmp_path: Path) -> None:
    held = copy(tmp_path / "b.jpg", jpeg(1), held="protected")
    given = plan([PlannedGroup(keeper=picture(tmp_path / "a.jpg", jpeg(1)), kept_for="oldest", copies=(held,))])
    assert hold(given, {held.path}) == given


@pytest.mark.parametrize("line", ["/a.jpg", "https://a.example/b.jpg", "file://host/a.jpg"])
def test_anything_else_is_no_list(tmp_path: Path, line: str) -> None:
    (tmp_path / "kept.txt").write_text(f"# kept\n{line}\n")
    with pytest.raises(KeptError, match="line 2"):
        read_kept(tmp_path / "kept.txt")


def test_a_list_of_another_report_is_refused(tmp_path: Path) -> None:
    given = simple(tmp_path)
    with pytest.raises(KeptError, match="no copy"):
        hold(given, {given.groups[0].keeper.path})
