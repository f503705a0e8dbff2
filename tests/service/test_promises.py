"""What the service promises, kept by real processes: killed, restarted, side by side over one data folder."""

import itertools
import shutil
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.service.answers import found, is_exact, same
from tests.service.asking import Exact, body, jpeg, small
from tests.service.server import Server, serving, until

pytestmark = pytest.mark.slow
TWO_WORKERS = {"workers": 2, "threads": 16}
CLIENTS = 6


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def pair(data_dir: Path) -> Iterator[tuple[Server, Server]]:
    """Two services over one data folder."""
    with serving(data_dir) as one, serving(data_dir) as other:
        yield one, other


def listed(server: Server) -> dict[str, dict[str, Any]]:
    """All pictures of the default collection, page by page."""
    images: dict[str, dict[str, Any]] = {}
    after: int | None = 0
    while after is not None:
        page = server.get(f"/images?limit=100&after={after}")
        images |= {image["id"]: image for image in page["images"]}
        after = page["next"]
    return images


def add_until_dead(server: Server, seeds: Iterable[int], acknowledged: set[int]) -> None:
    for seed in seeds:
        try:
            answer = server.add(small(seed), id=str(seed))
        except requests.RequestException:
            return
        assert answer.status_code == 201, answer.text
        acknowledged.add(seed)


@pytest.mark.parametrize("enough", [30, 120])
def test_1_what_was_acknowledged_survives_kill_9_and_is_found(data_dir, enough):
    seeds = range(600)
    [small(seed) for seed in seeds]
    acknowledged: set[int] = set()
    with serving(data_dir, server=TWO_WORKERS, maintenance={"rebuild_after": 20, "poll_s": 0.1}) as server:
        with ThreadPoolExecutor(CLIENTS) as clients:
            adding = [
                clients.submit(add_until_dead, server, seeds[start::CLIENTS], acknowledged) for start in range(CLIENTS)
            ]
            until(lambda: len(acknowledged) >= enough, "adds")
            server.kill()
        for each in adding:
            each.result()
    assert enough <= len(acknowledged) < len(seeds)
    with serving(data_dir) as server:
        held = [int(name) for name in listed(server)]
        assert acknowledged <= set(held)
        assert len(held) <= len(acknowledged) + CLIENTS  # at most the one under way of each client
        assert server.get("/collections/default")["kept"]["images"] == len(held)
        is_exact(server, held, queries=[*held[-10:], 601, 602])


def test_1_an_add_is_found_by_the_very_next_request_on_any_worker(data_dir):
    with serving(data_dir, server=TWO_WORKERS) as server:
        for seed in range(20):
            assert server.add(small(seed), id=str(seed)).status_code == 201
            for _ in range(3):
                assert server.search(small(seed), top_k=1)[0]["id"] == str(seed)


def test_2_a_deleted_index_is_rebuilt_and_finds_the_same(data_dir):
    queries = [jpeg(seed, 30) for seed in range(8)]
    with serving(data_dir) as server:
        for seed in range(40):
            server.add(small(seed), id=str(seed))
        server.run_job("rebuild")
        server.ask("DELETE", "/images/3")
        answers = [found(server, data, 20) for data in queries]
        shutil.rmtree(data_dir / "index")  # under its feet
        assert [found(server, data, 20) for data in queries] == answers
        server.stop()
    with serving(data_dir) as server:
        assert [found(server, data, 20) for data in queries] == answers
        job = server.run_job("rebuild")
        assert job["result"]["collections"]["default"]["count"] == 39
        assert list((data_dir / "index").glob("default-*/CURRENT"))
        assert [found(server, data, 20) for data in queries] == answers
        server.stop()
    (index,) = (data_dir / "index").glob("default-*/gen-*/index.faiss")
    index.write_bytes(index.read_bytes()[:-9])
    with serving(data_dir) as server:
        assert [found(server, data, 20) for data in queries] == answers


