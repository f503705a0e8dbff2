"""What the parts of a process tell whoever watches them: that there are metrics they do not know.

A request sets its watch in the context, which goes with it into the threads that read its pictures; without a
request, as in scripts and jobs, nobody watches.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Literal

Stage = Literal["fetch", "decode", "queue", "embed", "parts", "search", "store"]


class Watch:
    """What can be told. This one forgets all of it; a subclass remembers what it overrides."""

    def stage(self, stage: Stage, seconds: float) -> None:
        """One picture has gone through a stage, well or not."""

    def waiting(self, pictures: int) -> None:
        """So many more pictures wait to be embedded; fewer, where it is negative."""

    def batched(self, pictures: int, waited_s: Sequence[float], took_s: float) -> None:
        """So many pictures were embedded together, after waiting so long, in so long."""

    def fetched(self, outcome: str) -> None:
        """A URL was `fetched`, or was not, for a reason of FetchError."""

    def searched(self, verdict: str) -> None:
        """A picture was searched for, with this verdict."""

    def added(self, status: str) -> None:
        """A picture was to be remembered, and this became of it."""

    def refused(self, slug: str) -> None:
        """A request, or one picture of it, was answered with a problem document of this type."""

    def received(self, waiting: int, connections: int) -> None:
        """So many requests wait for a thread, on so many connections in all."""

    def ready(self, is_ready: bool) -> None:
        """Whether this process can answer."""

    def owner(self, is_owner: bool) -> None:
        """Whether this process looks after maintenance."""


UNWATCHED = Watch()
_watch: ContextVar[Watch] = ContextVar("watch", default=UNWATCHED)


def watch() -> Watch:
    """Whoever watches the request that is being answered."""
    return _watch.get()


def watched_by(watcher: Watch) -> None:
    """From now on `watcher` is told what this thread does; UNWATCHED for nobody."""
    _watch.set(watcher)


@contextmanager
def timed(stage: Stage) -> Iterator[None]:
    """Tells how long its body took."""
    started = perf_counter()
    try:
        yield
    finally:
        watch().stage(stage, perf_counter() - started)
