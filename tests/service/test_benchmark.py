"""scripts/benchmark.py and scripts/load.py: a small run of all of it, and what a refusal makes of it."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts import benchmark
from tests.corpus import encoded, photo
from tests.service.server import ROOT

pytestmark = pytest.mark.any_extractor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    for number in range(6):
        (made / f"{number}.jpg").write_bytes(encoded(photo(number), "JPEG"))
    return made


@pytest.mark.slow
def test_all_is_measured_and_told(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = tmp_path / "thumbnails.yaml", tmp_path / "figures.json"
    config.write_text("extractor: {name: thumbnail}\n")
    arguments = ["--config", str(config), "--rounds", "2", "--pictures", "70", "--json", str(out)]
    assert benchmark.main([str(folder), *arguments]) in (0, 1)
    told, written = capsys.readouterr().out, json.loads(out.read_text())
    assert len(written["rounds"]) == 2
    for clients in benchmark.CLIENTS:
        name = f"/search, {clients} client{'s' if clients > 1 else ''}"
        assert 0 < written["figures"][f"{name}: p50 ms"] <= written["figures"][f"{name}: p99 ms"]
        assert written["figures"][f"{name}: requests/s"] > 0
        assert f"{name}: p50 ms" in told
    assert {name for name, *_ in benchmark.AIMS} <= set(written["ratios"])
    added, searched = ("/add with reject, 16 clients: requests/s", "/search, 16 clients: requests/s")
    ratios = sorted(each[added] / each[searched] for each in written["rounds"])
    assert ratios[0] <= written["ratios"][added] <= ratios[1]


def test_a_folder_without_pictures_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main([str(tmp_path)]) == 2
    assert f"no pictures in {tmp_path}" in capsys.readouterr().err


class Refusing(BaseHTTPRequestHandler):
    """Answers every fourth request 503."""

    count = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Refusing.count += 1
        self.send_response(503 if Refusing.count % 4 == 0 else 200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"answer")

    def log_message(self, *_: object) -> None: ...


def test_a_refusal_is_no_answer() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for requests, is_refused in ((3, False), (8, True)):
            orders = {"port": server.server_port, "path": "/", "bodies": ["{}"], "clients": 2, "requests": requests}
            command = [sys.executable, str(ROOT / "scripts/load.py")]
            run = subprocess.run(command, input=json.dumps(orders), capture_output=True, text=True, check=False)
            assert (run.returncode != 0) is ("503: answer" in run.stderr) is is_refused
            assert is_refused or [answer[:2] for answer in json.loads(run.stdout)["answers"]] == [[0, 200]] * requests
        server.shutdown()
