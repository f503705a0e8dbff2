"""Programs that find copies, what is measured of them, and the command that compares them."""

import json
import shutil
import sys
import threading
import time
from _thread import interrupt_main
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from scripts import compare_dedupe, make_redundant
from scripts.benchmarking import finders, hash_pairs, imagededup_python, immaculate
from scripts.benchmarking.figures import BenchmarkError
from scripts.benchmarking.finders import FindsCopies, Outcome, PairLister
from scripts.benchmarking.watched import Watched, watch
from scripts.soaking.watch import PROC
from tests.cleaning.drawn import saved

HUNDRED_MB = "sum(range(3_000_000)); data = b'x' * 100_000_000; import time; time.sleep(1.2)"


def test_what_children_take_counts_too() -> None:
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HUNDRED_MB!r}]); {HUNDRED_MB}"
    watched = watch([sys.executable, "-c", script])
    assert watched.status == 0
    assert watched.seconds > 2.4
    assert 0.05 < watched.processor < watched.seconds
    assert 100e6 < watched.peak < 200e6  # one after the other


def test_a_program_does_not_outlive_an_interruption(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    script = f"import os, pathlib, time; pathlib.Path({str(told)!r}).write_text(str(os.getpid())); time.sleep(60)"
    threading.Timer(0.5, interrupt_main).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        watch([sys.executable, "-c", script])
    assert time.monotonic() - started < 20
    assert not (PROC / told.read_text()).exists()


def test_close_hashes_are_those_of_exact_search() -> None:
    rng = np.random.default_rng(0)
    base = [int(value) for value in rng.integers(0, 2**63, 8)]
    near = [value ^ sum(1 << int(bit) for bit in rng.choice(64, count + 2, False)) for count, value in enumerate(base)]
    hashes = {str(number): value for number, value in enumerate([*base, *near])}
    exact = {pair for pair in combinations(hashes, 2) if (hashes[pair[0]] ^ hashes[pair[1]]).bit_count() <= 5}
    assert len(exact) >= 4
    assert set(hash_pairs.pairs(hashes)) == exact


def test_all_pairs_of_a_set_count_once_wherever_paths_begin(tmp_path: Path) -> None:
    a, b, c = (str(tmp_path / name) for name in ("a", "sub/b", "c"))
    assert finders.pairs_of(tmp_path, [["sub/b", "a", c], [c, a]]) == {(a, c), (a, b), (c, b)}


def test_figures_of_pairs() -> None:
    """Two copies of /a, one of /b: all that is said of /a, and that a copy of it is one of /b."""
    truth = {"/a1": ("/a", "crop"), "/a2": ("/a", "text"), "/b1": ("/b", "text")}
    said = frozenset({("/a", "/a1"), ("/a", "/a2"), ("/a1", "/a2"), ("/a1", "/b1")})
    row = compare_dedupe.row("said", Outcome(Watched(0, "", "", 2.0, 3.5, 5_000_000), said), truth)
    assert (row.pairs, row.wrong, row.found, row.known) == (4, 1, 2, 3)
    assert row.told() == "| said | 2.0 | 3.5 | 5 | 4 | 1 | 0.7500 | 0.6667 |"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Four originals, twelve edited copies, two exact ones, five broken files."""
    for seed in range(4):
        saved(tmp_path / f"photos/{seed}.jpg", seed, (192, 128))
    amounts = make_redundant.Amounts(4, 12, 2, 5)
    make_redundant.make(sorted((tmp_path / "photos").iterdir()), tmp_path / "made", amounts)
    return tmp_path / "made"


def test_runs_are_compared_as_a_table_and_as_json(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, figures = tmp_path / "config.yaml", tmp_path / "figures.json"
    config.write_text("extractor: {name: thumbnail}\n")
    options = ["--no-peers", "--config", str(config), "--json", str(figures)]
    assert compare_dedupe.main([str(made), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.count("|") for line in lines if line.startswith("|")] == [9] * 4
    first, second = json.loads(figures.read_text())["rows"]
    assert first["known"] == 14
    assert first["found"] >= 2  # the exact ones at least
    assert {**first, **{name: second[name] for name in ("name", "seconds", "processor", "peak")}} == second
    assert min(first["seconds"], first["processor"], first["peak"]) > 0


def test_imagehash_finds_what_is_hardly_changed_and_passes_over_what_is_broken(made: Path) -> None:
    shutil.copy(made / "originals/0.jpg", made / "again.jpg")
    program = PairLister("ImageHash, pHash", [sys.executable, "-m", "scripts.benchmarking.hash_pairs"])
    found = program.run(made).pairs
    assert (str(made / "again.jpg"), str(made / "originals/0.jpg")) in found
    assert not [pair for pair in found if "broken" in "".join(pair)]


class Fails(FindsCopies):
    """Says so."""

    name = "fails"

    def run(self, folder: Path) -> Outcome:
        return Outcome(self._watched([sys.executable, "-c", "raise SystemExit('no luck')"]), frozenset())


def test_a_peer_that_fails_is_left_out_and_told(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    works = PairLister("works", [sys.executable, "-c", "print('{\"pairs\": []}')"])
    talks = PairLister("talks", [sys.executable, "-c", "print('hello')"])
    assert [row.name for row in compare_dedupe.compare(made, {}, [works, Fails(), talks, works])] == ["works", "works"]
    told = capsys.readouterr().err
    assert "fails is left out: fails failed with status 1:\nno luck" in told
    assert "talks is left out: talks has not printed JSON" in told
    with pytest.raises(BenchmarkError, match="no luck"):
        list(compare_dedupe.compare(made, {}, [Fails(), works]))


def test_peers_that_cannot_be_installed_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for install in (immaculate.command, imagededup_python.interpreter):
        monkeypatch.setattr(install, "__defaults__", (None, tmp_path / "peers"))
    assert [each.name for each in finders.peers("no-such-python")] == ["ImageHash, pHash"]
    told = capsys.readouterr().err
    assert "immaculate is left out: it needs Python 3.12" in told
    assert "imagededup is left out: it needs Python 3.12" in told


def test_a_folder_that_was_not_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare_dedupe.main([str(tmp_path)]) == 2
    assert "truth.csv" in capsys.readouterr().err
    (tmp_path / "truth.csv").write_text("a,b\n1,2\n")
    assert compare_dedupe.main([str(tmp_path)]) == 2
    assert "has no column 'path'" in capsys.readouterr().err
