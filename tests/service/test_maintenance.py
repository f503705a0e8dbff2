"""Maintenance by real processes: one owner, jobs that outlive whoever began them, and triggers that fire."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from index_store import Catalog, JobBoard
from tests.service.asking import small
from tests.service.server import Server, serving, until

pytestmark = pytest.mark.slow
MANY = 300
ENDINGS = {
    "SIGTERM": lambda server: server.process.terminate(),
    "Ctrl-C": lambda server: os.killpg(server.process.pid, signal.SIGINT),  # a terminal tells every process
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def drop(data_dir: Path, count: int, collection: str = "default") -> None:
    """Pictures in an inbox, each put there at once."""
    folder = data_dir / "inbox" / collection
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        aside = folder / f".{seed}"
        aside.write_bytes(small(seed))
        aside.rename(folder / f"{seed}.jpg")


def ids(server: Server) -> list[str]:
    return [image["id"] for image in server.get("/images?limit=1000")["images"]]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def owners(*servers: Server) -> list[int]:
    """Pids of living processes that said that they look after maintenance."""
    lines = [line for server in servers for line in server.log.read_text().splitlines() if "looks after" in line]
    named = [int(line.split("process ")[1].split()[0]) for line in lines]
    return [pid for pid in named if any(pid in server.processes() for server in servers)]


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the catalog's write lock, so that whoever wants to write waits."""
    connection = sqlite3.connect(data_dir / "catalog.db", isolation_level=None, timeout=30)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def test_of_many_processes_exactly_one_looks_after_maintenance_and_another_takes_over(data_dir):
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(data_dir, server={"workers": 2})) for _ in range(2)]
        servers[0].add(small(1), id="1")
        (owner,) = until(lambda: owners(*servers), "an owner")
        job = servers[1].start_job("rebuild")
        process = next(server for server in servers if owner in server.processes()).job_process()
        assert parent(process) == owner
        with locked(data_dir):  # the job cannot end before its owner does
            os.kill(owner, signal.SIGKILL)
            until(lambda: all(process not in server.processes() for server in servers), "the job's process to end")
        assert servers[1].job(job)["state"] == "done"
        assert len(until(lambda: owners(*servers), "another owner")) == 1
        assert owners(*servers) != [owner]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_stopped_job_is_queued_again_and_leaves_no_process(data_dir, ending):
    with serving(data_dir) as server:
        server.add(small(1), id="1")
        job = server.start_job("rebuild")
        server.job_process()
        began = time.monotonic()
        assert server.stop(ENDINGS[ending]) == 0
        assert time.monotonic() - began < 10
        log = server.log.read_text()
        assert "Traceback" not in log
        assert log.count("Worker exiting") == log.count("Booting worker")  # none had to be killed
    catalog = Catalog(f"sqlite:///{data_dir / 'catalog.db'}")
    assert JobBoard(catalog).job(job).state == "queued"
    catalog.close()
    with serving(data_dir) as server:
        assert server.job(job)["result"]["collections"]["default"]["count"] == 1


def test_an_ingest_killed_in_the_middle_loses_nothing_and_takes_nothing_twice(data_dir):
    drop(data_dir, MANY)
    library = data_dir / "library/default"
    with serving(data_dir, extractor={"batch_size": 8}) as server:
        job = server.start_job("ingest")
        until(lambda: library.is_dir() and len(list(library.iterdir())) >= 20, "some to be taken in")
        server.kill()
    assert len(list(library.iterdir())) < MANY
    with serving(data_dir) as server:
        ended = server.job(job)
        assert ended["state"] == "done"
        assert sorted(ids(server)) == sorted(f"{seed}.jpg" for seed in range(MANY))
        assert set(ended["result"]["collections"]["default"]) <= {"added", "known"}
    assert len(list(library.iterdir())) == MANY
    assert not list((data_dir / "inbox/default").iterdir())
    assert not (data_dir / "failed").exists()


def test_a_job_whose_process_dies_each_time_is_given_up(data_dir):
    with serving(data_dir) as server:
        server.add(small(1))
        job = server.start_job("rebuild")
        seen: set[int] = set()
        for _ in range(3):
            process = until(lambda: server.job_process() not in seen and server.job_process(), "the next process")
            seen.add(process)
            os.kill(process, signal.SIGKILL)
        ended = server.job(job)
        assert (ended["state"], ended["error"]) == ("failed", "the process died 3 times while doing this")
        assert server.run_job("rebuild")["state"] == "done"


def test_enough_changes_trigger_a_rebuild_and_an_unchanged_index_is_left_alone(data_dir):
    with serving(data_dir, maintenance={"rebuild_after": 5, "poll_s": 0.1}) as server:
        for seed in range(4):
            server.add(small(seed))
        time.sleep(0.5)
        assert server.get("/jobs") == {"jobs": []}
        server.add(small(4))
        (job,) = until(lambda: server.get("/jobs")["jobs"], "a job", server)
        done = server.job(job["id"])
        assert (done["kind"], done["collection"]) == ("rebuild", "default")
        report = done["result"]["collections"]["default"]
        assert (report["changed"], report["count"]) == (True, 5)
        again = server.run_job("rebuild")["result"]["collections"]["default"]
        assert again == report | {"changed": False, "seconds": 0.0, "trained": False}
        assert len(server.get("/jobs")["jobs"]) == 2
        assert server.get("/collections/default")["index"]["pending"] == 0


def test_a_picture_in_an_inbox_is_taken_in_without_being_asked(data_dir):
    with serving(data_dir, maintenance={"ingest_after_s": 0.3, "poll_s": 0.1}) as server:
        drop(data_dir, 1)
        answer = server.add(small(5), id="later", wait=False)
        assert answer.status_code == 202
        until(lambda: server.get("/collections")["collections"], "the collection", server)
        until(lambda: set(ids(server)) == {"0.jpg", "later"}, "both pictures", server)
        assert server.search(small(5))[0]["id"] == "later"


def test_an_ingest_that_fails_is_told_and_not_repeated_at_once(data_dir):
    with serving(data_dir, maintenance={"ingest_after_s": 0.0, "poll_s": 0.05}) as server:
        catalog = Catalog(f"sqlite:///{data_dir / 'catalog.db'}")
        catalog.create_collection("old", "another extractor", 512, None)
        catalog.close()
        drop(data_dir, 1, "old")
        (job,) = until(lambda: server.get("/jobs")["jobs"], "a job", server)
        assert "another extractor" in server.job(job["id"])["error"]
        time.sleep(1)
        assert len(server.get("/jobs")["jobs"]) == 1
        assert server.run_job("ingest")["state"] == "failed"  # a client may ask for it at any time


def test_a_service_without_maintenance_leaves_jobs_to_one_with_it(data_dir):
    with serving(data_dir, maintenance={"enabled": False}) as without:
        without.add(small(1))
        job = without.start_job("rebuild")
        time.sleep(0.5)
        assert without.get(f"/jobs/{job}")["state"] == "queued"
        with serving(data_dir):
            assert without.job(job)["state"] == "done"
