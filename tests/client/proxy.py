"""A real HTTP server between a client and a service, which does to requests what networks and busy services do."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

PASSED_ON = ("Content-Type", "Retry-After", "Location", "Idempotency-Replayed")


class Proxy(ThreadingHTTPServer):
    """Asks `target`, and does to the requests, in the order of their coming, what `actions` says; then nothing more.

    drop: the connection is closed, the request was not passed on
    cut:  the same, but the request was passed on, and the answer thrown away
    half: half of the answer's body goes out
    503, 429 3 ...: the status, with these seconds in Retry-After
    slow 2: passed on after these seconds
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.actions: list[str] = []
        self.seen: list[tuple[float, str, str, dict[str, str]]] = []  # when, method, path, headers
        self.lock = threading.Lock()

    def handle_error(self, *_: Any) -> None:
        """Clients go away: that is what is tested."""

    def keys(self) -> list[str]:
        """Idempotency keys in the order of coming."""
        return [headers["Idempotency-Key"] for *_, headers in self.seen if "Idempotency-Key" in headers]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.seen.append((time.monotonic(), self.command, self.path, dict(self.headers)))
            action = self.server.actions.pop(0) if self.server.actions else "pass"
        word, _, number = action.partition(" ")
        if word == "drop":
            self.close_connection = True
        elif word.isdigit():
            self._refuse(int(word), number)
        else:
            self._pass_on(word, float(number or 0), body)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _refuse(self, status: int, retry_after: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.end_headers()

    def _pass_on(self, word: str, seconds: float, body: bytes) -> None:
        time.sleep(seconds)
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                self.command, self.server.target + self.path, headers=headers, data=body, timeout=60
            )
        if word == "cut":
            self.close_connection = True
            return
        self.send_response(answer.status_code)
        for name in PASSED_ON:
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content[: len(answer.content) // 2] if word == "half" else answer.content)
        self.close_connection = word == "half"

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@contextmanager
def between(target: str) -> Iterator[Proxy]:
    """A proxy before the service at `target`."""
    with Proxy(target) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
