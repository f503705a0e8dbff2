"""`python app.py` as its users run it: a process group of its own, asked over HTTP, killed at the end in any case."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests import chosen
from tests.service.asking import body

ROOT = Path(__file__).resolve().parents[2]
APP = (str(ROOT / "app.py"),)
PATIENCE_S = 60.0
LISTENING = re.compile(r"Listening at: (http://\S+)")


class Server:
    """A service under test. Every request is on a connection of its own, so any worker may answer it."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.url = ""

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request; `options` are those of requests."""
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url + path, timeout=PATIENCE_S, **options)

    def get(self, path: str) -> Any:
        """The JSON of a GET that must succeed."""
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def add(self, data: bytes, **fields: Any) -> requests.Response:
        """POST /add."""
        return self.ask("POST", "/add", json=body(data, **fields))

    def search(self, data: bytes, **fields: Any) -> list[dict[str, Any]]:
        """The matches of a POST /search that must succeed."""
        answer = self.ask("POST", "/search", json=body(data, **fields))
        assert answer.status_code == 200, answer.text
        matches: list[dict[str, Any]] = answer.json()["matches"]
        return matches

    def start_job(self, kind: str, **fields: Any) -> int:
        """POST /jobs."""
        answer = self.ask("POST", "/jobs", json={"kind": kind, **fields})
        assert answer.status_code == 202, answer.text
        number: int = answer.json()["id"]
        return number

    def job(self, number: int) -> dict[str, Any]:
        """The job once it has ended."""
        return until(lambda: self._ended(number), f"job {number} to end")

    def run_job(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Start a job and wait for its end."""
        return self.job(self.start_job(kind, **fields))

    def _ended(self, number: int) -> dict[str, Any] | None:
        job: dict[str, Any] = self.get(f"/jobs/{number}")
        return job if job["state"] in ("done", "failed") else None

    def wait_until_listening(self) -> None:
        """Read the address that the operating system gave from what the service prints."""
        self.url = until(self._address, "the service to listen", self)

    def wait_until_ready(self) -> None:
        """Wait until it listens and says that it is ready."""
        self.wait_until_listening()
        until(lambda: self.ask("GET", "/readyz").status_code == 200, "the service to be ready", self)

    def _address(self) -> str | None:
        assert self.process.poll() is None, f"the service has ended:\n{self.log.read_text()}"
        found = LISTENING.search(self.log.read_text())
        return found[1] if found else None

    def processes(self) -> dict[int, str]:
        """Pid and command line of each living process of the group."""
        return {pid: command for pid, (group, command) in _living().items() if group == self.process.pid}

    def workers(self) -> list[int]:
        """Pids of the serving processes."""
        own = {pid: command for pid, command in self.processes().items() if pid != self.process.pid}
        return [pid for pid, command in own.items() if "job_runner" not in command]

    def job_process(self) -> int:
        """Pid of the process of the job under way; waits for one."""
        return until(lambda: next(iter(self._job_processes()), None), "a job's process", self)

    def _job_processes(self) -> list[int]:
        return [pid for pid, command in self.processes().items() if "job_runner" in command]

    def stop(self, end: Callable[["Server"], None] | None = None) -> int:
        """SIGTERM, or another end, and wait for the last process; gives the exit status."""
        end(self) if end else self.process.terminate()
        status = self.process.wait(PATIENCE_S)
        until(lambda: not self.processes(), "the last process to end", self)
        return status

    def kill(self) -> None:
        """SIGKILL to every process of the group, at once."""
        if self.processes():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        until(lambda: not self.processes(), "the killed processes to end")


@contextmanager
def launched(
    data_dir: Path, program: tuple[str, ...] = APP, logs: Path | None = None, **changes: Any
) -> Iterator[Server]:
    """A service over a data folder, from the moment of its start; `changes` are sections of its configuration.

    Its configuration and its log are in the folder `logs`, beside the data folder if none is given.
    """
    beside = logs or data_dir.parent
    beside.mkdir(parents=True, exist_ok=True)
    serial = time.monotonic_ns()
    config, log = beside / f"config-{serial}.yaml", beside / f"log-{serial}.txt"
    config.write_text(json.dumps(configuration(data_dir, **changes)))  # JSON is YAML
    with log.open("wb") as output:
        process = start("--config", str(config), program=program, stdout=output, stderr=subprocess.STDOUT)
    server = Server(process, log)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def serving(data_dir: Path, **changes: Any) -> Iterator[Server]:
    """A service that is ready."""
    with launched(data_dir, **changes) as server:
        server.wait_until_ready()
        yield server


def start(
    *arguments: str, env: dict[str, str] | None = None, program: tuple[str, ...] = APP, **options: Any
) -> subprocess.Popen[bytes]:
    """`python app.py ARGUMENTS` in a session of its own, with no settings from outside but `env`."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("IMAGERETRIEVAL__")}
    command = [sys.executable, *program, *arguments]
    return subprocess.Popen(command, env=outside | (env or {}), start_new_session=True, **options)


def configuration(data_dir: Path, **changes: Any) -> dict[str, Any]:
    """Sections of a service for tests: a free port, no model, quick maintenance."""
    base: dict[str, Any] = {
        "data_dir": str(data_dir),
        "server": {"port": 0, "threads": 16},
        "extractor": {"model_dir": str(ROOT / ".models")} | chosen.section(),
        "maintenance": {"poll_s": 0.1, "inbox_settle_s": 0.0},
    }
    return {key: {**base.get(key, {}), **changes.get(key, {})} for key in (base | changes) if key != "data_dir"} | {
        "data_dir": str(data_dir)
    }


def until(look: Callable[[], Any], what: str, server: Server | None = None) -> Any:
    """The first true result of `look`; fails when it takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        log = f"\n{server.log.read_text()}" if server else ""
        assert time.monotonic() < deadline, f"waited too long for {what}{log}"
        time.sleep(0.02)
    return found


def _living() -> dict[int, tuple[int, str]]:
    """Process group and command line of each process that is not a zombie."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, UnicodeDecodeError):  # gone meanwhile
            continue
        if state != "Z":
            found[int(folder.name)] = (int(group), command)
    return found
