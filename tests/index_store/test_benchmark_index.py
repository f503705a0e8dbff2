"""scripts/benchmark_index.py: a small run of all of it."""

import json
from pathlib import Path

import pytest

from scripts import benchmark_index


@pytest.mark.slow
def test_what_is_measured_is_found_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "figures.json"
    benchmark_index.main(["--sizes", "1500", "--queries", "80", "--folder", str(tmp_path), "--json", str(out)])
    figures = json.loads(out.read_text())["1500"]
    assert figures["found first, turned in any direction"] == figures["found first, turned as by edits"] == 1
    assert all(value >= 0 for value in figures.values())
    assert figures["search: p99 ms"] >= figures["search: p50 ms"] > figures["index: p50 ms"] > 0
    assert set(figures) == {line.rpartition("  ")[0].strip() for line in capsys.readouterr().out.splitlines()[1:]}
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("like_edits", [False, True])
def test_drawn_vectors_are_of_norm_one_and_turned_ones_of_the_cosines_told(*, like_edits: bool) -> None:
    drawn = benchmark_index.Draw()(500)
    turned = benchmark_index.disturbed(drawn, like_edits=like_edits)
    low, high = benchmark_index.COSINES
    cosines = (drawn * turned).sum(axis=1)
    assert abs((drawn**2).sum(axis=1) - 1).max() < 1e-5
    assert low - 1e-5 <= cosines.min() < cosines.max() <= high + 1e-5
