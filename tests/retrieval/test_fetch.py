import contextlib
import gzip
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from retrieval import fetch as module
from retrieval.errors import FetchFailed, FetchRefused, InputError, PictureTooLarge
from retrieval.fetch import fetch
from retrieval.settings import load_settings

LIMIT = 100_000
BODY = bytes(range(256)) * 100
BOMB = gzip.compress(bytes(50_000_000))


def limits(**fetching):
    section = {"allow_private_addresses": True} | fetching
    return load_settings(environ={"-": ""}, input={"max_bytes": LIMIT, "fetch": section}).input


class Handler(BaseHTTPRequestHandler):
    """Answers each path with what its name says."""

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
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
        self.answer(bytes(LIMIT))

    def too_large(self):
        self.answer(bytes(LIMIT + 1), Content_Length=None)

    def announces_too_much(self):
        self.answer(b"x", Content_Length=str(10**9))
        self.server.closing.wait(3)

    def announces_nonsense(self):
        self.answer(BODY, Content_Length="many")

    def endless(self):
        self.answer(Content_Length=None)
        self.drip(bytes(10_000), pause=0)

    def cut_short(self):
        self.answer(BODY, Content_Length=str(len(BODY) + 1))

    def chunked(self):
        self.protocol_version = "HTTP/1.1"
        self.answer(Content_Length=None, Transfer_Encoding="chunked", Connection="close")
        self.wfile.write(b"6400\r\n" + BODY + b"\r\n0\r\n\r\n")

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
        self.redirect(self.path.partition("?")[2])

    def redirect_nowhere(self):
        self.answer(status=302)

    def redirect_in_bytes(self):
        self.wfile.write(b"HTTP/1.0 302 F\r\nLocation: /\xc3\xbc\xff\r\n\r\n")


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("", 0), Handler) as running:  # all addresses of this machine: 127.0.0.2 too
        running.seen, running.closing, running.daemon_threads = [], threading.Event(), True
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.closing.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def url(server):
    server.seen.clear()
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def only_the_first_address_is_public(monkeypatch):
    monkeypatch.setattr(module, "_is_public", lambda address: address == "127.0.0.1")


@pytest.mark.parametrize("path", ["picture", "chunked", "zipped", "hop?0", "hop?2", "announces-nonsense"])
def test_the_body_arrives_whole(url, path):
    assert fetch(f"{url}/{path}", limits()) == BODY


