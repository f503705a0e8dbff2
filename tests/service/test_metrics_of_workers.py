"""Several workers serve one port: a scrape that reaches any of them is of all."""

import os
import signal
from pathlib import Path

import pytest

from tests.service.asking import small
from tests.service.scraped import Scrape
from tests.service.server import Server, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.any_extractor]
TWO_WORKERS = {"workers": 2, "threads": 16}


def scrapes(server: Server) -> Scrape:
    return Scrape(server.ask("GET", "/metrics").text)


def kept_at(server: Server) -> Path:
    """The folder that the workers count in."""
    environment = Path(f"/proc/{server.workers()[0]}/environ").read_bytes()
    maps = Path(f"/proc/{server.workers()[0]}/maps").read_text()
    assert environment
    return Path(next(line.split()[-1] for line in maps.splitlines() if line.endswith(".db"))).parent


def test_two_workers_add_up_and_a_killed_one_stays_counted(tmp_path):
    with serving(tmp_path / "data", server=TWO_WORKERS) as server:
        until(lambda: sum(scrapes(server).samples[key] for key in ready(server)) == 2, "two ready workers", server)
        server.add(small(1), id="1")
        for _ in range(30):
            server.search(small(1))
        pages = [scrapes(server) for _ in range(8)]
        for page in pages:
            assert page("http_requests_total", route="search", method="POST", status="200") == 30
            assert page("searches_total", verdict="duplicate") == 30
            assert page("stage_duration_seconds_count", stage="search") == 30
            assert page("maintenance_owners") == 1
            assert page("collection_images", collection="default") == 1
            assert page.labels("ready", "pid") == {str(pid) for pid in server.workers()}
        folder = kept_at(server)
        serving_searches = [path.name for path in folder.glob("counter_*.db") if b"searches" in path.read_bytes()]
        assert len(serving_searches) == 2, "both workers should have served"
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in server.workers() and len(server.workers()) == 2, "a new worker", server)
        server.wait_until_ready()
        until(lambda: str(victim) not in scrapes(server).labels("ready", "pid"), "the dead worker to go", server)
        page = scrapes(server)
        assert page("searches_total", verdict="duplicate") == 30
        until(lambda: scrapes(server)("maintenance_owners") == 1, "one owner", server)
        assert server.stop() == 0
        assert not folder.exists()


def ready(server: Server) -> list[tuple[str, frozenset[tuple[str, str]]]]:
    return [key for key in scrapes(server).samples if key[0] == "imageretrieval_ready"]


def test_what_a_killed_service_leaves_is_removed_by_the_next(tmp_path):
    with serving(tmp_path / "data") as server:
        left = kept_at(server)
        with serving(tmp_path / "other") as beside:  # a living one's is let alone
            assert left.exists()
            assert kept_at(beside) != left
        server.kill()
    assert left.exists()
    with serving(tmp_path / "data") as server:
        assert not left.exists()
        assert kept_at(server).exists()
