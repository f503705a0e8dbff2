"""Threads that answer requests, by turns of who sent them, woken in the order that keeps a processor's caches warm."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

from waitress.task import ThreadedTaskDispatcher

from retrieval.turns import Turns


class Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]  # waitress has no type hints
    """waitress's, but of the threads that rest the one that has rested least is woken.

    So there work, and take memory, only as many threads as there are requests at a time, not all in turn.
    sender: of a task; the senders of those that wait take turns.
    """

    def __init__(self, threads: int, sender: Callable[[Any], Hashable] = lambda _: None) -> None:
        super().__init__()
        self._sender = sender
        self.queue = _Queue()
        self.queue_cv = _NewestFirst(self.lock)
        self.set_thread_count(threads)

    @property
    def waiting(self) -> int:
        """Tasks that wait for a thread."""
        return max(0, len(self.queue) - self._resting)

    def add_task(self, task: Any) -> None:
        """Have it done when its turn comes."""
        sender = self._sender(task)  # which may take long, so without the lock
        with self.lock:
            self.queue.add(sender, task)
            self.queue_cv.notify()

    def add_or_crowd_out(self, task: Any, most: int) -> Any | None:
        """Add a task; where `most` wait already, gives the newest one of who has most waiting, which is not done."""
        sender = self._sender(task)
        with self.lock:
            crowded = len(self.queue) >= most + self._resting
            self.queue.add(sender, task)
            out = self.queue.crowd_out() if crowded else None
            self.queue_cv.notify()
        return out

    @property
    def _resting(self) -> int:
        resting: int = len(self.threads) - self.stop_count - self.active_count
        return resting


class _Queue(Turns[Any]):
    """What a dispatcher needs of a deque."""

    def popleft(self) -> Any:
        return self.take()


class _NewestFirst:
    """What a dispatcher needs of a condition variable; to be used with its lock held."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._resting: list[Lock] = []

    def wait(self) -> None:
        woken = Lock()
        woken.acquire()
        self._resting.append(woken)
        self._lock.release()
        try:
            woken.acquire()
        finally:
            self._lock.acquire()

    def notify(self) -> None:
        if self._resting:
            self._resting.pop().release()

    def notify_all(self) -> None:
        while self._resting:
            self.notify()
