"""A web server that answers as its paths say, well or badly, on all addresses of this machine."""

import contextlib
import functools
import gzip
import json
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from retrieval.settings import load_settings

LIMIT = 100_000
BODY = b"\xff\xd8\xff" + bytes(range(256)) * 100  # begins like a JPEG file
HTML = b"<!DOCTYPE html><title>Wiki of the staff</title>"
BOMB = gzip.compress(BODY + bytes(50_000_000))


def limits(**fetching):
    """Settings of the input that permit this machine, unless `fetching` says otherwise."""
    return _input(json.dumps({"allow_private_addresses": True} | fetching))


@functools.cache  # reading config.yaml takes longer than most of these tests
def _input(section):
    return load_settings(environ={"-": ""}, input={"max_bytes": LIMIT, "fetch": json.loads(section)}).input


def guarded(**fetching):
    """Settings to which 127.0.0.1 is the only address of this machine that may be asked."""
    return limits(**{"allow_private_addresses": False, "allow_networks": ["127.0.0.1"]} | fetching)


@contextlib.contextmanager
def serving(tls=None):
    """A running server; `seen` has the path, the headers and the address of each request."""
    with ThreadingHTTPServer(("", 0), Handler) as running:  # all addresses: 127.0.0.2 too
        running.seen, running.closing, running.daemon_threads = [], threading.Event(), True
        if tls:
            running.socket = tls.wrap_socket(running.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.closing.set()
        running.shutdown()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers each path with what its name says."""

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers), self.connection.getsockname()[0]))
        with contextlib.suppress(OSError):
            getattr(self, self.path.partition("?")[0].strip("/").replace("-", "_"), self.missing)()

    def log_message(self, *args):
        pass

    def answer(self, body=b"", status=200, **headers):
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            if value is not None:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, location, status=302):
        self.answer(b"moved", status, Location=location)

    def drip(self, piece, pause=0.1):
        while not self.server.closing.wait(pause):
            self.wfile.write(piece)
            self.wfile.flush()

    def missing(self):
        self.answer(b"nothing here", 404)

    def picture(self):
        self.answer(BODY)

    def error(self):
        self.answer(b"Traceback (most recent call last)", 500)

    def empty(self):
        self.answer(status=204, Content_Length=None)

    def partial(self):
        self.answer(BODY, 206)

    def largest(self):
        self.answer(BODY.ljust(LIMIT, b"x"))

    def too_large(self):
        self.answer(BODY.ljust(LIMIT + 1, b"x"), Content_Length=None)

    def announces_too_much(self):
        self.answer(b"x", Content_Length=str(10**9))
        self.server.closing.wait(3)

    def announces_nonsense(self):
        self.answer(BODY, Content_Length="many")

    def endless(self):
        self.answer(BODY, Content_Length=None)
        self.drip(bytes(10_000), pause=0)

    def cut_short(self):
        self.answer(BODY, Content_Length=str(len(BODY) + 1))

    def chunked(self):
        self.protocol_version = "HTTP/1.1"
        self.answer(Content_Length=None, Transfer_Encoding="chunked", Connection="close")
        self.wfile.write(b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n")

    def bad_chunks(self):
        self.protocol_version = "HTTP/1.1"
        self.answer(b"zz\r\n\xff", Content_Length=None, Transfer_Encoding="chunked", Connection="close")

    def zipped(self):
        self.answer(gzip.compress(BODY), Content_Encoding="gzip")

    def bomb(self):
        self.answer(BOMB, Content_Encoding="gzip")

    def not_zipped(self):
        self.answer(BODY, Content_Encoding="gzip")

    def slow_body(self):
        self.answer(Content_Length="50000")
        self.drip(b"x")

    def slow_body_without_length(self):
        self.answer(Content_Length=None)
        self.drip(b"x")

    def slow_head(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self.drip(b"x")

    def silent(self):
        self.server.closing.wait(3)

    def nonsense(self):
        self.wfile.write(b"\x00\xffSSH-2.0-OpenSSH\r\n\r\n")

    def hop(self):
        left = int(self.path.partition("?")[2])
        self.redirect(f"/hop?{left - 1}" if left else "picture")

    def loop(self):
        self.redirect("/loop", 307)

    def fat_redirect(self):
        self.answer(status=302, Content_Length=None, Location="/picture")
        self.drip(bytes(10_000), pause=0)

    def redirect_to(self):
        status, _, location = self.path.partition("?")[2].partition("&")
        self.redirect(bytes.fromhex(location).decode(), int(status))

    def redirect_nowhere(self):
        self.answer(status=302)

    def redirect_in_bytes(self):
        self.wfile.write(b"HTTP/1.0 302 F\r\nLocation: /\xc3\xbc\xff\r\n\r\n")

    def page(self):
        self.answer(HTML)

    def endless_page(self):
        self.answer(HTML, Content_Length=None)
        self.drip(HTML, pause=0.01)

    def no_body(self):
        self.answer()

    def deflated(self):
        self.answer(zlib.compress(BODY), Content_Encoding="deflate")

    def zipped_page(self):
        self.answer(gzip.compress(HTML), Content_Encoding="gzip")

    def zipped_twice(self):
        self.answer(gzip.compress(BOMB), Content_Encoding="gzip, gzip")

    def brotli(self):
        self.answer(BODY, Content_Encoding="br")

    def zstd(self):
        self.answer(BODY, Content_Encoding="zstd")

    def empty_members(self):
        self.answer(gzip.compress(BODY), Content_Length=None, Content_Encoding="gzip")
        self.drip(gzip.compress(b"") * 1000, pause=0)

    def hundred_headers(self):
        self.answer(BODY, **{f"X_{n}": "x" * 100 for n in range(101)})

    def fat_header(self):
        self.answer(BODY, X="x" * 70_000)

    def endless_header(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        self.drip(b"x" * 10_000, pause=0)

    def endless_continue(self):
        self.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 10, pause=0)

    def early_hints(self):
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        self.answer(BODY)

    def endless_trailer(self):
        self.protocol_version = "HTTP/1.1"
        self.answer(b"3\r\n\xff\xd8\xff\r\n0\r\n", Content_Length=None, Transfer_Encoding="chunked", Connection="close")
        self.drip(b"X: y\r\n" * 100, pause=0)

    def endless_chunk_size(self):
        self.protocol_version = "HTTP/1.1"
        self.answer(Content_Length=None, Transfer_Encoding="chunked", Connection="close")
        self.drip(b"0" * 10_000, pause=0)

    def huge_length(self):
        self.answer(BODY, Content_Length="9" * 5000)

    def negative_length(self):
        self.answer(BODY, Content_Length="-1")

    def two_lengths(self):
        self.answer(BODY, Content_Length=f"{len(BODY)}, 5")

    def old_http(self):
        self.wfile.write(BODY)
