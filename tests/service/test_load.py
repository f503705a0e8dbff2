"""scripts/load.py: what a refusal makes of it."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.service.server import ROOT

pytestmark = pytest.mark.any_extractor


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
