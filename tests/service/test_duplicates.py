"""The HTTP contract of duplicate groups: pages, lines, jobs, and results that outlive neither change nor collection."""

import json
import os

import pytest

from index_store import Catalog, JobBoard
from retrieval import group_files, job_runner
from tests.service.asking import body, jpeg, png
from tests.service.server import serving
from tests.service.test_contract_rest import is_problem

PATH = "/collections/shelf/duplicates"
LINES = {"Accept": "application/x-ndjson"}
SETTINGS = "min_score=0.95"  # the same for every extractor under test


def fill(client, name="shelf", seeds=(1, 2, 3)):
    """Of each seed a JPEG, a worse one and a PNG; and a picture that is like no other."""
    for seed in seeds:
        for kind, data in (("good", jpeg(seed, 95)), ("bad", jpeg(seed, 60)), ("lossless", png(seed))):
            assert client.post("/add", json=body(data, id=f"{kind}{seed}", collection=name)).status_code == 201
    client.post("/add", json=body(jpeg(99), id="alone", collection=name))


@pytest.fixture
def shelf(client):
    fill(client)
    return client


@pytest.fixture
def large(make_client):
    """A collection that is too large for a request."""
    client = make_client(groups={"at_once": 5})
    client.application.extensions["service"].wait_until_ready()
    fill(client)
    return client


@pytest.fixture
def data_dir(settings):
    return settings().data_dir


def run_job(client, data_dir, settings, **options):
    """Ask for the groups, and do what the maintenance would."""
    asked = client.post("/jobs", json={"kind": "duplicates", "collection": "shelf", "options": options})
    assert asked.status_code == 202
    made = settings()
    catalog = Catalog(made.catalog_url)
    board = JobBoard(catalog)
    job_runner.run(made, catalog, board, board.claim())
    catalog.close()
    return client.get(asked.headers["Location"]).json


def told(groups):
    return {group["keeper"]["id"]: sorted(member["id"] for member in group["members"]) for group in groups}


def expected(seeds=(1, 2, 3), keeper="lossless", members=("bad", "good")):
    return {f"{keeper}{seed}": [f"{kind}{seed}" for kind in members] for seed in seeds}


def files(data_dir):
    return sorted((data_dir / "duplicates").rglob("*.jsonl"))


def test_groups_are_told_with_what_is_known_of_their_pictures(shelf):
    reply = shelf.get(f"{PATH}?{SETTINGS}").json
    assert told(reply["groups"]) == expected()
    assert (reply["collection"], reply["against"], reply["threshold"]) == ("shelf", None, 0.95)
    assert (reply["keep"], reply["current"], reply["next"]) == (
        ["largest", "best_format", "biggest_file", "oldest"],
        True,
        None,
    )
    group = next(each for each in reply["groups"] if each["keeper"]["id"] == "lossless1")
    described = shelf.get("/images/lossless1?collection=shelf").json
    del described["kept"]
    assert group["keeper"] == {**described, "kept_for": "best_format"}
    assert all(member["relation"] == "near" and member["score"] >= 0.95 for member in group["members"])
    assert group["min_score"] == min(member["score"] for member in group["members"])
    assert group["saves_bytes"] == len(jpeg(1, 95)) + len(jpeg(1, 60))


def test_the_policy_decides_who_is_kept(shelf):
    for keep, keeper, members in (
        ("smallest_file", "bad", ("good", "lossless")),
        ("largest,oldest", "good", ("bad", "lossless")),
        ("newest", "lossless", ("bad", "good")),
    ):
        assert told(shelf.get(f"{PATH}?{SETTINGS}&keep={keep}").json["groups"]) == expected((1, 2, 3), keeper, members)


def test_the_collections_own_threshold_counts_where_none_is_given(client):
    client.post("/collections", json={"name": "shelf", "threshold": -1})
    fill(client)
    reply = client.get(PATH).json
    assert (len(reply["groups"]), len(reply["groups"][0]["members"]), reply["threshold"]) == (1, 9, -1)


