"""Which aims a run has kept, and the medians that they are about."""

import pytest

from scripts import benchmark
from scripts.benchmarking.aims import LARGE, Aim, Verdict, verdicts
from scripts.benchmarking.figures import Columns, Figures, Rounds

SSCD = ("build_index, sscd: files/s", "immaculate, sscd: files/s")


def rounds(*pairs: tuple[float, float]) -> Rounds:
    return Rounds([dict(zip(SSCD, pair, strict=True)) for pair in pairs], {SSCD[0]: SSCD[1]})


def test_a_ratio_is_that_of_the_same_round() -> None:
    measured = rounds((10, 5), (30, 10), (12, 3))
    assert measured.figures == {SSCD[0]: 12, SSCD[1]: 5}
    assert measured.ratios == {SSCD[0]: 3}


@pytest.mark.parametrize(("ours", "reached"), [(2.4, False), (2.5, True), (9, True)])
def test_a_ratio_is_judged(ours: float, reached: bool, capsys: pytest.CaptureFixture[str]) -> None:
    (verdict,) = verdicts("files", rounds((ours, 1)))
    assert verdict.reached is reached
    assert benchmark.report({"files": rounds((ours, 1))}) == (0 if reached else 1)
    assert ("MISSED" in capsys.readouterr().out) is not reached


def test_nothing_is_said_of_a_peer_that_is_not_there() -> None:
    alone = Rounds([{SSCD[0]: 1.0}], {SSCD[0]: SSCD[1]})
    assert alone.ratios == {}
    assert verdicts("files", alone) == []


@pytest.mark.parametrize(("below", "value", "reached"), [(True, 2.1, False), (True, 2, True), (False, 1.9, False)])
def test_a_bound_is_part_of_what_is_promised(below: bool, value: float, reached: bool) -> None:
    assert Verdict(Aim("figure", 2, below=below), value).reached is reached


def test_the_index_is_judged_at_a_million_alone() -> None:
    figures: Figures = {"open: s": 3.0, "found first, turned as by edits": 0.99}
    judged = {each.aim.figure: each.reached for each in verdicts("index", Columns({LARGE: figures}, {}))}
    assert judged == {"open: s": False, "found first, turned as by edits": True}
    assert verdicts("index", Columns({1000: figures}, {})) == []
