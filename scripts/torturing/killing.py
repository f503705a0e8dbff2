"""A service that is to be killed, process by process or all at once: for scripts/torture.py."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

import requests

from retrieval.settings import Settings
from scripts.torturing.pictures import picture

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


class Victim:
    """`python app.py` in a process group of its own, gone at the end of the context in any case."""

    def __init__(self, settings: Settings) -> None:
        folder = settings.data_dir.parent
        config, self.log = folder / "config.json", folder / "service.log"
        config.write_text(json.dumps(settings.model_dump(mode="json")))  # JSON is YAML
        self.started = monotonic()
        self._session = requests.Session()
        self._session.trust_env = False
        with self.log.open("w") as output:
            command = [sys.executable, str(ROOT / "app.py"), "--config", str(config)]
            self.process = subprocess.Popen(  # noqa: S603
                command, stdout=output, stderr=output, start_new_session=True
            )
        self.url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill_all()

    def ready(self) -> float:
        """Wait until it is; seconds since its start."""
        self._wait(self._is_ready, "the service to be ready")
        return monotonic() - self.started

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request on a connection of its own, so that any worker may answer."""
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url + path, timeout=PATIENCE_S, **options)

    def images(self) -> Iterator[dict[str, Any]]:
        """All pictures, page by page; none where there is no collection yet."""
        after: int | None = 0
        while after is not None:
            answer = self.ask("GET", f"/images?limit=1000&after={after}")
            if answer.status_code == 404:
                return
            answer.raise_for_status()
            yield from answer.json()["images"]
            after = answer.json()["next"]

    def search(self, number: int) -> list[dict[str, Any]]:
        """Matches of a picture."""
        answer = self.ask("POST", "/search", json={"base64": picture(number), "top_k": 20})
        answer.raise_for_status()
        matches: list[dict[str, Any]] = answer.json()["matches"]
        return matches

    def run_job(self, kind: str) -> None:
        """Have a job done. Raises RuntimeError if it fails."""
        job = self.ask("POST", "/jobs", json={"kind": kind}).json()["id"]
        self._wait(lambda: self._job(job)["state"] in ("done", "failed"), f"the {kind}")
        if error := self._job(job)["error"]:
            raise RuntimeError(f"the {kind} failed: {error}")

    def kill_one(self, random: Random) -> str | None:
        """Kill any process; gives its kind."""
        mine = self._processes()
        if not mine:
            return None
        pid, command = random.choice(sorted(mine.items()))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has ended by itself
            return None
        return "job" if "job_runner" in command else "master" if pid == self.process.pid else "worker"

    def kill_all(self) -> None:
        """Every process of the group at once, and wait until none is left."""
        if self._processes():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        while self._processes():
            sleep(0.01)

    def stop(self) -> None:
        """In good order."""
        self.process.terminate()
        self.process.wait(PATIENCE_S)

    def _job(self, number: int) -> dict[str, Any]:
        job: dict[str, Any] = self.ask("GET", f"/jobs/{number}").json()
        return job

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the service does not start:\n{self.log.read_text()}")
        found = [line for line in self.log.read_text().splitlines() if "Listening at" in line]
        if not found:
            return False
        self.url = found[0].split("Listening at: ")[1].split()[0]
        return self.ask("GET", "/readyz").ok

    def _wait(self, look: Any, what: str) -> None:
        deadline = monotonic() + PATIENCE_S
        try:
            while not look():
                if monotonic() > deadline:
                    raise RuntimeError(f"waited too long for {what}:\n{self.log.read_text()}")
                sleep(0.02)
        except requests.RequestException as error:
            raise RuntimeError(f"{error}, though nobody killed it:\n{self.log.read_text()}") from error

    def _processes(self) -> dict[int, str]:
        """Pid and command line of each living process of the group."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:  # gone meanwhile
                continue
            if state != "Z" and int(group) == self.process.pid:
                found[int(folder.name)] = command
        return found