def test_copies_alone(shelf):
    shelf.post("/add", json=body(jpeg(1, 95), id="again1", collection="shelf"))
    (group,) = shelf.get(f"{PATH}?relation=exact").json["groups"]
    assert [(member["id"], member["relation"]) for member in group["members"]] == [("again1", "exact")]
    assert (group["keeper"]["id"], group["keeper"]["kept_for"]) == ("good1", "oldest")


def test_groups_come_page_by_page_and_pages_stand_while_the_collection_changes(shelf):
    first = shelf.get(f"{PATH}?{SETTINGS}&limit=1").json
    shelf.post("/add", json=body(png(1), id="new", collection="shelf"))
    second = shelf.get(f"{PATH}?{SETTINGS}&limit=1&after={first['next']}").json
    third = shelf.get(f"{PATH}?{SETTINGS}&limit=1&after={second['next']}").json
    assert told(first["groups"]) | told(second["groups"]) | told(third["groups"]) == expected()
    assert (first["current"], second["current"], third["next"]) == (True, False, None)
    assert len(shelf.get(f"{PATH}?{SETTINGS}").json["groups"]) == 3  # found anew, with the new one
    assert "new" in str(shelf.get(f"{PATH}?{SETTINGS}").json)


def test_what_was_deleted_or_marked_since_is_not_told_on_later_pages(shelf):
    first = shelf.get(f"{PATH}?{SETTINGS}&limit=1&keep=oldest").json
    assert told(first["groups"]) == {"good1": ["bad1", "lossless1"]}
    shelf.delete("/images/good2?collection=shelf")
    shelf.post("/pairs", json={"collection": "shelf", "a": "good3", "b": "bad3", "verdict": "not_duplicates"})
    rest = shelf.get(f"{PATH}?{SETTINGS}&keep=oldest&after={first['next']}").json
    assert told(rest["groups"]) == {"good3": ["lossless3"]}


def test_marks_are_respected_at_once(shelf):
    shelf.get(f"{PATH}?{SETTINGS}&keep=oldest")
    for a, b, verdict in (("good1", "bad1", "not_duplicates"), ("good3", "alone", "duplicates")):
        shelf.post("/pairs", json={"collection": "shelf", "a": a, "b": b, "verdict": verdict})
    reply = shelf.get(f"{PATH}?{SETTINGS}&keep=oldest").json
    assert told(reply["groups"]) == {
        "good1": ["lossless1"],
        "good2": ["bad2", "lossless2"],
        "good3": ["alone", "bad3", "lossless3"],
    }
    assert reply["groups"][-1]["members"][-1]["relation"] == "marked"


def test_groups_are_found_once_for_each_state_and_few_are_kept(shelf, data_dir, monkeypatch):
    monkeypatch.setattr(group_files, "KEPT", 2)
    replies = [shelf.get(f"{PATH}?{SETTINGS}").json for _ in range(2)]
    (only,) = files(data_dir)
    assert replies[0] == replies[1]
    for keep in ("oldest", "newest"):
        os.utime(only, (0, 0))
        shelf.get(f"{PATH}?{SETTINGS}&keep={keep}")
    assert len(files(data_dir)) == 2
    assert only not in files(data_dir)
    assert list((data_dir / "duplicates").rglob(".*")) == []


def test_pages_that_are_no_longer_kept_are_410(shelf, data_dir):
    first = shelf.get(f"{PATH}?{SETTINGS}&limit=1").json
    for path in files(data_dir):
        path.unlink()
    assert is_problem(shelf.get(f"{PATH}?{SETTINGS}&after={first['next']}"), 410)
    assert is_problem(shelf.get(f"{PATH}?{SETTINGS}&after={first['next']}", headers=LINES), 410)


