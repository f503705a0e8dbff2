"""The report's folder: whole or as it was, and nobody else's."""

import json
from pathlib import Path

import pytest

from reports.folder import FORMAT, MARK, ReportError, _swap, is_report, rewritten


def write(folder: Path, content: str) -> None:
    with rewritten(folder) as (new, _):
        (new / "index.html").write_text(content)


def content(folder: Path) -> dict[str, str]:
    return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()}


def test_a_report_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    write(tmp_path / "deep/report", "one")
    write(tmp_path / "deep/report", "two")
    assert content(tmp_path) == {
        "deep/report/index.html": "two",
        f"deep/report/{MARK}": json.dumps({"format": FORMAT}) + "\n",
    }
    assert is_report(tmp_path / "deep/report")


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    write(tmp_path, "one")
    assert (tmp_path / "index.html").read_text() == "one"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_is_interrupted_leaves_the_last_one_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    write(tmp_path / "report", "one")
    before = content(tmp_path)
    with pytest.raises(error), rewritten(tmp_path / "report") as (new, old):
        assert (old / "index.html").read_text() == "one"
        (new / "index.html").write_text("half")
        raise error
    assert content(tmp_path) == before and len(list(tmp_path.iterdir())) == 1


def test_where_the_new_one_cannot_be_put_the_last_one_stays(tmp_path: Path) -> None:
    write(tmp_path / "report", "one")
    with pytest.raises(OSError):
        _swap(tmp_path / "no such folder", tmp_path / "report")
    assert (tmp_path / "report/index.html").read_text() == "one"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"holiday.jpg": "x"}, "not empty"),
        ({"index.html": "my own page"}, "not empty"),
        ({MARK: "no JSON", "index.html": "x"}, "not empty"),
        ({MARK: "[" * 100_000, "index.html": "x"}, "not empty"),
        ({MARK: json.dumps({"format": FORMAT}), "plan.json": "{}"}, "plan.json"),
    ],
)
def test_what_somebody_else_put_there_is_left_alone(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ReportError, match=reason):
        write(tmp_path, "mine")
    assert content(tmp_path) == files


def test_what_somebody_puts_there_meanwhile_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(ReportError), rewritten(tmp_path / "report"):
        (tmp_path / "report").mkdir()
        (tmp_path / "report/mine.txt").write_text("x")
    assert content(tmp_path) == {"report/mine.txt": "x"}


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("x")
    with pytest.raises(ReportError, match="is a file"):
        write(tmp_path / "report", "mine")


def test_a_link_to_a_folder_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    write(tmp_path / "link", "one")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real/index.html").read_text() == "one"


def test_a_name_may_be_as_long_as_names_may_be(tmp_path: Path) -> None:
    write(tmp_path / ("\u00fc" * 127), "one")
    assert [len(each.name) for each in tmp_path.iterdir()] == [127]
