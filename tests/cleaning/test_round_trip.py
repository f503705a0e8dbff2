"""`scripts/dedupe.py` from folders to a plan and a report, the plan done, and all of it taken back."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cleaning.places import QUARANTINE
from cleaning.plan import Plan
from reports.folder import is_report
from reports.text import file_url
from scripts import dedupe, make_redundant
from tests.cleaning.trees import snapshot
from tests.corpus import encoded, photo
from tests.service.server import ROOT

SAMPLES = ROOT / ".samples/skimage/data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, one of them in three files of the same pixels, and a text."""
    folder = tmp_path / "pictures"
    (folder / "old").mkdir(parents=True)
    (folder / "a.png").write_bytes(encoded(photo(1), "PNG"))
    (folder / "old/a (copy).png").write_bytes(encoded(photo(1), "PNG"))
    (folder / "old/a.bmp").write_bytes(encoded(photo(1), "BMP"))
    (folder / "b.png").write_bytes(encoded(photo(2), "PNG"))
    (folder / "old/notes.txt").write_text("mine")
    return folder


def clean(*arguments: object) -> int:
    return dedupe.main([*map(str, arguments), "--quiet"])


def found(folder: Path, *arguments: object) -> Path:
    """The plan of a search that needs no model."""
    plan = folder.parent / "plan.json"
    cache = folder.parent / "cache"
    how = ("--relation", "identical", "--keep", "shortest-path")
    assert clean(folder, *how, "--plan", plan, "--cache", cache, *arguments) == 1
    return plan


def files(folder: Path) -> set[str]:
    below = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in below if path.parts[0] != QUARANTINE}


def test_what_is_applied_is_taken_back(folder: Path) -> None:
    plan = found(folder)
    before = snapshot(folder)
    assert clean("--apply", plan) == 0
    assert files(folder) == {"a.png", "b.png", "old/notes.txt"}
    assert clean("--undo", plan) == 0
    assert snapshot(folder) == before


def test_what_is_emptied_is_gone_and_the_next_search_finds_nothing(folder: Path) -> None:
    plan = found(folder)
    assert clean("--apply", plan) == 0
    assert clean("--empty-quarantine", plan, "--yes") == 0
    assert not list(folder.rglob("a.bmp"))
    assert clean(folder, "--relation", "identical", "--plan", plan, "--cache", folder.parent / "cache") == 0


def test_what_the_reader_of_the_report_keeps_stays(folder: Path) -> None:
    plan = found(folder)
    (copy,) = (copy for copy in Plan.read(plan).groups[0].copies if copy.path.endswith(".bmp"))
    (folder.parent / "kept.txt").write_text(file_url(copy.path))
    before = snapshot(folder)
    assert clean("--apply", plan, "--kept", folder.parent / "kept.txt") == 0
    assert files(folder) == {"a.png", "b.png", "old/a.bmp", "old/notes.txt"}
    assert clean("--apply", plan) == 0  # having thought better of it
    assert files(folder) == {"a.png", "b.png", "old/notes.txt"}
    assert clean("--undo", plan) == 0
    assert snapshot(folder) == before


def test_a_list_of_another_plan_stops_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = found(folder)
    (folder.parent / "kept.txt").write_text(file_url(str(folder / "b.png")))
    before = snapshot(folder)
    assert clean("--apply", plan, "--kept", folder.parent / "kept.txt") == 2
    assert "the plan has no copy" in capsys.readouterr().err
    assert snapshot(folder) == before


def test_the_report_is_beside_the_plan_and_is_no_picture_folder(folder: Path) -> None:
    plan = found(folder, "--html", folder / "report")
    assert is_report(folder / "report")
    assert list((folder / "report/thumbs").rglob("*.jpg"))
    plan_without = Plan.read(found(folder))
    assert len(plan_without.groups) == 1
    assert [(each.path, "not searched" in each.reason) for each in plan_without.about.troubles] == [
        (str(folder / "report"), True)
    ]
    assert is_report(plan.with_name("plan-report"))
    pages = "".join(page.read_text() for page in (folder.parent / "plan-report").rglob("*.html"))
    assert "a (copy).png" in pages
    assert "--apply" in pages
    assert "not searched" in (folder.parent / "plan-report/index.html").read_text()


def test_a_folder_that_is_no_report_is_refused_before_the_work(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(folder)
    assert clean(folder, "--plan", folder.parent / "plan.json", "--html", folder) == 2
    assert "no report" in capsys.readouterr().err
    assert snapshot(folder) == before
    assert not (folder.parent / "plan.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name at least one FOLDER"),
        (["--apply", "plan.json", "folder"], "name no folders"),
        (["nowhere"], "no such"),
    ],
)
def test_what_makes_no_sense_is_told(capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        dedupe.main(arguments)
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.model
@pytest.mark.slow
def test_edited_copies_of_photographs_go_and_come_back(tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert make_redundant.main([str(SAMPLES), str(made), "--pictures", "12", "--copies", "24"]) == 0
    before, count = snapshot(made), len(files(made))
    command = [sys.executable, str(ROOT / "scripts/dedupe.py"), str(made), "--cache", str(tmp_path / "cache"), "--json"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr
    facts = json.loads(run.stdout)
    with (made / "truth.csv").open(encoding="utf-8", newline="") as file:
        copies = len(list(csv.DictReader(file)))
    assert facts["copies"]["near"] > 0
    assert sum(facts["copies"].values()) >= 0.8 * copies
    assert clean("--apply", tmp_path / "dedupe-plan.json") == 0
    assert len(files(made)) == count - sum(facts["copies"].values())
    assert clean("--undo", tmp_path / "dedupe-plan.json") == 0
    assert snapshot(made) == before