def test_who_asks_is_said_and_nothing_else(url, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    fetch(f"{url}/picture?a=b#part", limits())
    ((path, headers),) = server.seen
    assert path == "/picture?a=b"
    assert headers["User-Agent"].startswith("ImageRetrieval")
    assert not {"Cookie", "Authorization", "Referer"} & headers.keys()


@pytest.mark.parametrize("path", ["nothing", "error", "empty", "partial", "redirect-nowhere"])
def test_only_status_200_counts(url, path):
    with pytest.raises(FetchFailed, match=r"127\.0\.0\.1 answered with status \d+"):
        fetch(f"{url}/{path}", limits())


@pytest.mark.parametrize("path", ["cut-short", "bad-chunks", "not-zipped", "nonsense", "redirect-in-bytes"])
def test_broken_answers_fail_without_detail(url, path):
    with pytest.raises(FetchFailed) as caught:
        fetch(f"{url}/{path}", limits())
    assert "127.0.0.1" in str(caught.value)
    assert not {"urllib3", "object at", "Error", "Errno", "Traceback"} & set(str(caught.value).split())


def test_a_body_of_the_largest_size_passes(url):
    assert len(fetch(f"{url}/largest", limits())) == LIMIT


@pytest.mark.parametrize("path", ["too-large", "announces-too-much", "endless", "bomb"])
def test_a_larger_body_is_dropped_at_once(url, path):
    started = time.monotonic()
    with pytest.raises(PictureTooLarge, match="100,000 bytes"):
        fetch(f"{url}/{path}", limits(read_timeout_s=10.0, total_timeout_s=20.0))
    assert time.monotonic() - started < 2.5


@pytest.mark.parametrize("path", ["slow-body", "slow-body-without-length", "slow-head"])
def test_dripping_ends_with_the_total_time(url, path):
    started = time.monotonic()
    with pytest.raises(FetchFailed, match=r"within 0\.7 s"):
        fetch(f"{url}/{path}", limits(total_timeout_s=0.7))
    assert 0.6 < time.monotonic() - started < 3


def test_silence_ends_with_the_read_time(url):
    started = time.monotonic()
    with pytest.raises(FetchFailed, match="no answer in time"):
        fetch(f"{url}/silent", limits(read_timeout_s=0.3, total_timeout_s=20.0))
    assert time.monotonic() - started < 2.5


def test_redirects_are_limited(url, server):
    assert fetch(f"{url}/hop?2", limits(max_redirects=3)) == BODY
    server.seen.clear()
    with pytest.raises(FetchFailed, match="more than 2 times"):
        fetch(f"{url}/hop?2", limits(max_redirects=2))
    with pytest.raises(FetchFailed, match="more than 3 times"):
        fetch(f"{url}/loop", limits())
    assert len(server.seen) == 3 + 4
    with pytest.raises(FetchFailed, match="more than 0 times"):
        fetch(f"{url}/loop", limits(max_redirects=0))


def test_the_body_of_a_redirect_is_not_read(url):
    assert fetch(f"{url}/fat-redirect", limits(total_timeout_s=5)) == BODY


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://a:b@127.0.0.1/", "//u@h/x", "data:,x"]
)
def test_a_redirect_is_checked_like_the_url(url, target):
    with pytest.raises(FetchRefused):
        fetch(f"{url}/redirect-to?{target}", limits())


def test_this_machine_is_refused_unless_allowed(url, server):
    with pytest.raises(FetchRefused, match=r"127\.0\.0\.1 is not a public address"):
        fetch(f"{url}/picture", limits(allow_private_addresses=False))
    assert not server.seen


def test_a_redirect_to_a_private_address_is_refused(url, server, only_the_first_address_is_public):
    private = f"http://127.0.0.2:{server.server_port}/picture"
    assert fetch(private, limits()) == BODY
    server.seen.clear()
    with pytest.raises(FetchRefused, match=r"127\.0\.0\.2"):
        fetch(f"{url}/redirect-to?{private}", limits(allow_private_addresses=False))
    assert [path for path, _ in server.seen] == [f"/redirect-to?{private}"]


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::", "ff02::1"),
    ],
)
def test_no_connection_is_made_to_what_is_not_public(address, monkeypatch):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(family, socket.SOCK_STREAM, 6, "", (address, 80))])
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("connected"))
    for host in ("innocent.example", f"[{address}]" if ":" in address else address):
        with pytest.raises(FetchRefused, match="not a public address"):
            fetch(f"http://{host}/x", limits(allow_private_addresses=False))


def test_what_is_dialled_is_what_was_checked(url, server, monkeypatch, only_the_first_address_is_public):
    """A name server that answers anew at each question gets no second question."""
    asked = []

    def rebinding(host, port, **_):
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with monkeypatch.context() as patch:
        patch.setattr(module, "_resolve", rebinding)
        body = fetch(f"http://rebind.example:{server.server_port}/picture", limits(allow_private_addresses=False))
    assert (body, asked) == (BODY, ["rebind.example"])
    assert server.seen[0][1]["Host"] == f"rebind.example:{server.server_port}"


def test_a_dead_address_is_passed_over(url, server, monkeypatch):
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.99", "127.0.0.1")]
    dial = socket.create_connection

    def create_connection(address, timeout):
        if address[0] == "127.0.0.99":
            raise ConnectionRefusedError
        return dial(address, timeout)

    monkeypatch.setattr(module, "_resolve", lambda *_: both)
    monkeypatch.setattr(socket, "create_connection", create_connection)
    assert fetch(f"http://two.example:{server.server_port}/picture", limits()) == BODY


