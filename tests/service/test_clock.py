"""The machine's clock jumps by a day: what waits is taken in, what is due is done, what was answered stays so."""

import time
from datetime import datetime, timedelta

import apscheduler.schedulers.base
import pytest

from index_store import Catalog, JobBoard
from retrieval import inbox
from retrieval.inbox import Inbox
from retrieval.maintenance import Maintenance
from tests.service.asking import body, small
from tests.service.server import until

pytestmark = pytest.mark.any_extractor

DAY_S = 86_400.0
JUMPS = [-DAY_S, DAY_S]


@pytest.fixture
def own(settings):
    made = settings(maintenance={"enabled": True, "poll_s": 0.05, "inbox_settle_s": 2.0})
    made.data_dir.mkdir()
    return made


@pytest.mark.parametrize("jump", JUMPS)
def test_a_file_in_the_inbox_is_taken_though_it_is_from_another_day(own, monkeypatch, jump):
    path = own.data_dir / "inbox/cats/a.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(small(1))
    assert not list(Inbox(own).waiting("cats"))
    now = time.time
    monkeypatch.setattr(inbox.time, "time", lambda: now() + jump)
    assert [each.file.id for each in Inbox(own).waiting("cats")] == ["a.jpg"]
    assert Inbox(own).has_waited("cats", 300)


@pytest.mark.parametrize("jump", JUMPS)
def test_jobs_are_taken_up_all_the_same(own, monkeypatch, jump):
    catalog = Catalog(own.catalog_url)
    board = JobBoard(catalog)
    maintenance = Maintenance(own, catalog, board)
    maintenance.start()
    try:
        until(lambda: maintenance._lock, "it to be the owner")

        class Jumped(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + timedelta(seconds=jump)

        monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Jumped)
        job = board.ask("rebuild")
        until(lambda: board.job(job.id).state == "done", "the job")
    finally:
        maintenance.stop()
        catalog.close()


def test_answers_of_another_day_are_still_there_after_a_jump_forth(client, monkeypatch):
    key = {"Idempotency-Key": "k"}
    first = client.post("/add", json=body(small(1)), headers=key)
    now = datetime.now

    class Jumped(datetime):
        @classmethod
        def now(cls, tz=None):
            return now(tz) + timedelta(seconds=2 * DAY_S)

    monkeypatch.setattr("index_store.rows.datetime", Jumped)
    for _ in range(2):
        client.post("/add", json=body(small(2)), headers={"Idempotency-Key": "other"})
        again = client.post("/add", json=body(small(1)), headers=key)
        assert again.json["id"] == first.json["id"]
        assert again.headers["Idempotency-Replayed"] == "true"
