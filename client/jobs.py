"""`Client.jobs`."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from client.asking import Ask, given
from client.decode import decode
from client.errors import JobFailed, TookTooLong
from client.stored import Job
from client.transport import Request


class Jobs:
    """Maintenance work. Calls raise what Client's do."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def start(self, kind: str, collection: str | None = None, options: Mapping[str, Any] | None = None) -> Job:
        """Asks for "ingest", "rebuild", "calibrate" or "duplicates"; what waits already is not asked for twice."""
        fields = given(kind=kind, collection=collection, options=dict(options or {}) or None)
        return decode(Job, self._ask(Request("POST", "/jobs", json=fields)))

    def get(self, number: int) -> Job:
        """How far it has come."""
        return decode(Job, self._ask(Request("GET", f"/jobs/{int(number)}")))

    def list(self) -> "list[Job]":
        """The newest first, some hundred at most."""
        return [decode(Job, each) for each in self._ask(Request("GET", "/jobs"))["jobs"]]

    def wait(
        self,
        job: Job | int,
        progress: Callable[[Job], object] | None = None,
        *,
        poll: float = 0.5,
        timeout: float | None = None,
    ) -> Job:
        """The job once it is done; `progress` is called with it whenever it has changed.

        Asks every `poll` seconds, for `timeout` at most. Raises JobFailed, TookTooLong.
        """
        number = job if isinstance(job, int) else job.id
        deadline = None if timeout is None else time.monotonic() + timeout
        seen = None
        while not (now := self.get(number)).ended:
            if progress and now != seen:
                progress(now)
            if deadline is not None and time.monotonic() > deadline:
                raise TookTooLong(f"job {number} is still {now.state} after {timeout:g} s")
            seen = now
            time.sleep(poll)
        return _successful(now, progress)


def _successful(job: Job, progress: Callable[[Job], object] | None) -> Job:
    if progress:
        progress(job)
    if job.state == "failed":
        raise JobFailed(f"job {job.id} ({job.kind}) has failed: {job.error}", job)
    return job
