"""A real Scrapy crawls a real site; the service is real, too, and goes away and comes back."""

import random
import shutil
import signal
import sqlite3
import time
from itertools import chain

import pytest

from client import Client
from tests.client.proxy import between
from tests.integrations.crawls import Crawl
from tests.integrations.site import COPIES, files, originals, served
from tests.service.server import serving, until

THRESHOLD = 0.96
pytestmark = [pytest.mark.slow, pytest.mark.any_extractor]
NAMES = sorted(originals())
TIMES = 3 + len(COPIES)  # each original comes as itself, at its URL again, at another URL, and as its copies


def shuffled(seed=0):
    """Every file of the site once, and every original's URL twice; one picture an item, nine items a page."""
    names = [*files(), *(f"{name}.orig.jpg" for name in NAMES)]
    random.Random(seed).shuffle(names)
    return paged([[name] for name in names])


def originals_first():
    return paged([[f"{name}.orig.jpg"] for name in NAMES] + [[name] for name in files() if ".orig." not in name])


def paged(items):
    return [items[start : start + 9] for start in range(0, len(items), 9)]


@pytest.fixture
def service(tmp_path):
    with serving(tmp_path / "service" / "data") as server:
        with Client(server.url) as client:
            client.collections.create("crawl", threshold=THRESHOLD)
        yield server


def crawl(site, folder, server, **settings):
    return Crawl(site.url, folder, server, DEDUP_COLLECTION="crawl", **settings)


def held(server):
    with Client(server.url) as client:
        return list(client.images("crawl"))


def test_the_pictures_are_as_different_as_the_test_needs(service):
    """Of the oracle: copies of one score above the threshold, all of them with each other, and others below."""
    with Client(service.url) as client:
        client.add_many(list(files().values()), ids=list(files()), collection="crawl")
        every = client.search_many(files().values(), collection="crawl", top_k=100)
    for name, found in zip(files(), every, strict=True):
        alike = [match.id.partition(".")[0] for match in found.matches if match.score >= THRESHOLD]
        assert alike == [name.partition(".")[0]] * (2 + len(COPIES))


@pytest.mark.parametrize("reactor", ["asyncio", "select", "none"])
def test_originals_stay_and_copies_are_dropped(service, tmp_path, reactor):
    settings = {
        "asyncio": {},
        "select": {"TWISTED_REACTOR": "twisted.internet.selectreactor.SelectReactor"},
        "none": {"TWISTED_REACTOR_ENABLED": False},
    }[reactor]
    # one at a time and in order: the first is the original
    with (
        served(originals_first()) as site,
        crawl(site, tmp_path / "crawl", service.url, CONCURRENT_REQUESTS=1, DEDUP_BATCH_SIZE=4, **settings) as crawled,
    ):
        crawled.wait()
    assert "ERROR" not in crawled.text()
    assert sorted(item["image_urls"][0].rpartition("/")[2] for item in crawled.items) == [
        f"{n}.orig.jpg" for n in NAMES
    ]
    stats, every = crawled.stats, len(files())
    assert (stats["pictures"], stats["status/new"], stats["items/dropped"]) == (every, len(NAMES), every - len(NAMES))
    assert stats["duplicates/bytes"] == len(NAMES)
    assert stats["duplicates/service"] == len(NAMES) * len(COPIES)
    assert stats["item_scraped_count"] == len(NAMES)
    images = {image.id: image for image in held(service)}
    assert {item["dedup"][0]["id"] for item in crawled.items} == set(images)
    assert all(images[item["dedup"][0]["id"]].metadata["url"] == item["image_urls"][0] for item in crawled.items)


def test_with_sixteen_requests_at_a_time_one_of_each_is_kept(service, tmp_path):
    with (
        served(shuffled()) as site,
        crawl(site, tmp_path / "crawl", service.url, CONCURRENT_REQUESTS=16, DEDUP_BATCH_SIZE=8) as crawled,
    ):
        crawled.wait()
    assert crawled.kept() == dict.fromkeys(NAMES, 1)
    stats = crawled.stats
    assert stats["pictures"] == len(NAMES) * TIMES
    assert stats["status/new"] == len(NAMES) == len(held(service))
    assert stats["status/duplicate"] == stats["items/dropped"] == len(NAMES) * (TIMES - 1)
    assert stats["duplicates/url"] == len(NAMES)
    tests = [stats.get(f"duplicates/{kind}", 0) for kind in ("url", "bytes", "service")]
    assert sum(tests) == stats["status/duplicate"]
    assert site.asked.count(f"/img/{NAMES[0]}.orig.jpg") == 1


