"""Batches under way at the same time, and what becomes of them when something goes wrong."""

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from itertools import count
from threading import Event, Timer
from threading import enumerate as threads

import pytest

from retrieval.pipeline import EMBEDDERS, LOOKAHEAD, in_batches

SOON = 10  # seconds


def begin(pool: Executor, batch: list[int]) -> "list[Future[int]]":
    return [pool.submit(abs, number) for number in batch]


def embed(batch: "list[Future[int]]") -> list[int]:
    return [number.result() for number in batch]


def test_outcomes_come_in_order() -> None:
    assert list(in_batches(range(-50, 0), 7, begin, embed, iter)) == list(range(50, 0, -1))
    assert list(in_batches([], 7, begin, embed, iter)) == []


def test_a_batch_is_embedded_while_an_earlier_one_is_stored() -> None:
    last_embedded = Event()

    def telling(batch: "list[Future[int]]") -> list[int]:
        numbers = embed(batch)
        if LOOKAHEAD in numbers:
            last_embedded.set()
        return numbers

    def waiting(numbers: list[int]) -> Iterator[int]:
        assert last_embedded.wait(SOON)
        return iter(numbers)

    assert list(in_batches(range(1 + LOOKAHEAD), 1, begin, telling, waiting)) == list(range(1 + LOOKAHEAD))


def test_two_batches_are_embedded_at_a_time() -> None:
    begun = [Event(), Event()]

    def meeting(batch: "list[Future[int]]") -> list[int]:
        (number,) = embed(batch)
        begun[number].set()
        assert begun[1 - number].wait(SOON)
        return [number]

    assert list(in_batches([0, 1], 1, begin, meeting, iter)) == [0, 1]


def test_of_a_walk_without_end_little_is_held() -> None:
    asked = count()
    outcomes = in_batches(iter(asked.__next__, None), 10, begin, embed, iter)
    for _ in range(500):
        next(outcomes)
    outcomes.close()
    assert next(asked) <= 500 + (1 + LOOKAHEAD) * 10


def test_an_error_is_raised_in_its_turn_and_ends_all_threads() -> None:
    def failing(batch: "list[Future[int]]") -> list[int]:
        numbers = embed(batch)
        if 3 in numbers:
            raise RuntimeError("the engine broke")
        return numbers

    outcomes = in_batches(range(100), 1, begin, failing, iter)
    assert [next(outcomes) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="the engine broke"):
        next(outcomes)
    assert not [thread for thread in threads() if thread.name.startswith(("embed_", "decode_"))]


def test_closing_drops_what_has_not_begun() -> None:
    closing, embedded = Event(), list[int]()

    def slow(batch: "list[Future[int]]") -> list[int]:
        (number,) = embed(batch)
        assert number == 0 or closing.wait(SOON)
        embedded.append(number)
        return [number]

    outcomes = in_batches(range(100), 1, begin, slow, iter)
    next(outcomes)
    Timer(0.2, closing.set).start()
    outcomes.close()
    assert len(embedded) <= 1 + EMBEDDERS < 1 + LOOKAHEAD
