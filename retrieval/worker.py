"""A serving process under gunicorn's master, which starts, watches and replaces it."""

import os
import resource
import signal
from time import monotonic
from types import FrameType

from gunicorn.workers.base import Worker as BaseWorker

from retrieval.reception import Reception

FILES = 65536  # open at a time, if the system allows that many: connections, and bodies in temporary files
LAST_S = 2.0  # of the time for a graceful stop, kept for closing model, index and catalog


class Worker(BaseWorker):  # type: ignore[misc]  # gunicorn has no type hints
    """Ctrl-C in a terminal reaches every process: the master acts on it, and workers end in good order when it says so.

    What they start, such as the process of a job, inherits that.
    """

    _reception: Reception | None = None

    def init_signals(self) -> None:
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._reception is not None:
            self._reception.pull_trigger()

    def run(self) -> None:
        """Serve until told to stop, then answer what is under way."""
        _allow_many_files()
        metrics = self.wsgi.extensions["metrics"]
        (listener,) = (each.sock for each in self.sockets)
        access = self.wsgi.extensions["access"]
        self._reception = reception = Reception(self.wsgi, listener, self.app.bounds, access.knows, access.sender)
        while self.alive and self._has_parent():
            reception.poll()
            self.notify()
            metrics.received(reception.waiting, len(reception.active_channels))
        reception.stop()
        ends = monotonic() + self.cfg.graceful_timeout - LAST_S
        while reception.active_channels and monotonic() < ends:
            reception.poll(0.1)
            self.notify()
        self._reception = None  # a signal more has nothing to wake
        reception.close()

    def _has_parent(self) -> bool:
        return bool(self.ppid == os.getppid())


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
