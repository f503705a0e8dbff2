"""scripts/soak.py: what its figures say of known series, what its clients notice, and a short run of all of it."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from scripts import soak
from scripts.soaking import watch
from scripts.soaking.client import Client
from scripts.soaking.figures import compare, during, slope
from scripts.soaking.pictures import Variants
from scripts.soaking.record import Rebuild, Record, Request, Wrong
from tests.corpus import encoded, photo

pytestmark = pytest.mark.any_extractor


def requests_of(latencies, every=0.1, kind="search"):
    return [Request(kind, place * every, float(ms), 200) for place, ms in enumerate(latencies)]


def test_the_slope_of_a_line_is_its_own():
    found = slope(np.arange(10), 100 + 3 * np.arange(10))
    assert (found.low, found.median, found.high) == pytest.approx((3, 3, 3))


def test_a_sawtooth_and_outliers_do_not_tilt_the_slope():
    minutes = np.arange(480) / 60
    values = 500 + 20 * (np.arange(480) % 20 < 4) + np.where(np.arange(480) == 470, 5000, 0)
    assert slope(minutes, values).median == pytest.approx(0, abs=0.05)


def test_growth_shows_in_spite_of_noise():
    minutes = np.arange(480) / 60
    values = 500 + 2 * minutes + np.random.default_rng(0).normal(0, 5, 480)
    found = slope(minutes, values)
    assert found.median == pytest.approx(2, abs=0.3)
    assert found.low < found.median < found.high


def test_two_samples_have_no_slope():
    with pytest.raises(ValueError, match="three samples"):
        slope([0, 1], [1, 2])


def test_a_request_belongs_to_the_moment_it_began():
    rebuilds = [Rebuild(10, 12, {}), Rebuild(30, 31, {})]
    moments = np.array([9.9, 10, 12, 12.9, 13.1, 31.5, 40])
    assert during(moments, rebuilds).tolist() == [False, True, True, True, False, True, False]


def test_rebuilds_are_compared_with_pauses():
    started = np.arange(3000) * 0.1
    rebuilds = [Rebuild(start, start + 4, {}) for start in range(0, 300, 20)]
    slowed = np.where(during(started, rebuilds), 150, 50) + np.random.default_rng(0).uniform(0, 1, 3000)
    found = compare(requests_of(slowed), rebuilds)
    assert found.idle + found.busy == 3000
    assert found.busy_p99 == pytest.approx(151, abs=1)
    assert found.ratio == pytest.approx(151 / 51, abs=0.05)
    assert found.low <= found.ratio <= found.high
    assert compare(requests_of(slowed), []) is None


def test_one_slow_cycle_makes_the_range_wide():
    rebuilds = [Rebuild(start, start + 4, {}) for start in range(0, 300, 20)]
    latencies = np.full(3000, 50.0)
    latencies[:50] = 500
    found = compare(requests_of(latencies), rebuilds)
    assert found.low == pytest.approx(1)
    assert found.high == pytest.approx(10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for seed in range(12):
        (folder / f"{seed}.jpg").write_bytes(encoded(photo(seed, (320, 300)), "JPEG", quality=90))
    (folder / "grey.png").write_bytes(encoded(photo(1, (320, 300)).convert("L"), "PNG"))
    (folder / "notes.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def variants(folder):
    return Variants(sorted(folder.iterdir()))


def test_variants_are_different_files_and_the_same_again(variants):
    assert len(variants) == 12
    made = [variants.make(number) for number in range(300)]
    assert len(set(made)) == 300
    assert made[7] == variants.make(7)


def test_a_deleted_picture_may_be_in_answers_to_questions_from_before():
    record = Record()
    record.delete("gone")
    record.check_living(["gone"], record.deleted["gone"] - 1)
    with pytest.raises(Wrong, match="gone"):
        record.check_living(["gone"], record.deleted["gone"] + 1)


class Forgetful(BaseHTTPRequestHandler):
    """Takes every picture and finds none."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = (201, b"{}") if self.path == "/add" else (200, b'{"matches": []}')
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_service_that_forgets_is_found_out(variants):
    with ThreadingHTTPServer(("127.0.0.1", 0), Forgetful) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        record = Record()
        client = Client("1", server.server_port, variants, record, stored=2)
        client.start()
        assert client.filled.wait(30)
        client.stopping.set()
        client.join()
        server.shutdown()
    assert record.errors >= 2
    assert "not found" in record.first_errors[0]


PARENT = """
import subprocess, sys
waits = "import sys; print(flush=True); sys.stdin.read()"
with subprocess.Popen([sys.executable, "-c", waits], stdin=subprocess.PIPE):
    sys.stdin.read()
"""


def test_a_process_and_its_children_are_watched():
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        parent.stdout.readline()  # the child has started
        _, child = watch.family(parent.pid)
        both = watch.sample(parent.pid)
        alone = watch.sample(child)
        parent.communicate()
    assert (both.processes, both.threads) == (2, 2)
    assert (alone.processes, alone.threads) == (1, 1)
    assert both.rss > alone.rss > alone.anonymous > 0
    with pytest.raises(ProcessLookupError):
        watch.sample(child)


def test_a_folder_without_photographs_is_refused(tmp_path, capsys):
    assert soak.main([str(tmp_path)]) == 2
    assert "no colour photographs" in capsys.readouterr().err


@pytest.mark.slow
def test_a_short_soak_finds_no_error(folder, tmp_path, capsys):
    out = tmp_path / "soak.json"
    quick = ["--minutes", "0.15", "--clients", "4", "--rebuild-every", "3", "--stored", "24", "--filler", "200"]
    soak.main([str(folder), *quick, "--extractor", "thumbnail", "--json", str(out)])
    report = json.loads(out.read_text())
    assert report["errors"] == {"count": 0, "first": []}
    printed = capsys.readouterr().out
    assert "reached errors: 0 in" in printed
    assert "short   memory" in printed
    assert {"add, keep", "delete", "search, known bytes", "search, upload", "job"} <= report["statuses"].keys()
    assert all(each["changed"] for each in report["rebuilds"])
    assert report["rebuilds"]
    assert report["disk MB"]["after"]["catalog.db"] > 0
    assert {"rss", "anonymous", "threads", "descriptors"} == report["growth a minute"].keys()
