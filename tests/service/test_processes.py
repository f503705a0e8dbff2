"""Workers and master come and go: killed, replaced, stopped."""

import os
import signal
import time
from pathlib import Path

import pytest
import requests

from tests.service.answers import is_exact
from tests.service.asking import small
from tests.service.server import serving, until

pytestmark = pytest.mark.slow
TWO_WORKERS = {"workers": 2, "threads": 16}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_killed_worker_is_replaced_and_nothing_is_lost(data_dir):
    with serving(data_dir, server=TWO_WORKERS) as server:
        before = until(lambda: len(server.workers()) == 2 and server.workers(), "two workers")
        for seed in range(10):
            server.add(small(seed), id=str(seed))
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(set(server.workers()) - {before[0]}) == 2, "a new worker", server)
        server.wait_until_ready()
        is_exact(server, range(10), queries=range(10))


def test_without_its_master_the_service_ends_and_can_be_started_again(data_dir):
    with serving(data_dir, server=TWO_WORKERS) as server:
        server.add(small(1), id="1")
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        until(lambda: not server.processes(), "the workers to notice", server)
    with serving(data_dir) as server:
        is_exact(server, [1], queries=[1])


def test_the_service_stops_soon_and_quietly_also_with_clients_that_keep_their_connection(data_dir):
    with serving(data_dir, server=TWO_WORKERS) as server, requests.Session() as idle:
        idle.trust_env = False
        assert idle.get(server.url + "/healthz", timeout=10).status_code == 200
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10
        assert "Traceback" not in server.log.read_text()