def test_3_and_5_searches_stay_right_while_indexes_are_rebuilt_and_swapped(data_dir):
    stable = range(30)
    with serving(data_dir, server=TWO_WORKERS) as server:
        for seed in stable:
            server.add(small(seed), id=f"stable-{seed}")
        done = threading.Event()
        with ThreadPoolExecutor(4) as clients:
            rounds = [
                *(clients.submit(come_and_go, server, seeds(start), done) for start in (1000, 2000)),
                *(clients.submit(look_for, server, stable, done) for _ in range(2)),
            ]
            try:
                jobs = [server.run_job("rebuild") for _ in range(5)]
            finally:
                done.set()
        assert all(each.result() > 10 for each in rounds)
        reports = [job["result"]["collections"]["default"] for job in jobs]
        assert all(report["changed"] for report in reports)
        assert "Traceback" not in server.log.read_text()
        assert server.log.read_text().count("now searches generation") >= 5
        oracle = Exact({f"stable-{seed}": small(seed) for seed in stable})
        same(found(server, jpeg(3), 10), oracle.search(jpeg(3), 10))


def seeds(start: int) -> Iterator[int]:
    """Few enough pictures that making them costs little, none of them next to another at once."""
    return itertools.cycle(range(start, start + 50))


def come_and_go(server: Server, coming: Iterator[int], done: threading.Event) -> int:
    """Add a picture, find it, delete it, and never see it again."""
    count = 0
    while not done.is_set():
        seed = next(coming)
        name = f"{seed}-{count}"
        assert server.add(small(seed), id=name).status_code == 201
        assert server.search(small(seed), top_k=1)[0]["id"] == name
        assert server.ask("DELETE", f"/images/{name}").status_code == 204
        assert name not in [match["id"] for match in server.search(small(seed), top_k=100)]
        count += 1
    return count


def look_for(server: Server, stable: Iterable[int], done: threading.Event) -> int:
    """Pictures that stay are found first, all the time."""
    count = 0
    for seed in itertools.cycle(stable):
        if done.is_set():
            break
        best = server.search(small(seed), top_k=3)[0]
        assert (best["id"], best["relation"]) == (f"stable-{seed}", "exact")
        count += 1
    return count


@pytest.mark.parametrize("data", [jpeg(1), jpeg(2, 60)])
def test_4_of_many_adds_of_one_picture_exactly_one_is_kept(pair, data):
    ready = threading.Barrier(32)

    def race(number: int) -> requests.Response:
        ready.wait()
        return pair[number % 2].add(data, id=f"racer-{number}", on_duplicate="reject")

    with ThreadPoolExecutor(32) as clients:
        answers = list(clients.map(race, range(32)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 31
    (winner,) = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    losers = [answer.json() for answer in answers if answer.status_code == 409]
    assert all([match["id"] for match in loser["matches"]] == [winner] for loser in losers)
    assert list(listed(pair[0])) == [winner]


def test_5_what_one_process_changes_the_other_sees_at_the_next_request(pair):
    one, other = pair
    for seed in range(15):
        assert one.add(small(seed), id=str(seed), collection="cats").status_code == 201
        assert other.search(small(seed), collection="cats", top_k=1)[0]["id"] == str(seed)
        one.ask("PATCH", f"/images/{seed}?collection=cats", json={"metadata": {"seen": seed}})
        assert other.search(small(seed), collection="cats", top_k=1)[0]["metadata"] == {"seen": seed}
        assert other.ask("DELETE", f"/images/{seed}?collection=cats").status_code == 204
        assert str(seed) not in [match["id"] for match in one.search(small(seed), collection="cats", top_k=50)]
    other.ask("DELETE", "/collections/cats")
    assert one.ask("POST", "/search", json=body(small(1), collection="cats")).status_code == 404
    one.add(small(2), id="new", collection="cats")
    assert [match["id"] for match in other.search(small(1), collection="cats")] == ["new"]


@pytest.mark.model
def test_6_another_extractor_never_touches_the_old_vectors(data_dir):
    with serving(data_dir) as server:
        server.add(jpeg(1), id="one", collection="old")
        server.stop()
    with serving(data_dir, extractor={"name": "sscd_distilled", "size": 64, "engine": "onnxruntime"}) as server:
        for path in ("/search", "/add"):
            answer = server.ask("POST", path, json=body(jpeg(1), collection="old"))
            assert answer.status_code == 409
            assert answer.json()["type"] == "urn:imageretrieval:fingerprint-mismatch"
            assert "build_index.py" in answer.json()["detail"]
        assert server.add(jpeg(1), id="one", collection="new").status_code == 201
        assert server.search(jpeg(1), collection="new")[0]["id"] == "one"
        assert server.get("/images/one?collection=old")["id"] == "one"
        server.stop()
    with serving(data_dir) as server:
        assert server.search(jpeg(1), collection="old")[0]["relation"] == "exact"
