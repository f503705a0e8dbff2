"""Threads of a dispatcher: all tasks are done, by as few threads as there are tasks at a time."""

from collections.abc import Iterator
from threading import Barrier, Event, Lock, current_thread
from time import sleep

import pytest

from retrieval.dispatcher import Dispatcher

THREADS = 8


class Task:
    """Notes who does it, when told to go on."""

    def __init__(self, done: list[str], go_on: Event | None = None) -> None:
        self.done, self.go_on, self.ended = done, go_on, Event()

    def service(self) -> None:
        if self.go_on:
            self.go_on.wait(10)
        self.done.append(current_thread().name)
        self.ended.set()

    def cancel(self) -> None:
        self.done.append("cancelled")


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    made = Dispatcher(THREADS)
    yield made
    made.shutdown(timeout=5)


def _rest(dispatcher: Dispatcher) -> None:
    while dispatcher.active_count:
        sleep(0.001)


def test_one_at_a_time_is_done_by_one_thread(dispatcher: Dispatcher) -> None:
    done: list[str] = []
    for _ in range(50):
        _rest(dispatcher)
        task = Task(done)
        dispatcher.add_task(task)
        assert task.ended.wait(10)
    assert len(set(done)) == 1


def test_as_many_at_a_time_as_there_are_threads(dispatcher: Dispatcher) -> None:
    done: list[str] = []
    met = Barrier(THREADS)

    class Meeting(Task):
        def service(self) -> None:
            met.wait(10)
            super().service()

    tasks = [Meeting(done) for _ in range(THREADS)]
    for task in tasks:
        dispatcher.add_task(task)
    assert all(task.ended.wait(10) for task in tasks)
    assert len(set(done)) == THREADS


def test_nothing_is_lost_in_a_rush(dispatcher: Dispatcher) -> None:
    done: list[str] = []
    tasks = [Task(done) for _ in range(5000)]
    for task in tasks:
        dispatcher.add_task(task)
    assert all(task.ended.wait(10) for task in tasks)
    assert len(done) == 5000


def test_a_task_that_fails_ends_no_thread(dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture) -> None:
    class Bad(Task):
        def service(self) -> None:
            raise MemoryError

    done: list[str] = []
    for _ in range(THREADS):
        dispatcher.add_task(Bad(done))
    last = Task(done)
    dispatcher.add_task(last)
    assert last.ended.wait(10)
    assert "MemoryError" in caplog.text


def test_the_end_waits_for_what_is_done_and_cancels_what_waits() -> None:
    done: list[str] = []
    go_on = Event()
    dispatcher = Dispatcher(1)
    first, second = Task(done, go_on), Task(done)
    dispatcher.add_task(first)
    dispatcher.add_task(second)
    while len(dispatcher.queue) > 1:
        sleep(0.001)
    lock: Lock = dispatcher.lock
    dispatcher.shutdown(timeout=0.05)
    assert done == ["cancelled"]
    go_on.set()
    assert first.ended.wait(10)
    assert not lock.locked()


def test_nobody_waits_where_none_may_and_threads_that_rest_are_no_queue() -> None:
    go_on, done = Event(), []
    dispatcher = Dispatcher(2)
    _rest(dispatcher)
    tasks = [Task(done, go_on) for _ in range(3)]
    assert [dispatcher.add_or_crowd_out(task, most=0) for task in tasks] == [None, None, tasks[2]]
    assert dispatcher.waiting == 0
    go_on.set()
    assert all(task.ended.wait(10) for task in tasks[:2])
    dispatcher.shutdown(timeout=5)
    assert len(done) == 2


def test_senders_take_turns_and_who_sends_most_is_crowded_out() -> None:
    go_on, done = Event(), []
    dispatcher = Dispatcher(1, sender=lambda task: task.sender)

    class Sent(Task):
        def __init__(self, sender: str) -> None:
            super().__init__(done, go_on)
            self.sender = sender

        def service(self) -> None:
            super().service()
            done[-1] = self.sender

    _rest(dispatcher)
    dispatcher.add_task(Sent("a"))
    while len(dispatcher.queue):
        sleep(0.001)
    crowded = [dispatcher.add_or_crowd_out(Sent(sender), most=4) for sender in "aaaabac"]
    assert [each and each.sender for each in crowded] == [None] * 4 + ["a", "a", "a"]
    assert dispatcher.waiting == 4
    go_on.set()
    while len(done) < 5:
        sleep(0.001)
    dispatcher.shutdown(timeout=5)
    assert "".join(done) == "aabca"
