"""A re-embedding is killed anywhere, goes on, and costs nothing that was done; and the same with the real models."""

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.service.answers import found, same
from tests.service.asking import Exact, jpeg, small
from tests.service.mirrored import Mirrored
from tests.service.server import ROOT, Server, configuration, serving, until

pytestmark = pytest.mark.slow
COUNT, BATCH = 24, 4
SMALL_BATCHES = {"batch_size": BATCH}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def config(data_dir: Path) -> Path:
    path = data_dir.parent / "script.yaml"
    path.write_text(json.dumps(configuration(data_dir, extractor=SMALL_BATCHES)))
    return path


@pytest.fixture
def server(data_dir: Path) -> Iterator[Server]:
    """A service with the old settings and pictures that came over HTTP. Its maintenance is another's."""
    with serving(data_dir, maintenance={"enabled": False}) as running:
        for seed in range(COUNT):
            running.add(small(seed), id=str(seed))
        yield running


def script(config: Path, *arguments: str, module: str = "tests.service.mirrored", **env: str) -> subprocess.Popen[str]:
    """`build_index.py --reembed`, with the second extractor unless another module is named."""
    command = [sys.executable, "-m", module, "--config", str(config), "--reembed", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | env, stderr=subprocess.PIPE, text=True)


def told_by(process: subprocess.Popen[str], status: int = 0) -> str:
    told = process.communicate(timeout=120)[1]
    assert process.returncode == status, told
    return told


def gathered(data_dir: Path) -> int:
    with closing(sqlite3.connect(data_dir / "catalog.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM new_vectors").fetchone()
    return int(count)


def is_as_before(server: Server) -> None:
    oracle = Exact({str(seed): small(seed) for seed in range(COUNT)})
    same(found(server, jpeg(3, 30), 10), oracle.search(jpeg(3, 30), 10))


def is_the_new_ones(data_dir: Path) -> None:
    with closing(sqlite3.connect(data_dir / "catalog.db")) as connection:
        assert connection.execute("SELECT fingerprint FROM collections").fetchall() == [(Mirrored().fingerprint,)]
        assert connection.execute("SELECT count(*) FROM images").fetchone() == (COUNT,)
        assert connection.execute("SELECT count(*) FROM pictures").fetchone() == (COUNT,)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert gathered(data_dir) == 0
    assert len(list((data_dir / "index").iterdir())) == 1


def test_killed_again_and_again_only_the_rest_is_embedded(server, data_dir, config):
    done, moments = 0, random.Random(0)
    while done < COUNT - 2 * BATCH:
        process = script(config, MIRRORED_PAUSE_S="0.2")
        until(lambda before=done: gathered(data_dir) > before, "a batch")
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        process.communicate()
        done = gathered(data_dir)
        assert done % BATCH == 0
        is_as_before(server)
    told = told_by(script(config))
    assert f"{done} embedded by earlier runs, " in told
    assert f"{COUNT - done} from kept thumbnails" in told
    is_the_new_ones(data_dir)
    assert server.ask("GET", "/images/3").status_code == 200
    refusal = server.add(small(99))
    assert refusal.status_code == 409
    assert "`python scripts/build_index.py --reembed --collection default`" in refusal.json()["detail"]


def test_killed_within_the_swap_nothing_has_changed(server, data_dir, config):
    told_by(script(config, MIRRORED_DIE_AT="swap"), status=-9)
    assert gathered(data_dir) == COUNT
    is_as_before(server)
    server.add(jpeg(50), id="50")
    server.ask("DELETE", "/images/50")
    assert f"{COUNT} embedded by earlier runs, 0 embedded" in told_by(script(config))
    is_the_new_ones(data_dir)


def test_killed_after_the_swap_the_index_is_made_up_for(server, data_dir, config):
    told_by(script(config, MIRRORED_DIE_AT="sweep"), status=-9)
    assert server.add(small(99)).status_code == 409
    assert "of this extractor already" in told_by(script(config))
    is_the_new_ones(data_dir)


@pytest.mark.model
def test_from_sscd_to_its_student_and_back(tmp_path, data_dir):
    teacher, student = ({"name": name, "size": 224} for name in ("sscd", "sscd_distilled"))
    configs = {each["name"]: tmp_path / f"{each['name']}.yaml" for each in (teacher, student)}
    for each in (teacher, student):
        configs[each["name"]].write_text(json.dumps(configuration(data_dir, extractor=each)))
    (tmp_path / "folder").mkdir()
    for seed in range(3):
        (tmp_path / "folder" / f"file-{seed}.jpg").write_bytes(jpeg(seed))
    command = [sys.executable, "scripts/build_index.py", str(tmp_path / "folder"), "--config", str(configs["sscd"])]
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    with serving(data_dir, extractor=teacher) as old:
        for seed in range(3, 6):
            old.add(jpeg(seed), id=f"sent-{seed}")
        before = old.search(jpeg(1, 30))
        with serving(data_dir, extractor=student) as new:
            assert new.ask("GET", "/collections/default").json()["images"] == 6
            told = told_by(script(configs["sscd_distilled"], module="scripts.build_index"))
            assert "3 embedded from the files that they came from, 3 from kept thumbnails" in told
            assert [new.search(jpeg(seed))[0]["relation"] for seed in range(6)] == ["exact"] * 6
            assert min(new.search(jpeg(seed))[0]["score"] for seed in range(6)) > 0.95
        assert old.add(jpeg(9)).status_code == 409
        told_by(script(configs["sscd"], module="scripts.build_index"))
        again = old.search(jpeg(1, 30))
    assert again[0]["id"] == "file-1.jpg"
    scores = {match["id"]: match["score"] for match in again}
    for match in before:  # what came from files is as it was, the rest nearly
        assert scores[match["id"]] == pytest.approx(match["score"], abs=2e-3 if "file" in match["id"] else 0.1)