@pytest.mark.parametrize("headers", [{}, LINES])
def test_a_made_up_cursor_is_refused(shelf, headers):
    cursor = shelf.get(f"{PATH}?{SETTINGS}&limit=1").json["next"]
    key, _, offset = cursor.partition(".")
    offsets = ("x", "-1", int(offset) - 1, int(offset) + 10**6, 10**14, 10**15, f"{offset}\n")
    made_up = ("", "1", "../../catalog.db", key, f"{key}/../{key}.0", f"{'0' * 16}-{key[17:]}.0")
    for bad in (*made_up, *(f"{key}.{each}" for each in offsets)):
        answer = shelf.get(PATH, query_string={"min_score": 0.95, "after": bad}, headers=headers)
        assert is_problem(answer, 400), bad
    assert is_problem(shelf.get(f"{PATH}?after={cursor}"), 400)  # of other parameters
    fill(shelf, "box")
    assert is_problem(shelf.get(f"/collections/box/duplicates?{SETTINGS}&after={cursor}"), 400)


def test_groups_are_streamed_as_lines(shelf, data_dir):
    fresh = shelf.get(f"{PATH}?{SETTINGS}", headers=LINES)
    assert fresh.content_type == "application/x-ndjson"
    lines = [json.loads(line) for line in fresh.text.splitlines()]
    assert len(files(data_dir)) == 1
    assert lines == shelf.get(f"{PATH}?{SETTINGS}").json["groups"]
    assert shelf.get(f"{PATH}?{SETTINGS}", headers=LINES).text == fresh.text
    cursor = shelf.get(f"{PATH}?{SETTINGS}&limit=1").json["next"]
    assert [
        json.loads(line) for line in shelf.get(f"{PATH}?{SETTINGS}&after={cursor}", headers=LINES).text.splitlines()
    ] == lines[1:]


def test_a_stream_that_nobody_reads_to_its_end_leaves_nothing(shelf, data_dir):
    answer = shelf.get(f"{PATH}?{SETTINGS}", headers=LINES, buffered=False)
    next(answer.iter_encoded())
    answer.close()
    assert [path for path in (data_dir / "duplicates").rglob("*") if path.is_file()] == []


def test_one_collection_against_another(shelf):
    for name, data in (("ours", jpeg(1, 90)), ("other", jpeg(50))):
        shelf.post("/add", json=body(data, id=name, collection="protected"))
    query = f"{PATH}?{SETTINGS}&against=protected"
    reply = shelf.get(query).json
    assert told(reply["groups"]) == {"ours": ["bad1", "good1", "lossless1"]}
    (group,) = reply["groups"]
    assert (group["keeper"]["collection"], group["keeper"]["kept_for"]) == ("protected", "protected")
    assert {member["collection"] for member in group["members"]} == {"shelf"}
    shelf.delete("/images/ours?collection=protected")
    assert shelf.get(query).json["groups"] == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("keep=best", 400),
        ("keep=", 400),
        ("keep=oldest,oldest", 400),
        ("min_score=2", 400),
        ("min_score=nan", 400),
        ("relation=similar", 400),
        ("against=shelf", 400),
        ("against=nowhere", 404),
        ("against=../shelf", 400),
        ("limit=0", 400),
        ("limit=1001", 400),
        ("colour=red", 400),
    ],
)
@pytest.mark.parametrize("headers", [{}, LINES])
def test_parameters_that_make_no_sense_are_refused(shelf, query, status, headers):
    assert is_problem(shelf.get(f"{PATH}?{query}", headers=headers), status)


def test_lines_have_no_pages(shelf):
    assert is_problem(shelf.get(f"{PATH}?limit=2", headers=LINES), 400)


def test_an_unknown_collection_is_404(client):
    for headers in ({}, LINES):
        assert is_problem(client.get("/collections/nowhere/duplicates", headers=headers), 404)


def test_an_empty_collection_has_no_groups(client):
    client.post("/collections", json={"name": "shelf"})
    assert client.get(PATH).json["groups"] == []
    assert client.get(PATH, headers=LINES).text == ""


