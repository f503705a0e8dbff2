"""scripts/benchmark.py: a small run of each part, and what it says of options that make no sense."""

import json
import platform
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scripts import benchmark
from scripts.benchmarking.aims import AIMS
from scripts.benchmarking.service import CLIENTS, search_by
from tests.corpus import encoded, photo

pytestmark = pytest.mark.any_extractor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    for number in range(6):
        (made / f"{number}.jpg").write_bytes(encoded(photo(number), "JPEG"))
    return made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "thumbnails.yaml"
    path.write_text("extractor: {name: thumbnail}\n")
    return path


def written(part: str, *arguments: object, out: Path) -> dict[str, Any]:
    """What a run of one part writes, charts and all; its exit status is that of its aims."""
    figures, plots = out / "made/figures.json", out / "made/plots"
    options = ["--parts", part, "--json", figures, "--plots", plots, *arguments]
    status = benchmark.main([str(each) for each in options])
    told: dict[str, Any] = json.loads(figures.read_text())
    assert status == (0 if all(aim["reached"] for aim in told["aims"]) else 1)
    assert list(told["parts"]) == [part]
    for path in plots.iterdir():
        with Image.open(path) as chart:
            assert chart.format == "PNG" and min(chart.size) > 200
            assert len(set(chart.convert("L").tobytes())) > 10, f"{path.name} is blank"
    told["charts"] = {path.name for path in plots.iterdir()}
    return told


@pytest.mark.slow
def test_the_service_is_measured_and_told(
    folder: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--config", config, "--rounds", 2, "--pictures", 70)
    run = written("service", *options, folder, out=tmp_path)
    part, told = run["parts"]["service"], capsys.readouterr().out
    assert len(part["rounds"]) == 2
    for clients in CLIENTS:
        name = search_by(clients)
        assert 0 < part["figures"][f"{name}: p50 ms"] <= part["figures"][f"{name}: p99 ms"]
        assert part["figures"][f"{name}: requests/s"] > 0
        assert f"{name}: p50 ms" in told
    assert part["figures"]["start-up: s"] > 0
    added, searched = ("/add with reject, 16 clients: requests/s", "/search, 16 clients: requests/s")
    ratios = sorted(each[added] / each[searched] for each in part["rounds"])
    assert ratios[0] <= part["ratios"][added] <= ratios[1]
    # ONNX Runtime does not run thumbnails, so nothing can be said of one aim.
    assert {aim["figure"] for aim in run["aims"]} == {aim.figure for aim in AIMS["service"]} - {
        "bare batched: pictures/s"
    }
    assert run["charts"] == {"service-throughput.png", "service-latency.png"}


@pytest.mark.slow
def test_folders_of_files_are_measured_and_told(
    folder: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = written("files", "--config", config, "--rounds", 1, "--files", 20, folder, out=tmp_path)
    figures, told = run["parts"]["files"]["figures"], capsys.readouterr().out
    for program in ("build_index, thumbnail", "imagehash, phash"):
        assert 0 < figures[f"{program}: files/s"] <= figures[f"{program}: files/s after start-up"]
        assert figures[f"{program}: files/s"] < 20 / 0.1  # no Python starts and does this in less
        assert figures[f"{program}: start-up s"] > 0.1
        assert f"{program}: files/s after start-up" in told
    ours = figures["build_index, thumbnail: files/s while adding"]
    assert ours > figures["build_index, thumbnail: files/s"]
    assert run["charts"] == {"files.png"}
    assert run["aims"] == []  # which are about the models


@pytest.mark.slow
def test_the_index_is_measured_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # training of little waits for threads more than it works, on busy cores
    run = written("index", "--sizes", "1e3", "1500", "--queries", "80", "--peers-up-to", "1e3", out=tmp_path)
    sizes, peers = run["parts"]["index"]["sizes"], run["parts"]["index"]["peers"]
    for figures in sizes.values():
        assert figures["found first, turned in any direction"] == figures["found first, turned as by edits"] == 1
        assert figures["as exact search, turned as by edits"] == 1
        assert all(value >= 0 for value in figures.values())
        assert figures["search: p99 ms"] >= figures["search: p50 ms"] > figures["index: p50 ms"] > 0
    assert {name: list(found) for name, found in peers.items()} == {name: ["1000"] for name in peers}
    assert peers["FAISS, flat"]["1000"]["as exact search, turned as by edits"] == 1
    assert 0.2 < peers["FAISS, IVF"]["1000"]["found first, turned as by edits"] < 1  # looks at one list
    assert peers["usearch"]["1000"]["found first, turned as by edits"] > 0.9
    assert peers["FAISS, flat"]["1000"]["disk, index: bytes a vector"] == pytest.approx(4 * 512, rel=0.01)
    assert run["aims"] == []  # which are about a million
    assert run["charts"] == {f"index-{name}.png" for name in ("latency", "build", "memory", "disk", "found")}
    assert set(figures) | set(peers) <= first_columns(capsys.readouterr().out)


def first_columns(table: str) -> set[str]:
    return {line.split("  ")[0] for line in table.splitlines()}


def test_the_machine_is_described_without_names_of_it(config: Path) -> None:
    described = benchmark.machine()
    assert described["cores"] >= 1 and described["memory_gib"] > 0 and described["processor"]
    assert {"numpy", "faiss-cpu", "usearch"} <= set(described["libraries"])
    told = json.dumps(described) + benchmark.in_words(described)
    assert str(config.parent) not in told and platform.node() not in told


def test_a_folder_without_pictures_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main([str(tmp_path)]) == 2
    assert f"no pictures in {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--parts", "service"], "name a FOLDER"),
        (["--parts", "index", "walls"], "invalid choice: 'walls'"),
        (["--parts", "index", "--keep"], "--keep goes with --store"),
        (["--parts", "index", "--store", "nowhere"], "no such folder: nowhere"),
        (["--parts", "index", "--sizes", "0"], "--sizes"),
        (["--parts", "index", "--sizes", "1e3.5"], "--sizes"),
        (["--parts", "index", "--queries", "few"], "--queries"),
    ],
)
def test_options_that_make_no_sense_are_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        benchmark.main(arguments)
    assert stop.value.code == 2
    assert told in capsys.readouterr().err


def test_settings_that_make_no_sense_are_told(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("extractor: {nmae: sscd}\n")
    assert benchmark.main([str(folder), "--parts", "files", "--config", str(wrong)]) == 2
    assert "nmae" in capsys.readouterr().err
