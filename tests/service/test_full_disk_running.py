"""A disk that fills up under a running service, and is emptied again: nothing is restarted, nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disk import Limited, Mounted, mounted
from tests.service.answers import is_exact
from tests.service.asking import body, small
from tests.service.server import Server, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.any_extractor]
TO_THE_LAST_BYTE = {"min_free_bytes": 0}


@pytest.fixture(params=["limited", "mounted"])
def disk(request, tmp_path: Path) -> Iterator[Limited | Mounted]:
    """The first kind works everywhere; the second is the real thing, for those who may mount."""
    if request.param == "limited":
        (tmp_path / "disk").mkdir()
        yield Limited(tmp_path / "disk")
        return
    with mounted(tmp_path / "disk", megabytes=8) as found:
        if found is None:
            pytest.skip("this machine lets us mount nothing")
        yield found


def refuses(server: Server) -> None:
    for _ in range(3):
        assert server.add(small(50), id="50").status_code == 507
        assert server.add(small(50), id="50", wait=False).status_code == 507
        assert server.ask("POST", "/jobs", json={"kind": "rebuild"}).status_code == 507
        assert server.ask("GET", "/readyz").status_code == 200


def test_searches_go_on_and_adds_are_taken_again_as_soon_as_there_is_room(disk, tmp_path):
    with serving(disk.folder / "data", logs=tmp_path, catalog=TO_THE_LAST_BYTE) as server:
        for seed in range(10):
            server.add(small(seed), id=str(seed))
        with disk.full(server.processes()):
            refuses(server)
            is_exact(server, range(10), queries=range(3))
        assert server.add(small(50), id="50").status_code == 201
        assert server.run_job("rebuild")["state"] == "done"
        is_exact(server, [*range(10), 50], queries=range(3))


def test_a_service_killed_and_started_over_a_full_disk_searches(disk, tmp_path):
    data = disk.folder / "data"
    with serving(data, logs=tmp_path, catalog=TO_THE_LAST_BYTE) as server:
        for seed in range(10):
            server.add(small(seed), id=str(seed))
        if isinstance(disk, Limited):
            pytest.skip("a process that may write nothing cannot even log its start")
        with disk.full():
            server.kill()
            with serving(data, logs=tmp_path, catalog=TO_THE_LAST_BYTE) as other:
                refuses(other)
                is_exact(other, range(10), queries=range(3))
                assert other.stop() == 0
    with serving(data, logs=tmp_path) as server:
        is_exact(server, range(10), queries=range(3))


def test_a_job_that_finds_no_room_fails_with_the_reason_and_the_next_one_works(tmp_path):
    """What must stay free counts, not what the disk would hold."""
    data = tmp_path / "data"
    with serving(data) as server:
        for seed in range(5):
            server.add(small(seed), id=str(seed))
        server.add(small(6), id="6", wait=False)
        server.stop()
    with serving(data, catalog={"min_free_bytes": 1 << 60}) as server:
        for kind in ("rebuild", "ingest"):
            job = server.run_job(kind)
            assert job["state"] == "failed"
            assert "catalog.min_free_bytes" in job["error"]
        assert not list(data.glob("index/*/.building-*"))
        assert server.ask("POST", "/search", json=body(small(1))).json()["duplicate"]
        server.stop()
    with serving(data) as server:
        assert server.run_job("ingest")["state"] == "done"
        until(lambda: server.get("/collections/default")["images"] == 6, "the picture that waited", server)
