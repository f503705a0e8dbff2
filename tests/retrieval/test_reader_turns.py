"""Batches share a few threads, for which their callers take turns."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Event
from typing import Any

import pytest

from retrieval.dispatcher import Dispatcher
from retrieval.query import Reader, _Task
from retrieval.turns import asking


@pytest.fixture
def reader() -> Any:
    """As much of a Reader as it takes, with one thread."""
    made = object.__new__(Reader)
    made._readers = Dispatcher(1, lambda task: task.caller)
    yield made
    made._readers.shutdown(timeout=5)


def test_a_batch_waits_for_one_picture_of_another_caller_at_a_time(reader: Any) -> None:
    begun, go_on, done = Event(), Event(), list[str]()

    def first() -> None:
        begun.set()
        go_on.wait(10)

    def batch(caller: str, calls: list[Any]) -> list[Any]:
        asking.set(caller)
        result: list[Any] = reader._by_turns(calls)
        return result

    with ThreadPoolExecutor(3) as pool:
        many = [first, *[lambda: done.append("a")] * 20]
        pool.submit(copy_context().run, batch, "a", many)
        assert begun.wait(10)
        few = pool.submit(copy_context().run, batch, "b", [lambda: done.append("b")] * 2)
        while reader._readers.waiting < 22:
            Event().wait(0.01)
        go_on.set()
        few.result(10)
    assert done.count("a") == 20
    assert "".join(done).rindex("b") <= 4


def test_an_error_is_raised_where_it_is_waited_for_and_the_rest_left_out(reader: Any) -> None:
    done: list[bool] = []

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        reader._by_turns([fail, *[lambda: done.append(Event().wait(0.01))] * 200])
    assert reader._by_turns([lambda: 7, lambda: 8]) == [7, 8]
    assert len(done) < 200


def test_who_waits_is_told_when_the_threads_end() -> None:
    task = _Task(lambda: 1)
    task.cancel()
    assert task.done.cancelled()