def test_nothing_is_fetched_when_fetching_is_off(url, server):
    with pytest.raises(FetchRefused, match="send the picture itself"):
        fetch(f"{url}/picture", limits(enabled=False))
    assert not server.seen


def test_a_closed_port_fails():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(FetchFailed, match=r"could not be fetched from 127\.0\.0\.1\."):
        fetch(f"http://127.0.0.1:{port}/", limits())


def test_a_server_without_tls_fails(url):
    with pytest.raises(FetchFailed):
        fetch(url.replace("http:", "https:") + "/picture", limits())


@pytest.mark.parametrize(
    "bad", ["ftp://h/x", "file:///etc/passwd", "", "picture.jpg", "javascript:alert(1)", "//h/x", " "]
)
def test_other_schemes_are_refused(bad):
    with pytest.raises(FetchRefused, match="http:// or https://"):
        fetch(bad, limits())


@pytest.mark.parametrize("bad", ["http://user@h.example/", "http://a:b@h.example/x", "http://:@h.example/"])
def test_urls_with_credentials_are_refused(bad):
    with pytest.raises(FetchRefused, match="password"):
        fetch(bad, limits())


GARBAGE = [
    *(
        "http://",
        "https://",
        "http:///x",
        "http://[::1",
        "http://[]/",
        "http://[x]/",
        "http://?",
        "http://#",
        "http://:80",
    ),
    *(
        "http://h.invalid:99999/",
        "http://h.invalid:-1/",
        "http://h.invalid:x/",
        "http://h.invalid:/",
        "http://h..invalid/",
    ),
    *("http://a b.invalid/", "http://h.invalid/\r\nX: y", "http://h.invalid/\0", "http://\0/", "http://h.invalid\\@x/"),
    *(
        "http://\u2100.invalid/",
        "http://\ud800.invalid/",
        "http://xn--a.invalid/",
        "http://h.invalid/\ud800",
        "http://%00/",
    ),
    *("http://" + "a" * 64 + ".invalid/", "http://" + "a." * 200 + "invalid/", "http://h.invalid/" + "a" * 100_000),
    *(
        "http://" + "ü" * 300 + ".invalid/",
        "http://*.invalid",
        "http://.invalid/",
        "http://-/",
        "http://%zz/",
        "http://1.2.3/",
    ),
    *("http://h.invalid:0/", "http://" + "9" * 5000 + "/", "http://h.invalid:" + "9" * 5000 + "/"),
]


@pytest.mark.parametrize("rest", ["\r\nX: y", "\n", "\0", "\x7f", "a" * 8192])
def test_line_breaks_and_endless_urls_are_not_even_looked_up(rest, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    with pytest.raises(FetchFailed, match="The URL is invalid"):
        fetch(f"http://h.invalid/{rest}", limits())


def no_host(host, *_, **__):
    if isinstance(host, str):
        host.encode("idna")  # as the real one does, with its errors
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("bad", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_a_domain_error_with_a_short_message(bad, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", no_host)
    with pytest.raises((FetchFailed, FetchRefused)) as caught:
        fetch(bad, limits())
    assert len(str(caught.value)) < 400
    str(caught.value).encode()


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(st.text(max_size=40), st.sampled_from(["", "/", ":1", "[", "]", "@", "?", "\\", "%"]), st.text(max_size=10))
@example("[::1]", ":", "")
def test_any_text_is_a_domain_error(host, middle, rest):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", no_host)
        with pytest.raises(InputError):
            fetch(f"http://{host}{middle}{rest}", limits())


def test_nothing_is_left_running(url):
    before = threading.active_count()
    for path in ("picture", "endless", "slow-head", "hop?2"):
        with contextlib.suppress(InputError):
            fetch(f"{url}/{path}", limits(total_timeout_s=0.5))
    deadline = time.monotonic() + 2
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)  # the server's own threads end a little later
    assert threading.active_count() <= before
