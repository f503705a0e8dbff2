"""A rebuild of the index every so often, of a collection that has changed, watched from its start to its end."""

import threading
from time import monotonic, sleep
from typing import Any

import requests

from scripts.soaking.calls import Calls
from scripts.soaking.record import Rebuild, Record, Wrong

LOOK_S = 0.1
LATE_S = 300


class Rebuilds(threading.Thread):
    """Asks for one every `every` seconds, the first at once; after a long one there is a pause of half of that."""

    def __init__(self, port: int, record: Record, every: float, collection: str) -> None:
        super().__init__(name="rebuilds", daemon=True)
        self._stopping = threading.Event()
        self._record = record
        self._every = every
        self._collection = collection
        self._calls = Calls(port, record)

    def run(self) -> None:
        due = monotonic()
        while not self._stopping.wait(max(0, due - monotonic())):
            try:
                self._record.rebuilds.append(self._rebuild())
            except (Wrong, requests.RequestException, KeyError, ValueError) as error:
                self._record.error(f"rebuild: {type(error).__name__}: {error}")
            due = max(due + self._every, monotonic() + self._every / 2)
        self._calls.close()

    def stop(self) -> None:
        """Returns after the end of the one under way."""
        self._stopping.set()
        self.join()

    def _rebuild(self) -> Rebuild:
        """Raises Wrong where it fails, or finds nothing to do."""
        asked_at = monotonic()
        request = {"kind": "rebuild", "collection": self._collection}
        path = f"/jobs/{self._calls.ask('job', 'POST', '/jobs', 202, json=request).json()['id']}"
        started = monotonic()
        while (job := self._calls.ask("job", "GET", path, 200).json())["state"] in ("queued", "running"):
            if job["state"] == "queued":
                started = monotonic()
            if monotonic() - asked_at > LATE_S:
                raise Wrong(f"a rebuild has not ended after {LATE_S} s")
            sleep(LOOK_S)
        return Rebuild(started, monotonic(), _checked(job, self._collection))


def _checked(job: dict[str, Any], collection: str) -> dict[str, Any]:
    result: dict[str, Any] = (job["result"] or {}).get("collections", {}).get(collection, {})
    if job["state"] != "done" or not result.get("changed"):
        raise Wrong(f"a rebuild is {job['state']}: {job['error'] or result}")
    return result
