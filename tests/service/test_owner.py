"""The owner of maintenance and its jobs, in this process: errors, triggers, and stopping at any moment."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from apscheduler.triggers.cron import CronTrigger

from index_store import Catalog, Job, JobBoard
from retrieval.job_runner import run
from retrieval.maintenance import Maintenance, become_owner
from tests.service.asking import body, small
from tests.service.server import until


@pytest.fixture
def own(settings):
    """Settings whose data folder exists."""
    made = settings(maintenance={"enabled": True, "poll_s": 0.05, "cron": "0 2 * * *"})
    made.data_dir.mkdir()
    return made


@pytest.fixture
def catalog(own) -> Iterator[Catalog]:
    opened = Catalog(own.catalog_url)
    yield opened
    opened.close()


@pytest.fixture
def board(catalog) -> JobBoard:
    return JobBoard(catalog)


def claimed(board: JobBoard, kind: str, collection: str | None = None) -> Job:
    board.ask(kind, collection)
    job = board.claim()
    assert job
    return job


def test_what_stops_a_job_is_its_error(own, catalog, board):
    catalog.create_collection("cats", "another extractor", 512, None)
    (own.data_dir / "index").write_text("a file where a folder must be")
    run(own, catalog, board, claimed(board, "rebuild"))
    job = board.newest()[0]
    assert job.state == "failed"
    assert "index" in str(job.error)
    assert job.finished_at


def test_a_rebuild_of_a_collection_that_was_deleted_since_is_done(own, catalog, board):
    run(own, catalog, board, claimed(board, "rebuild", "gone"))
    assert board.newest()[0].result == {"collections": {"gone": {"changed": False}}}


def test_the_nightly_run_is_due_at_its_time_and_asks_for_both_jobs(own, catalog, board):
    maintenance = Maintenance(own, catalog, board)
    maintenance.start()
    try:
        (nightly,) = (job for job in maintenance._scheduler.get_jobs() if isinstance(job.trigger, CronTrigger))
        due = nightly.next_run_time
        assert (due.hour, due.minute) == (2, 0)
        assert due - datetime.now(due.tzinfo) <= timedelta(days=1, hours=1)
        nightly.modify(next_run_time=datetime.now(due.tzinfo))
        until(lambda: len(board.newest()) == 2, "the nightly jobs")
        assert Counter(job.kind for job in board.newest()) == {"ingest": 1, "rebuild": 1}
    finally:
        maintenance.stop()


def test_only_one_can_be_the_owner_and_closing_gives_it_up(own):
    lock = become_owner(own.data_dir)
    assert lock
    assert become_owner(own.data_dir) is None
    lock.close()
    again = become_owner(own.data_dir)
    assert again
    again.close()


def test_an_owner_in_trouble_with_the_catalog_gives_up_and_takes_over_again(own, catalog, board):
    job = board.ask("rebuild")
    board.claim()  # by an owner that died
    with catalog.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE jobs RENAME TO away")
    maintenance = Maintenance(own, catalog, board)
    maintenance.start()
    try:
        time.sleep(0.3)
        with catalog.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO jobs")
        until(lambda: board.job(job.id).state == "done", "the job to be taken up")
    finally:
        maintenance.stop()


def test_stopping_at_any_moment_is_quick_and_leaves_no_thread_and_no_lock(own, catalog, board):
    threads = threading.active_count()
    for moment in (0, 0.02, 0.1, 0.3, None, None, None):
        job = board.ask("rebuild")
        maintenance = Maintenance(own, catalog, board)
        maintenance.start()
        if moment is None:  # as soon as it is claimed, when its process is just being made
            while board.job(job.id).state == "queued":
                pass
        else:
            time.sleep(moment)
        began = time.monotonic()
        maintenance.stop()
        assert time.monotonic() - began < 1
        assert board.job(job.id).state == "queued"
    assert threading.active_count() == threads
    lock = become_owner(own.data_dir)
    assert lock
    lock.close()


def test_many_services_can_come_and_go_in_one_process(make_client):
    before = threading.active_count()
    for _ in range(5):
        client = make_client(maintenance={"enabled": True})
        service = client.application.extensions["service"].wait_until_ready()
        assert client.post("/add", json=body(small(1))).status_code == 201
        service.close()
    assert threading.active_count() == before