def test_the_service_is_killed_in_the_middle_and_comes_back(tmp_path):
    data = tmp_path / "service" / "data"
    with serving(data) as first, between(first.url) as proxy, served(shuffled(1)) as site:
        with Client(first.url) as client:
            client.collections.create("crawl", threshold=THRESHOLD)
        proxy.actions[:] = ["pass", "cut", "pass", "cut"]
        settings = {"DEDUP_WHEN_DOWN": "hold", "DEDUP_BATCH_SIZE": 4, "CONCURRENT_REQUESTS": 16}
        with crawl(site, tmp_path / "crawl", proxy.url, **settings) as crawled:
            until(lambda: len(proxy.seen) >= 6, "some batches")
            first.kill()
            asked = len(site.asked)
            with serving(data) as second:
                proxy.target = second.url
                crawled.wait()
                assert len(held(second)) == len(NAMES)
    assert asked < len(site.asked)
    assert crawled.kept() == dict.fromkeys(NAMES, 1)
    assert crawled.stats["batches/retried"] > 0
    assert "status/unchecked" not in crawled.stats
    assert crawled.stats["status/duplicate"] == len(NAMES) * (TIMES - 1)


def test_with_pass_everything_is_let_through_and_marked_while_the_service_is_down(tmp_path):
    with (
        served(paged([[f"{name}.orig.jpg"] for name in NAMES])) as site,
        crawl(site, tmp_path / "crawl", "http://127.0.0.1:9", DEDUP_WHEN_DOWN="pass") as crawled,
    ):
        crawled.wait()
    assert crawled.kept() == dict.fromkeys(NAMES, 1)
    assert all(item["dedup"][0]["status"] == "unchecked" for item in crawled.items)
    assert crawled.stats["status/unchecked"] == len(NAMES)
    assert crawled.stats["down"] > 0


def test_with_hold_it_waits_goes_on_crawling_and_forgets_nothing(service, tmp_path):
    pages = [[[f"{name}.orig.jpg"]] for name in NAMES]
    with (
        between("http://127.0.0.1:9") as proxy,
        served(pages) as site,
        crawl(
            site, tmp_path / "crawl", proxy.url, DEDUP_WHEN_DOWN="hold", DEDUP_BATCH_SIZE=2, DEDUP_MAX_PENDING=4
        ) as crawled,
    ):
        proxy.actions[:] = ["drop"] * 1000
        until(lambda: f"/page/{len(pages) - 1}" in site.asked, "the last page")  # pages go on
        time.sleep(0.5)
        assert (
            sum(path.startswith("/img") for path in site.asked) == 4
        )  # and of pictures no more than there is room for
        assert crawled.process.poll() is None
        proxy.actions.clear()
        proxy.target = service.url
        crawled.wait()
    assert crawled.kept() == dict.fromkeys(NAMES, 1)
    assert crawled.stats["status/new"] == len(NAMES)


def test_with_hold_it_does_not_wait_for_ever(tmp_path):
    with (
        served([[["astronaut.orig.jpg"]]]) as site,
        crawl(
            site, tmp_path / "crawl", "http://127.0.0.1:9", DEDUP_WHEN_DOWN="hold", DEDUP_HOLD_SECONDS=0.5
        ) as crawled,
    ):
        crawled.wait()
    assert crawled.stats["status/unchecked"] == 1


def test_the_reactor_beats_while_a_batch_is_under_way(service, tmp_path):
    with between(service.url) as proxy, served(paged([[f"{name}.orig.jpg"] for name in NAMES])) as site:
        proxy.actions[:] = ["slow 3"] * 100
        with crawl(site, tmp_path / "crawl", proxy.url, DEDUP_BATCH_SIZE=16) as crawled:
            crawled.wait()
    assert crawled.stats["elapsed_time_seconds"] > 3
    assert crawled.stats["longest_pause_s"] < 1


def test_of_several_pictures_each_has_its_result(service, tmp_path):
    first, second, third = NAMES[:3]
    pages = [
        [[f"{first}.orig.jpg"]],
        [[f"{first}.again.jpg", f"{second}.orig.jpg", "broken.jpg", "missing.jpg", f"{second}.orig.jpg"]],
        [[f"{first}.copy.png", f"{second}.copy.webp"], [f"{third}.copy.jpg", "broken.jpg?2"], []],
    ]
    with served(pages) as site, crawl(site, tmp_path / "crawl", service.url, CONCURRENT_REQUESTS=1) as crawled:
        crawled.wait()
    items = crawled.items
    assert [[url.rpartition("/")[2] for url in item["image_urls"]] for item in items if len(item["dedup"]) > 1] == [
        [f"{second}.orig.jpg", "broken.jpg", "missing.jpg"], [f"{third}.copy.jpg", "broken.jpg?2"]
    ]  # fmt: skip
    results = next(item["dedup"] for item in items if len(item["dedup"]) == 5)
    assert [result["status"] for result in results] == ["duplicate", "new", "failed", "failed", "duplicate"]
    assert (results[0]["by"], results[4]["by"]) == ("bytes", "url")
    assert results[0]["of"].endswith(f"{first}.orig.jpg")
    assert "404" in results[3]["detail"]
    assert (len(items), crawled.stats["items/dropped"]) == (4, 1)


