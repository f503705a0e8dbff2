"""A service of one's own, for scripts that measure over HTTP."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import requests

from retrieval.settings import Settings

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Service:
    """A service that is ready. pid: of its first process, the parent of the others."""

    port: int
    pid: int
    log: Path


@contextmanager
def serving(settings: Settings) -> Iterator[int]:
    """`python app.py` over the data folder, ready; gives its port."""
    with service_of(settings) as service:
        yield service.port


@contextmanager
def service_of(settings: Settings) -> Iterator[Service]:
    """`python app.py` over the data folder, ready; it ends with the block."""
    folder = settings.data_dir
    config = folder / "benchmark.yaml"
    config.write_text(json.dumps(settings.model_dump(mode="json")))  # JSON is YAML
    log = folder / "service.log"
    with log.open("w") as output:
        command = [sys.executable, str(ROOT / "app.py"), "--config", str(config)]
        service = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603
    try:
        yield Service(_port_when_ready(service, log), service.pid, log)
    finally:
        service.terminate()
        service.wait()


def _port_when_ready(service: "subprocess.Popen[bytes]", log: Path) -> int:
    while service.poll() is None:
        found = [line for line in log.read_text().splitlines() if "Listening at" in line]
        if found:
            port = int(found[0].split("(")[0].rsplit(":", 1)[1])
            if requests.get(f"http://127.0.0.1:{port}/readyz", timeout=60).ok:
                return port
        sleep(0.1)
    raise SystemExit(f"the service did not start:\n{log.read_text()}")
