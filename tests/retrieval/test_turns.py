"""Callers take turns, whoever comes first or with most; a model of lists says in which order."""

from collections import deque
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.room import Room
from retrieval.turns import Turns, asking


def _queue(*items: str) -> Turns[str]:
    """Of items whose first letter is their caller."""
    queue: Turns[str] = Turns()
    for item in items:
        queue.add(item[0], item)
    return queue


def _taken(queue: Turns[str]) -> list[str]:
    return [queue.take() for _ in range(len(queue))]


def test_who_has_much_waits_behind_himself() -> None:
    assert _taken(_queue("a1", "a2", "a3", "a4", "b1", "c1", "b2")) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_one_caller_is_served_in_order_of_arrival() -> None:
    assert _taken(_queue("a1", "a2", "a3")) == ["a1", "a2", "a3"]


@pytest.mark.parametrize(
    ("waiting", "out"),
    [
        (["a1", "a2", "b1"], "a2"),
        (["a1", "b1", "c1"], "c1"),
        (["b1", "a1", "a2", "c1"], "a2"),
        (["a1", "a2", "b1", "b2"], "b2"),
        (["a1"], "a1"),
    ],
)
def test_the_newest_of_who_has_most_is_crowded_out(waiting: list[str], out: str) -> None:
    queue = _queue(*waiting)
    assert queue.crowd_out() == out
    assert sorted(_taken(queue)) == sorted(set(waiting) - {out})


@given(st.lists(st.one_of(st.sampled_from("abcd"), st.just("take"), st.just("out"))))
def test_nothing_is_lost_and_nobody_waits_for_two_of_another(moves: list[str]) -> None:
    queue: Turns[tuple[str, int]] = Turns()
    waiting: dict[str, deque[int]] = {}
    passed: dict[str, list[str]] = {}  # of each caller who waits, who was served since he last was
    for number, move in enumerate(moves):
        if move == "take" and waiting:
            first = queue.first
            caller, item = queue.take()
            assert first == (caller, item)
            assert waiting[caller].popleft() == item
            for other, served in passed.items():
                if other != caller:
                    served.append(caller)
                    assert len(served) == len(set(served))
            passed[caller] = []
        elif move == "out" and waiting:
            caller, item = queue.crowd_out()
            assert len(waiting[caller]) == max(map(len, waiting.values()))
            assert waiting[caller].pop() == item
        elif move in "abcd":
            queue.add(move, (move, number))
            waiting.setdefault(move, deque()).append(number)
            passed.setdefault(move, [])
        waiting = {caller: line for caller, line in waiting.items() if line}
        passed = {caller: served for caller, served in passed.items() if caller in waiting}
        assert len(queue) == sum(map(len, waiting.values()))


def test_room_is_given_by_turns() -> None:
    """Of ten pictures of one caller and one of another, who comes last, the other's is the second to be let in."""
    room, order = Room(1), []

    def work(caller: str) -> None:
        asking.set(caller)
        with room.taken(1):
            order.append(caller)

    with room.taken(1):
        threads = []
        for caller in [*["a"] * 10, "b"]:
            threads.append(Thread(target=work, args=(caller,)))
            threads[-1].start()
            while len(room._waiting) < len(threads):
                pass
    for thread in threads:
        thread.join()
    assert order == ["a", "b", *["a"] * 9]


def test_a_thread_asks_for_nobody_in_particular_unless_told() -> None:
    seen: list[str | None] = []
    met = Barrier(2)

    def look() -> None:
        met.wait(10)
        seen.append(asking.get())

    asking.set("me")
    thread = Thread(target=look)
    thread.start()
    met.wait(10)
    thread.join()
    asking.set(None)
    assert seen == [None]
