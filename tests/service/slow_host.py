"""A web server that answers when it is told to, so that requests which fetch from it stay under way."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class SlowHost:
    """Serves `picture` at every path of `url`, once `let_go` is called; until then its clients wait."""

    def __init__(self, picture: bytes) -> None:
        self.asked = threading.Semaphore(0)
        self._go = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.release()
                outer._go.wait(60)
                self.send_response(200)
                self.send_header("Content-Length", str(len(picture)))
                self.end_headers()
                self.wfile.write(picture)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Clients may be gone by then."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def wait_until_asked(self, times: int) -> None:
        """Wait until so many requests more have come in."""
        for _ in range(times):
            assert self.asked.acquire(timeout=30), "the service fetches nothing"

    def let_go(self) -> None:
        """Answer, from now on."""
        self._go.set()

    def close(self) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def slow_host(picture: bytes) -> Iterator[SlowHost]:
    """A SlowHost for as long as it is needed."""
    host = SlowHost(picture)
    try:
        yield host
    finally:
        host.close()


# Settings under which a service waits for such a host.
PATIENT = {"fetch": {"allow_private_addresses": True, "read_timeout_s": 60.0, "total_timeout_s": 60.0}}
