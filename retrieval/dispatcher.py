"""Threads that answer requests, woken in the order that keeps a processor's caches warm."""

from threading import Lock

from waitress.task import ThreadedTaskDispatcher


class Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]  # waitress has no type hints
    """waitress's, but of the threads that rest the one that has rested least is woken.

    So there work, and take memory, only as many threads as there are requests at a time, not all in turn.
    """

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.queue_cv = _NewestFirst(self.lock)
        self.queue_logger.disabled = True  # requests that wait are counted, not warned of one by one
        self.set_thread_count(threads)


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
