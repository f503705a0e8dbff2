"""Rate limits: no more than the quota goes through, it comes back evenly, and memory does not grow."""

import os
import threading
from collections.abc import Iterator

import pytest

from retrieval import allowances
from retrieval.allowances import PERIOD_S, SETS, WAYS, Allowances


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(allowances, "monotonic", clock)
    return clock


def test_the_quota_goes_through_and_not_one_more(clock: Clock) -> None:
    table = Allowances()
    taken = [table.take("a", 60) for _ in range(61)]
    assert [each.granted for each in taken] == [True] * 60 + [False]
    assert [each.remaining for each in taken] == [*range(59, -1, -1), 0]
    assert (taken[-1].retry_s, taken[-1].reset_s) == (pytest.approx(1.0), pytest.approx(60.0))


def test_it_comes_back_evenly_and_never_more_than_the_quota(clock: Clock) -> None:
    table = Allowances()
    table.take("a", 60, cost=60)
    clock.now += 2.5
    assert [table.take("a", 60).granted for _ in range(3)] == [True, True, False]
    clock.now += 100 * PERIOD_S
    assert [table.take("a", 60).granted for _ in range(61)].count(True) == 60


def test_what_is_refused_costs_nothing(clock: Clock) -> None:
    table = Allowances()
    table.take("a", 10, cost=6)
    assert not table.take("a", 10, cost=5).granted
    assert table.take("a", 10, cost=4).granted


def test_looking_costs_nothing(clock: Clock) -> None:
    table = Allowances()
    assert [table.peek("a", 1).granted for _ in range(3)] == [True] * 3
    table.take("a", 1)
    assert not table.peek("a", 1).granted


def test_a_cost_above_the_quota_takes_all_of_it(clock: Clock) -> None:
    table = Allowances()
    assert table.take("a", 5, cost=32).remaining == 0


def test_callers_do_not_share_what_they_have(clock: Clock) -> None:
    table = Allowances()
    table.take("a", 3, cost=3)
    assert table.take("b", 3).remaining == 2


def test_many_callers_take_no_more_memory_and_the_spent_are_remembered_longest(clock: Clock) -> None:
    table = Allowances()
    table.take("spent", 10, cost=10)
    size = len(table._memory)
    for number in range(2 * SETS * WAYS):
        table.take(f"caller {number}", 10)
    assert len(table._memory) == size == SETS * WAYS * 16
    assert not table.take("spent", 10).granted


def test_threads_together_get_the_quota(clock: Clock) -> None:
    table, granted = Allowances(), []

    def work() -> None:
        granted.extend(table.take("a", 500).granted for _ in range(200))

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert granted.count(True) == 500


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_processes_share_it() -> None:
    table = Allowances()
    child = os.fork()
    if child == 0:
        table.take("a", 3, cost=3)
        os._exit(0)
    os.waitpid(child, 0)
    assert not table.take("a", 3).granted
