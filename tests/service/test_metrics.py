"""What /metrics says of requests, pictures, collections, jobs and the catalog."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from index_store import JobBoard, KeyRing
from retrieval import VERSION
from retrieval.jobs import run_rebuild
from retrieval.scrape import MOST_COLLECTIONS
from tests.conftest import MakeClient
from tests.service.asking import body, jpeg
from tests.service.scraped import scrape
from tests.service.server import ROOT

pytestmark = pytest.mark.any_extractor


@pytest.fixture
def own(make_client: MakeClient) -> FlaskClient:
    """A client of a ready service."""
    client = make_client()
    client.application.extensions["service"].wait_until_ready()
    return client


def test_requests_are_counted_by_route_method_and_status(own):
    own.post("/add", json=body(jpeg(1), id="1"))
    for _ in range(2):
        own.post("/search", json=body(jpeg(1)))
    own.post("/query", json={"base64": "no picture"})
    own.get("/images/absent")
    page = scrape(own)
    assert page("http_requests_total", route="add", method="POST", status="201") == 1
    assert page("http_requests_total", route="search", method="POST", status="200") == 2
    assert page("http_requests_total", route="search", method="POST", status="400") == 1
    assert page("http_requests_total", route="image", method="GET", status="404") == 1
    assert page("http_request_duration_seconds_count", route="search", method="POST") == 3
    assert page("http_requests_in_flight") == 1  # the scrape itself


def test_what_clients_send_makes_no_new_series(own):
    def series():
        scrape(own)
        return {key for key in scrape(own).samples if "process_" not in key[0]}

    own.get("/images/first")
    own.get("/nowhere/0")
    own.open("/search", method="BREW0")
    own.post("/search", json=body(jpeg(1), collection="none-0"))
    before = series()
    for number in range(1, 20):
        own.get(f"/images/{number}")
        own.get(f"/nowhere/{number}")
        own.open("/search", method=f"BREW{number}")
        own.post("/search", json=body(jpeg(1), collection=f"none-{number}"))
    assert series() == before
    assert scrape(own)("http_requests_total", route="none", method="GET", status="404") == 20
    assert scrape(own)("http_requests_total", route="none", method="other", status="405") == 20


def test_stages_batches_and_verdicts_of_pictures(own):
    own.post("/add", json=body(jpeg(1), id="1"))
    own.post("/add", json=body(jpeg(1), on_duplicate="reject"))
    own.post("/add", json={"images": [body(jpeg(seed), id=str(seed)) for seed in (2, 3)] + [{"base64": "AAAA"}]})
    own.post("/search", json=body(jpeg(1)))
    own.post("/search", json=body(jpeg(9)))
    page = scrape(own)
    assert {status: page("adds_total", status=status) for status in page.labels("adds_total", "status")} == {
        "added": 3,
        "duplicate": 1,
    }
    assert page("searches_total", verdict="duplicate") == 1
    assert page("searches_total", verdict="new") + page("searches_total", verdict="duplicate") == 2
    assert page("problems_total", type="bad-image") == 1
    assert page("problems_total", type="duplicate") == 1
    assert page("stage_duration_seconds_count", stage="store") == 3
    assert page("stage_duration_seconds_count", stage="search") == 2
    assert page("stage_duration_seconds_count", stage="embed") == page("batch_pictures_sum") == 5 - 1 + 0
    assert page("stage_duration_seconds_count", stage="queue") == page("batch_pictures_sum")
    assert page("batch_duration_seconds_count") == page("batch_pictures_count") > 0
    assert page("batcher_queue_pictures") == 0
    assert 0 < page("stage_duration_seconds_sum", stage="decode") < 60


def test_refused_fetches_are_counted_by_reason(own):
    own.post("/collections", json={"name": "default"})
    for url in ("http://127.0.0.1:1/", "http://[::1]/x", "ftp://example.org/", "http://a:b@example.org/"):
        assert own.post("/search", json={"url": url}).status_code == 403
    own.post("/add", json={"images": [{"url": "http://10.0.0.1/"}, body(jpeg(1))]})  # read in other threads
    page = scrape(own)
    reasons = {reason: page("fetches_total", outcome=reason) for reason in page.labels("fetches_total", "outcome")}
    assert reasons == {"address": 2, "port": 1, "scheme": 1, "credentials": 1}
    assert page("stage_duration_seconds_count", stage="fetch") == 5


def test_figures_of_collections_follow_the_catalog_and_the_index(own, settings):
    service = own.application.extensions["service"]
    for seed in range(4):
        own.post("/add", json=body(jpeg(seed), id=str(seed), collection="cats"))
    own.post("/collections", json={"name": "empty"})
    own.delete("/images/0?collection=cats")
    page = scrape(own)
    assert (page("collections"), page("images")) == (2, 3)
    assert page("collection_images", collection="cats") == 3
    assert page("collection_pending_changes", collection="cats") == 5
    assert page.labels("index_vectors", "kind") == {"none"}
    run_rebuild(settings(), service.catalog, "cats", lambda progress: None)
    page = scrape(own)
    assert page("collection_pending_changes", collection="cats") == 0
    assert page("index_vectors", collection="cats", kind="flat-fp16") == 3
    assert page("index_built_timestamp_seconds", collection="cats") > 1.7e9
    assert page("catalog_size_bytes") > 1000
    assert page("data_free_bytes") > 0
    own.delete("/collections/cats")
    assert scrape(own).labels("collection_images", "collection") == {"empty"}


def test_of_many_collections_the_largest_are_told(own):
    catalog = own.application.extensions["service"].catalog
    for number in range(MOST_COLLECTIONS + 5):
        catalog.create_collection(f"c{number}", "another extractor", 4, None)
    own.post("/add", json=body(jpeg(1), collection="zebras"))
    page = scrape(own)
    assert page("collections") == MOST_COLLECTIONS + 6
    assert len(page.labels("collection_images", "collection")) == MOST_COLLECTIONS
    assert page("collection_images", collection="zebras") == page("images") == 1


def test_jobs_are_told_by_kind_and_what_became_of_them(own):
    board: JobBoard = own.application.extensions["service"].jobs
    own.post("/jobs", json={"kind": "rebuild"})
    own.post("/jobs", json={"kind": "ingest"})
    own.post("/jobs", json={"kind": "ingest", "collection": "a"})
    board.finish(board.claim().id, {})
    board.fail(board.claim().id, "why")
    page = scrape(own)
    assert page("jobs_ended_total", kind="rebuild", outcome="done") == 1
    assert page("jobs_ended_total", kind="ingest", outcome="failed") == 1
    assert page("jobs", kind="ingest", state="queued") == 1
    assert page("job_last_success_timestamp_seconds", kind="rebuild") > 1.7e9
    assert page.labels("job_last_success_timestamp_seconds", "kind") == {"rebuild"}
    assert page.labels("jobs_ended_total", "kind") == {"ingest", "rebuild", "calibrate", "duplicates"}
    assert page("jobs_ended_total", kind="rebuild", outcome="failed") == 0
    assert "internal-error" in page.labels("problems_total", "type")  # an alert has to see the first one, too


def test_without_its_catalog_the_service_is_not_ready_and_says_so_and_can_still_be_scraped(make_client, settings):
    own = make_client(access={"keys": "off"})  # else nobody can tell whether keys are asked for
    own.application.extensions["service"].wait_until_ready()
    file = Path(settings().data_dir / "catalog.db")
    assert own.get("/readyz").status_code == 200
    file.rename(file.with_suffix(".away"))
    answer = own.get("/readyz")
    assert (answer.status_code, answer.json["status"], answer.json["reason"]) == (503, 503, "catalog")
    assert "catalog" in answer.json["detail"]
    for each in (answer, own.get("/images")):
        assert str(file.parent) not in each.text  # where it lies is not for clients
    assert answer.json["type"] == "urn:imageretrieval:not-ready"
    assert own.get("/healthz").status_code == 200
    page = scrape(own)
    assert page("catalog_up") == 0
    assert page("http_requests_total", route="readyz", method="GET", status="503") == 1
    file.with_suffix(".away").rename(file)
    assert own.get("/readyz").status_code == 200
    assert scrape(own)("catalog_up") == 1


def test_where_nobody_ever_made_a_key_the_first_scrape_can_come_without_a_catalog(make_client, settings):
    own = make_client()
    own.application.extensions["service"].wait_until_ready()
    file = Path(settings().data_dir / "catalog.db")
    file.rename(file.with_suffix(".away"))
    assert scrape(own)("catalog_up") == 0
    assert own.get("/metrics", headers={"Host": "evil.example"}).status_code == 403
    assert own.get("/images").status_code == 503


def test_where_keys_are_asked_for_no_stranger_scrapes_without_a_catalog(make_client, settings):
    own = make_client()
    service = own.application.extensions["service"].wait_until_ready()
    _, key = KeyRing(service.catalog).create("a", ["admin"], None)
    assert own.get("/metrics").status_code == 401
    file = Path(settings().data_dir / "catalog.db")
    file.rename(file.with_suffix(".away"))
    assert own.get("/metrics").status_code == 401
    assert own.get("/metrics", headers={"X-API-Key": key}).status_code == 503  # until it has scraped once
    file.with_suffix(".away").rename(file)
    assert own.get("/metrics", headers={"X-API-Key": key}).status_code == 200
    file.rename(file.with_suffix(".away"))
    assert own.get("/metrics", headers={"X-API-Key": key}).status_code == 200


def test_openmetrics_is_given_to_who_prefers_it(own):
    answer = own.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.content_type.startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_the_version_is_that_of_the_project(own):
    (version,) = scrape(own).labels("build_info", "version")
    assert version == VERSION


def test_every_metric_stands_in_the_documentation_and_no_other(own):
    documented = set(re.findall(r"^\| `([a-z_]+)`", (ROOT / "docs/observability.md").read_text(), re.MULTILINE))
    shown = {f"{family.name}_total" if family.type == "counter" else family.name for family in scrape(own).families}
    assert documented == shown
