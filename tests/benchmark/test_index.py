"""Synthetic vectors, and stores that are filled with them."""

from contextlib import closing
from pathlib import Path

import pytest

from scripts.benchmarking import filling, searching
from scripts.benchmarking.vectors import COSINES, Draw, chunks, disturbed


@pytest.mark.parametrize("like_edits", [False, True])
def test_drawn_vectors_are_of_norm_one_and_turned_ones_of_the_cosines_told(*, like_edits: bool) -> None:
    drawn = Draw()(500)
    turned = disturbed(drawn, like_edits=like_edits)
    low, high = COSINES
    cosines = (drawn * turned).sum(axis=1)
    assert abs((drawn**2).sum(axis=1) - 1).max() < 1e-5
    assert low - 1e-5 <= cosines.min() < cosines.max() <= high + 1e-5


def test_the_vectors_are_the_same_each_time() -> None:
    (first, one), (second, rest) = chunks(10_007)
    assert (first, second, len(one), len(rest)) == (0, 10_000, 10_000, 7)
    assert (one == next(chunks(20_000))[1]).all()


def test_a_filled_store_is_kept_and_a_half_filled_one_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "catalog.db").write_text("of a run that was interrupted")
    made = filling.filled(folder, 300)
    changed = (folder / "catalog.db").stat().st_mtime_ns
    assert made["add: vectors/s"] > 0
    assert filling.filled(folder, 300) == made
    assert (folder / "catalog.db").stat().st_mtime_ns == changed


@pytest.mark.slow
def test_a_kept_store_is_measured_again(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    filling.filled(folder, 1200)
    for _ in range(2):  # each adds a thousand others
        figures = searching.measured(folder, 1200, 50)
        assert figures["found first, turned as by edits"] == 1
        assert figures["as exact search, turned as by edits"] == 1
        assert figures["rebuilt and swapped in: s"] > 0
    with closing(filling.store_in(folder)) as store:
        assert store.catalog.count(store.collection(filling.NAME)) == 3200