def test_marked_nothing_is_dropped_and_all_is_told(service, tmp_path):
    first = NAMES[0]
    pages = [[[f"{first}.orig.jpg"]], [[f"{first}.copy.half.jpg", f"{NAMES[1]}.orig.jpg"]]]
    with (
        served(pages) as site,
        crawl(
            site, tmp_path / "crawl", service.url, DEDUP_ACTION="mark", CONCURRENT_REQUESTS=1, DEDUP_RESULT_FIELD="seen"
        ) as crawled,
    ):
        crawled.wait()
    (one, two) = crawled.items
    assert len(two["image_urls"]) == 2
    assert (two["seen"][0]["status"], two["seen"][0]["of"]) == ("duplicate", one["seen"][0]["id"])
    assert two["seen"][0]["match"]["relation"] == "near"
    assert two["seen"][0]["match"]["score"] >= THRESHOLD
    assert crawled.stats["duplicates/service/near"] == 1


def test_a_crawl_that_is_killed_goes_on_without_loss_or_repeat(service, tmp_path):
    """Killed while answers are being thrown away, so that the service holds pictures of which no item came through."""
    with between(service.url) as proxy, served(shuffled(2)) as site:
        settings = {"JOBDIR": str(tmp_path / "job"), "DEDUP_BATCH_SIZE": 4, "DEDUP_WHEN_DOWN": "hold"}
        proxy.actions[:] = ["cut"] * 1000
        with crawl(site, tmp_path / "crawl", proxy.url, **settings) as crawled:
            until(lambda: len(held(service)) > 2, "pictures to be added")
            crawled.process.send_signal(signal.SIGKILL)
            crawled.process.wait()
        assert crawled.items == []
        proxy.actions.clear()
        # as its operator would: what Scrapy itself has lost by the kill is asked for again
        shutil.rmtree(tmp_path / "job" / "requests.queue")
        (tmp_path / "job" / "requests.seen").unlink()
        with crawl(site, tmp_path / "crawl", proxy.url, **settings) as crawled:
            crawled.wait()
    assert crawled.kept() == dict.fromkeys(NAMES, 1)
    assert len(held(service)) == len(NAMES)
    assert crawled.stats["status/duplicate"] == len(NAMES) * (TIMES - 1)
    assert crawled.stats["status/new"] == len(NAMES)
    with sqlite3.connect(tmp_path / "job" / "dedup.db") as database:
        (rows,) = database.execute("SELECT count(*) FROM seen WHERE key LIKE 'url %'").fetchone()
    database.close()
    assert rows == len(files())


def test_another_crawl_drops_what_the_first_has_found(service, tmp_path):
    pages = paged([[f"{name}.orig.jpg"] for name in NAMES])
    with served(pages) as site:
        for folder, new in (("one", len(NAMES)), ("two", 0)):
            with crawl(site, tmp_path / folder, service.url) as crawled:
                crawled.wait()
            assert crawled.stats.get("status/new", 0) == len(crawled.items) == new


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"DEDUP_ACTION": "delete"}, "DEDUP_ACTION: drop or mark"),
        ({"DEDUP_BATCH_SIZ": 3}, "DEDUP_BATCH_SIZ"),
        ({"DEDUP_BATCH_SIZE": "many"}, "DEDUP_BATCH_SIZE: not a number"),
        ({"DEDUP_MAX_PENDING": 2}, "DEDUP_MAX_PENDING"),
    ],
)
def test_settings_that_cannot_be_stop_the_crawl(tmp_path, setting, told):
    from scrapy.settings import Settings

    from integrations.scrapy_dedup.options import Options

    with pytest.raises(ValueError, match=told):
        Options.of(Settings(setting))


def test_what_the_service_refuses_is_told_and_nothing_is_lost(service, tmp_path):
    """To ask again would be no use, so it does not hold."""
    with (
        served([[["astronaut.orig.jpg"]]]) as site,
        crawl(site, tmp_path / "crawl", service.url, DEDUP_AGAINST=["nobody"], DEDUP_WHEN_DOWN="hold") as crawled,
    ):
        crawled.wait()
    assert crawled.items[0]["dedup"][0]["status"] == "unchecked"
    assert "404" in crawled.text()
    assert crawled.stats["refused"] == 1


def test_every_item_is_accounted_for():
    assert sum(len(page) for page in shuffled()) == len(NAMES) * TIMES
    assert len(list(chain(*originals_first()))) == len(files())
