"""What happens to a running service: files cut under it, others over the same folder, jobs that never end, kills."""

import json
import subprocess
import sys
from contextlib import suppress

import pytest

from index_store import Catalog, JobBoard
from retrieval.inbox import LEFTOVER_S, Inbox
from retrieval.maintenance import Maintenance
from scripts.torture import main as torture
from tests.service.answers import is_exact
from tests.service.asking import body, small
from tests.service.server import serving, until

pytestmark = pytest.mark.any_extractor
MIRRORED = """
from retrieval import engine
from tests.service.mirrored import load_mirrored
engine.load_extractor = load_mirrored
import app
app.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("file", ["vectors.f16", "index.faiss", "seqs.i64"])
def test_an_index_that_is_cut_under_a_running_service_is_built_again_by_itself(tmp_path, file):
    """What is mapped and cut kills the process that looks at it; the next finds the damage."""
    data = tmp_path / "data"
    with serving(data) as server:
        for seed in range(12):
            server.add(small(seed), id=str(seed))
        server.run_job("rebuild")
        until(lambda: server.search(small(1)) and "now searches" in server.log.read_text(), "the swap", server)
        (path,) = data.glob(f"index/default-*/gen-*/{file}")
        with path.open("r+b") as cut:
            cut.truncate(0)
        with suppress(OSError):  # the process that was asked is gone
            server.ask("POST", "/search", json=body(small(1)))
        server.stop()
    with serving(data) as server:
        until(lambda: any(job["state"] == "done" for job in server.get("/jobs")["jobs"][:1]), "a rebuild", server)
        until(lambda: server.get("/collections/default")["index"]["pending"] == 0, "the index", server)
        is_exact(server, range(12), queries=range(3))


@pytest.mark.slow
def test_two_services_with_other_settings_over_one_folder_harm_nothing(tmp_path):
    data = tmp_path / "data"
    with serving(data) as one, serving(data, program=("-c", MIRRORED)) as other:
        for seed in range(6):
            assert one.add(small(seed), id=str(seed)).status_code == 201
            assert other.add(small(seed), id=str(seed), collection="others").status_code == 201
        refused = other.add(small(9), id="9")
        assert refused.status_code == 409
        assert "--reembed" in refused.json()["detail"]
        assert other.ask("POST", "/search", json=body(small(1))).status_code == 409
        for server in (one, other):
            assert server.run_job("rebuild")["state"] == "done"
        assert other.ask("DELETE", "/images/5").status_code == 204
        is_exact(one, range(5), queries=range(6))
        assert other.search(small(3), collection="others", top_k=1)[0]["id"] == "3"
        assert len([s for s in (one, other) if "looks after maintenance" in s.log.read_text()]) == 1


def test_a_job_that_takes_too_long_is_ended_and_the_next_is_done(settings, monkeypatch):
    own = settings(maintenance={"enabled": True, "poll_s": 0.05, "job_timeout_s": 0.3})
    own.data_dir.mkdir()
    catalog = Catalog(own.catalog_url)
    board = JobBoard(catalog)
    maintenance = Maintenance(own, catalog, board)
    slow = [sys.executable, "-c", "import time; time.sleep(60)"]
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: popen(slow, **options))
    job = board.ask("rebuild")
    maintenance.start()
    try:
        until(lambda: board.job(job.id).state == "failed", "the job to fail")
        assert "maintenance.job_timeout_s" in str(board.job(job.id).error)
    finally:
        maintenance.stop()
        catalog.close()


def test_what_crashes_left_in_the_inbox_is_swept_and_nothing_else(settings, monkeypatch):
    own = settings()
    folder = own.data_dir / "inbox/cats"
    folder.mkdir(parents=True)
    name = "0" * 32
    left = [f"{name}.jpeg.request.json", f".{name}.jpeg.{name}.tmp", f".x.request.json.{name}.tmp"]
    kept = ["1" * 32 + ".png", "1" * 32 + ".png.request.json", "mine.request.json", ".hidden", "a.jpg"]
    for each in left + kept:
        (folder / each).write_bytes(json.dumps({}).encode())
    Inbox(own).sweep()
    assert {path.name for path in folder.iterdir()} == set(left + kept), "what is new may be in the making"
    monkeypatch.setattr("retrieval.inbox.LEFTOVER_S", -LEFTOVER_S)
    Inbox(own).sweep()
    assert {path.name for path in folder.iterdir()} == set(kept)


@pytest.mark.slow
def test_a_service_that_is_killed_at_random_keeps_its_word(capsys):
    assert torture(["--cycles", "2", "--workers", "2", "--seconds", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["faults"] == []
    assert told["here"] > 5
