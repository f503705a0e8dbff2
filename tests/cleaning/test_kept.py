"""The list of copies that a reader wants to keep: read, and found in a plan."""

import os
from pathlib import Path

import pytest

from cleaning.kept import KeptError, kept_of, read_kept
from cleaning.plan import PlannedGroup
from reports.text import file_url
from tests.reports.plans import copy, jpeg, picture, plan, simple


def test_what_lists_name_is_kept_together(tmp_path: Path) -> None:
    given = simple(tmp_path)
    paths = [given.groups[number].copies[0].path for number in (1, 2)]
    (tmp_path / "kept.txt").write_text(f"# a comment\r\n\r\n{file_url(paths[0])}\r\n")
    (tmp_path / "kept (1).txt").write_text(file_url(paths[1]))
    assert kept_of(given, [tmp_path / "kept.txt", tmp_path / "kept (1).txt"]) == set(paths)
    assert kept_of(given, []) == set()


def test_names_that_are_no_utf8_are_found_again(tmp_path: Path) -> None:
    odd = copy(os.fsencode(tmp_path) + b"/\xff #%\n.jpg", jpeg(1))
    given = plan([PlannedGroup(keeper=picture(tmp_path / "a.jpg", jpeg(1)), kept_for="oldest", copies=(odd,))])
    (tmp_path / "kept.txt").write_text(file_url(odd.path))
    assert kept_of(given, [tmp_path / "kept.txt"]) == {odd.path}


@pytest.mark.parametrize("line", ["/a.jpg", "https://a.example/b.jpg", "file://host/a.jpg"])
def test_anything_else_is_no_list(tmp_path: Path, line: str) -> None:
    (tmp_path / "kept.txt").write_text(f"# kept\n{line}\n")
    with pytest.raises(KeptError, match="line 2"):
        read_kept(tmp_path / "kept.txt")


def test_a_list_of_another_report_is_refused(tmp_path: Path) -> None:
    given = simple(tmp_path)
    (tmp_path / "kept.txt").write_text(file_url(given.groups[0].keeper.path))
    with pytest.raises(KeptError, match="no copy"):
        kept_of(given, [tmp_path / "kept.txt"])
