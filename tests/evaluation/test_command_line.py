"""scripts/evaluate.py as it is run: on folders, on labelled sets, and with everything that may be wrong."""

import csv
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from scripts.evaluate import main
from tests.corpus import photo
from tests.service.server import ROOT

pytestmark = pytest.mark.slow

THUMBNAIL = "extractor.name=thumbnail"
FEW = ["--copies", "24"]


def evaluate(out, *arguments):
    assert main([*map(str, arguments), "--out", str(out)]) == 0
    return json.loads((out / "results.json").read_text())


def refused(capsys, *arguments):
    """The one line that is printed."""
    assert main([str(argument) for argument in arguments]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evaluate: ")]
    return line


def test_two_configurations_are_compared_on_the_same_copies(folder, tmp_path, capsys):
    written = evaluate(tmp_path, folder, *FEW, "--config", THUMBNAIL, "--config", "dhash", "--seed", 3)
    assert [result["name"] for result in written["results"]] == [THUMBNAIL, "dhash"]
    assert (written["parameters"]["seed"], written["queries"], written["strangers"]) == (3, 36, 12)
    sizes = [(result["dim"], result["bytes_per_picture"]) for result in written["results"]]
    assert sizes == [(192, 384), (64, 8)]
    for result in written["results"]:
        accuracy = result["accuracy"]
        assert 0.1 < accuracy["micro_ap"] <= 1
        assert set(accuracy["at_precision"]) == {"90%", "99%"}
        chains = [group["copies"] for group in accuracy["groups"] if group["name"].startswith("chain")]
        assert chains == [6, 6]
    table = capsys.readouterr().out
    assert f"| {THUMBNAIL} | " in table
    assert "| chain of 2 | 6 | " in table


def test_a_thorough_search_is_measured_beside_a_plain_one(folder, tmp_path):
    thorough = f"{THUMBNAIL},search.mode=thorough"
    given = ["--copies", 80, "--strengths", "medium,weak", "--config", THUMBNAIL, "--config", thorough]
    written = evaluate(tmp_path, folder, *given)
    plain, parts = (result["accuracy"] for result in written["results"])
    assert written["parameters"]["strengths"] == ["weak", "medium"]
    assert parts["recall_at_1"] > plain["recall_at_1"] + 0.05
    for result in written["results"]:
        assert min(result["ms_per_picture"], result["ms_per_query"]) > 0


def test_the_same_command_gives_the_same_figures(folder, tmp_path):
    first, second = (evaluate(tmp_path, folder, *FEW, "--config", "phash")["results"][0] for _ in range(2))
    assert first["accuracy"] == second["accuracy"]


def test_the_report_is_one_file_with_pictures_and_charts(folder, tmp_path):
    evaluate(tmp_path, folder, *FEW, "--config", "dhash")
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert page.count("data:image/jpeg;base64,") > 6
    assert 'src="data:' in page
    assert 'src="http' not in page
    for name in ("edits.png", "precision_recall.png"):
        with Image.open(tmp_path / name) as chart:
            assert min(chart.size) > 300


def test_names_of_files_are_escaped(tmp_path):
    for seed in range(6):
        photo(seed, (90, 60)).save(tmp_path / f"<img src=x>&{seed}.png")
    evaluate(tmp_path / "out", tmp_path, *FEW, "--config", "dhash")
    page = (tmp_path / "out/report.html").read_text()
    assert "&lt;img src=x&gt;&amp;" in page
    assert "<img src=x>" not in page


def test_a_broken_picture_is_reported_and_passed_over(tmp_path, capsys):
    for seed in range(6):
        photo(seed, (90, 60)).save(tmp_path / f"{seed}.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    assert evaluate(tmp_path / "out", tmp_path, *FEW, "--config", "dhash")["parameters"]["pictures"] == 6
    assert "passed over: " in capsys.readouterr().err


@pytest.fixture
def copies(tmp_path):
    """Originals, re-encoded copies of them, two strangers, and a CSV that says so."""
    (tmp_path / "originals").mkdir()
    rows = [["query", "note", "reference"]]
    for seed in range(8):
        photo(seed).save(tmp_path / f"originals/{seed}.png")
        photo(seed).resize((200, 160)).save(tmp_path / f"copy{seed}.jpg", quality=40)
        rows.append([f"copy{seed}.jpg", "é, a note", f"originals/{seed}.png"])
    for seed in (100, 101):
        photo(seed).save(tmp_path / f"stranger{seed}.jpg")
        rows.append([f"stranger{seed}.jpg", "", ""])
    write_csv(tmp_path / "pairs.csv", rows)
    return tmp_path


def write_csv(file, rows):
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows(rows)


def test_labelled_pairs(copies):
    written = evaluate(copies / "out", "--pairs", copies / "pairs.csv", "--config", "dhash", "--config", THUMBNAIL)
    assert (written["references"], written["queries"], written["strangers"]) == (8, 10, 2)
    for result in written["results"]:
        assert (result["accuracy"]["micro_ap"], result["accuracy"]["recall_at_1"]) == (1, 1)
    assert (copies / "out/report.html").exists()


def test_all_pictures_of_a_references_folder_are_searched(copies):
    rows = [["query", "reference"], ["copy1.jpg", "1.png"], ["copy2.jpg", "2.png"], ["copy1.jpg", "1.png"]]
    write_csv(copies / "few.csv", rows)
    arguments = ["--pairs", copies / "few.csv", "--references", copies / "originals", "--config", "dhash"]
    written = evaluate(copies / "out", *arguments)
    assert (written["references"], written["queries"], written["strangers"]) == (8, 2, 0)


def test_a_picture_is_not_found_by_itself(copies):
    """Originals and copies on both sides: the nearest to each is itself, which counts for nothing."""
    pairs = [(f"copy{seed}.jpg", f"originals/{seed}.png") for seed in range(8)]
    write_csv(copies / "both.csv", [["query", "reference"], *pairs, *[pair[::-1] for pair in pairs]])
    written = evaluate(copies / "out", "--pairs", copies / "both.csv", "--config", THUMBNAIL)
    found = written["results"][0]["accuracy"]
    assert (found["micro_ap"], found["recall_at_1"]) == (1, 1)


def test_a_query_whose_reference_is_gone_is_no_stranger(copies):
    before = evaluate(copies / "out", "--pairs", copies / "pairs.csv", "--config", "dhash")
    photo(3).save(copies / "lost.png")
    with (copies / "pairs.csv").open("a", encoding="utf-8") as table:
        table.write("lost.png,,nowhere.png\n")
    after = evaluate(copies / "out", "--pairs", copies / "pairs.csv", "--config", "dhash")
    assert after["results"][0]["accuracy"] == before["results"][0]["accuracy"]


def test_a_pair_whose_picture_is_missing_is_reported_and_passed_over(copies, capsys):
    write_csv(copies / "pairs.csv", [["query", "reference"], ["copy1.jpg", "originals/1.png"], ["x.jpg", "y.png"]])
    written = evaluate(copies / "out", "--pairs", copies / "pairs.csv", "--config", "dhash")
    assert (written["references"], written["queries"]) == (1, 1)
    errors = capsys.readouterr().err
    assert "x.jpg: " in errors
    assert "y.png: " in errors


def test_folders_as_classes(tmp_path, capsys):
    for seed in range(5):
        (tmp_path / f"set/{seed}").mkdir(parents=True)
        for quality in (90, 50, 20):
            photo(seed).save(tmp_path / f"set/{seed}/{quality}.jpg", quality=quality)
    (tmp_path / "set/alone").mkdir()
    photo(77).save(tmp_path / "set/alone/one.jpg")
    written = evaluate(tmp_path / "out", "--classes", tmp_path / "set", "--config", THUMBNAIL, "--config", "pdq")
    for result in written["results"]:
        ones = {"1": 1.0, "2": 1.0, "4": 1.0, "8": 1.0}
        assert result["accuracy"] == {"queries": 15, "mean_ap": 1.0, "recall_at": ones}
    assert "| pdq | 1.000 |" in capsys.readouterr().out


def test_what_is_wrong_is_said_in_a_line(folder, tmp_path, capsys):
    (tmp_path / "bad.yaml").write_text("extractor:\n  sise: 3\n  name: 5\n")
    (tmp_path / "no.csv").write_text("a,b\n1,2\n")
    (tmp_path / "none.csv").write_text("query,reference\nx,y\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "lonely/a").mkdir(parents=True)
    photo(1).save(tmp_path / "lonely/a/1.png")
    (tmp_path / "flat").mkdir()
    for seed in (1, 2):
        photo(seed).save(tmp_path / f"flat/{seed}.png")
    (tmp_path / "good.yaml").write_text("extractor.size: [224]\n")
    (tmp_path / "grid.yaml").write_text("extractor.sise: [3]\n")
    (tmp_path / "scalar.yaml").write_text("extractor.size: 224\n")
    cases = {
        "no such folder": [tmp_path / "absent"],
        "no pictures in": [tmp_path / "empty", "--config", THUMBNAIL],
        "give one of FOLDER, --pairs and --classes": [],
        "extractor.sise: unknown setting": [folder, "--config", tmp_path / "bad.yaml"],
        "extractor.nam: unknown setting": [folder, "--config", "extractor.nam=sscd"],
        "'oops' is not KEY=VALUE": [folder, "--config", "default,oops"],
        "not valid YAML": [folder, "--config", "extractor.size=[1"],
        "No such file": [folder, "--config", "absent.yaml"],
        "as a value and as a section": [folder, "--config", "extractor=1,extractor.size=224"],
        "given twice": [folder, "--config", "dhash", "--config", "dhash"],
        "must not be a baseline": [folder, "--config", "dhash", "--grid", tmp_path / "good.yaml"],
        "extractor.sise: unknown": [folder, "--grid", tmp_path / "grid.yaml"],
        "expected a list of values": [folder, "--grid", tmp_path / "scalar.yaml"],
        "absent.yaml": [folder, "--grid", tmp_path / "absent.yaml"],
        "the column query and reference": ["--pairs", tmp_path / "no.csv", "--config", THUMBNAIL],
        "no pair of the CSV has both its pictures": ["--pairs", tmp_path / "none.csv", "--config", THUMBNAIL],
        "all pictures are in one folder": ["--classes", tmp_path / "flat", "--config", "dhash"],
        "no folder holds two": ["--classes", tmp_path / "lonely", "--config", "dhash"],
    }
    for expected, arguments in cases.items():
        assert expected in refused(capsys, *arguments, "--out", tmp_path / "out"), expected


def test_a_missing_model_names_the_way_out(folder, tmp_path, capsys):
    line = refused(capsys, folder, "--config", f"default,extractor.model_dir={tmp_path}", "--out", tmp_path)
    assert "make setup" in line


def test_a_baseline_that_is_not_installed(folder, tmp_path, capsys, monkeypatch):
    for name, library in [("dhash", "imagehash"), ("pdq", "pdqhash")]:
        monkeypatch.setitem(sys.modules, library, None)
        assert "requirements-evaluate.txt" in refused(capsys, folder, "--config", name, "--out", tmp_path)


def test_charts_that_cannot_be_drawn_are_known_at_once(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "requirements-evaluate.txt" in refused(capsys, folder, "--config", THUMBNAIL, "--out", tmp_path)


@pytest.mark.parametrize(
    "arguments", [["--copies", "0"], ["--strangers", "1"], ["--seed", "-1"], ["--batch", "x"], ["--strengths", "mild"]]
)
def test_numbers_out_of_range(folder, arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([str(folder), *arguments])
    assert "error: argument" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_ends_it_without_a_traceback(folder, tmp_path):
    command = [sys.executable, "scripts/evaluate.py", str(folder), "--copies", "20000", "--out", str(tmp_path)]
    # A shell that runs the tests in the background has its children ignore Ctrl-C.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "--config", THUMBNAIL], cwd=ROOT, preexec_fn=heed, **pipes) as running:  # noqa: PLW1509
        assert "20000 copies" in next(line for line in running.stderr if "copies" in line)
        time.sleep(0.5)
        os.kill(running.pid, signal.SIGINT)
        errors = running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert "evaluate: interrupted" in errors
    assert "Traceback" not in errors


CALIBRATING = {"edited.py", "calibrate.py"}  # they make edited copies


@pytest.mark.parametrize("package", ["extractor", "index_store", "retrieval"])
def test_nothing_of_the_service_knows_the_evaluation_but_what_calibrates(package):
    for path in (path for path in (ROOT / package).glob("*.py") if path.name not in CALIBRATING):
        imports = [line for line in path.read_text().splitlines() if re.match(r"\s*(from|import)\b", line)]
        assert not [line for line in imports if re.search(r"\bevaluation\b", line)], path


def test_the_service_and_the_package_import_no_baseline_and_no_chart():
    code = "import app, scripts.evaluate, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True)
    assert not set(done.stdout.split()) & {"imagehash", "pdqhash", "matplotlib", "scipy"}