def test_a_large_collection_takes_a_job_that_is_named(large, data_dir, settings):
    for headers in ({}, LINES):
        refused = large.get(f"{PATH}?{SETTINGS}", headers=headers)
        assert is_problem(refused, 409)
        assert refused.json["type"] == "urn:imageretrieval:needs-job"
        assert 'POST /jobs {"kind": "duplicates", "collection": "shelf"' in refused.json["detail"]
    job = run_job(large, data_dir, settings, min_score=0.95)
    assert job["state"] == "done"
    assert (job["result"]["groups"], job["result"]["members"]) == (3, 6)
    assert job["options"] == {
        "keep": "largest,best_format,biggest_file,oldest",
        "min_score": 0.95,
        "relation": "near",
        "against": None,
    }
    reply = large.get(f"{PATH}?{SETTINGS}").json
    assert (told(reply["groups"]), reply["current"]) == (expected(), True)
    assert len(large.get(f"{PATH}?{SETTINGS}", headers=LINES).text.splitlines()) == 3
    assert is_problem(large.get(f"{PATH}?{SETTINGS}&keep=oldest"), 409)  # another question


def test_of_a_large_collection_an_older_result_is_told_as_such(large, data_dir, settings):
    run_job(large, data_dir, settings, min_score=0.95)
    large.delete("/images/bad1?collection=shelf")
    large.delete("/images/lossless2?collection=shelf")
    reply = large.get(f"{PATH}?{SETTINGS}").json
    assert reply["current"] is False
    assert told(reply["groups"]) == {"lossless1": ["good1"], "lossless3": ["bad3", "good3"]}
    run_job(large, data_dir, settings, min_score=0.95)
    reply = large.get(f"{PATH}?{SETTINGS}").json
    assert reply["current"] is True
    assert told(reply["groups"])["good2"] == ["bad2"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 400),
        ({"collection": "nowhere"}, 404),
        ({"collection": "shelf", "options": {"keep": "best"}}, 400),
        ({"collection": "shelf", "options": {"limit": 5}}, 400),
        ({"collection": "shelf", "options": {"min_score": "0.5"}}, 400),
        ({"collection": "shelf", "options": []}, 400),
        ({"collection": "shelf", "options": {"against": "shelf"}}, 400),
        ({"collection": "shelf", "options": {"against": "nowhere"}}, 404),
        ({"kind": "calibrate", "collection": "nowhere"}, 404),
        ({"kind": "calibrate"}, 404),  # of the default collection, which there is not
        ({"kind": "rebuild", "options": {"keep": "oldest"}}, 400),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(shelf, fields, status):
    assert is_problem(shelf.post("/jobs", json={"kind": "duplicates", **fields}), status)
    assert shelf.get("/jobs").json["jobs"] == []


def test_jobs_with_other_options_are_other_jobs(shelf):
    def ask(**options):
        fields = {"kind": "duplicates", "collection": "shelf", "options": options}
        return shelf.post("/jobs", json=fields).json["id"]

    assert ask() == ask(keep="largest,best_format,biggest_file,oldest") == ask(relation="near")
    assert len({ask(), ask(keep="oldest"), ask(min_score=0.9)}) == 3


def test_results_of_deleted_collections_are_swept(large, data_dir, settings):
    run_job(large, data_dir, settings)
    assert len(files(data_dir)) == 1
    large.delete("/collections/shelf")
    large.post("/jobs", json={"kind": "rebuild"})
    made = settings()
    catalog = Catalog(made.catalog_url)
    board = JobBoard(catalog)
    job_runner.run(made, catalog, board, board.claim())
    catalog.close()
    assert list((data_dir / "duplicates").iterdir()) == []


@pytest.mark.slow
def test_a_real_service_finds_groups_in_a_job_and_tells_them(tmp_path):
    with serving(tmp_path / "data", groups={"at_once": 0}) as server:
        for seed in (1, 2):
            server.add(jpeg(seed, 95), id=f"good{seed}")
            server.add(jpeg(seed, 60), id=f"bad{seed}")
        job = server.run_job("duplicates", collection="default", options={"min_score": 0.95})
        assert (job["state"], job["result"]["groups"]) == ("done", 2)
        reply = server.get(f"/collections/default/duplicates?{SETTINGS}")
        assert told(reply["groups"]) == {"good1": ["bad1"], "good2": ["bad2"]}
