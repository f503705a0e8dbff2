"""Bytes that are no proper HTTP, or too much of it: a problem document, and the service goes on."""

import re
import threading
import time

import pytest

from tests.service.server import serving
from tests.service.wire import dial, post, read_reply, send

pytestmark = [pytest.mark.slow, pytest.mark.any_extractor]
MAX_BODY = 100_000
POST = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("http") / "data", server={"max_request_bytes": MAX_BODY}) as server:
        yield server


CASES = {
    "no request line": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS where none is spoken
    "lower-case method": (b"get / HTTP/1.1\r\n\r\n", 400),
    "header without colon": (b"GET /healthz HTTP/1.1\r\nHost x\r\n\r\n", 400),
    "space before the colon": (b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "bare line feed in a header": (b"GET /healthz HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", 400),
    "NUL in a header": (b"GET /healthz HTTP/1.1\r\nHost: localhost\0y\r\n\r\n", 400),
    "folded header": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: y\r\n z\r\n\r\n", 200),
    "blank lines": (b"\r\n\r\n" * 2000, 400),
    "a blank line before": (b"\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
    "tiny chunks": (CHUNKED + b"1\r\na\r\n" * 15_000, 400),
    "chunks of nothing": (CHUNKED + b"\r\n" * 15_000, 400),
    "chunks smaller than what is around them": (CHUNKED + b"1\r\na\r\n" * 1_000, 400),
    "no Host": (b"GET /healthz HTTP/1.1\r\nX: y\r\n\r\n", 400),
    "no Host in HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    "two Hosts": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: other.example\r\n\r\n", 400),
    "endless header": (b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", 431),
    "thousands of headers": (b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 9_000 + b"\r\n", 431),
    "hundreds of headers": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 200 + b"\r\n", 400),
    "a hundred headers": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100 + b"\r\n", 200),
    "an address that is none": (b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", 400),
    "HTTP/1.2": (b"GET /healthz HTTP/1.2\r\nHost: localhost\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "endless URL": (b"GET /images?collection=" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n", 431),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n", 400),
    "length with a sign": (POST + b"Content-Length: +2\r\n\r\n{}", 400),
    "length in letters": (POST + b"Content-Length: two\r\n\r\n{}", 400),
    "two lengths": (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    "unknown transfer encoding": (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    "empty transfer encoding": (POST + b"Transfer-Encoding:\r\n\r\n", 400),
    "transfer encoding of a comma": (POST + b"Transfer-Encoding: ,\r\n\r\n", 400),
    "chunk of no size": (CHUNKED + b"zz\r\n", 400),
    "chunk of negative size": (CHUNKED + b"-5\r\n", 400),
    "chunk without its end": (CHUNKED + b"2\r\n{}xx\r\n0\r\n\r\n", 400),
    "chunks that never end": (CHUNKED + (b"8000\r\n" + b"a" * 0x8000 + b"\r\n") * 4, 413),
    "chunks in HTTP/1.0": (CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n", 400),
    "chunk extension without end": (CHUNKED + b"1;" + b"x" * 40_000, 400),
    "chunk size without end": (CHUNKED + b"0" * 40_000, 400),
    "trailer without end": (CHUNKED + b"0\r\nX: " + b"y" * 40_000, 400),
    "length of thousands of digits": (POST + b"Content-Length: " + b"0" * 5_000 + b"2\r\n\r\n{}", 400),
    "announces too much": (POST + b"Content-Length: 100001\r\n\r\n", 413),
    "announces an absurd length": (POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", 413),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_proper_request_is_told_so(server, case):
    data, status = CASES[case]
    reply = send(server.url, data)
    assert reply.status == status, reply
    if status >= 400:
        assert reply.problem["detail"]
        assert reply.headers["Connection"] == "close"
    assert server.get("/healthz") == {"status": "alive"}


SLOW_TO_PARSE = {
    "blanks before NUL": b"a:" + b" " * 30_000 + b"\0",
    "blanks before a letter": b"a:" + b" " * 30_000 + b"b",
    "tabs and blanks": b"a:" + b"\t " * 15_000 + b"b",
    "blanks in folded lines": b"a:" + (b" " * 50 + b"\r\n") * 600 + b" b",
}


@pytest.mark.parametrize("header", SLOW_TO_PARSE.values(), ids=SLOW_TO_PARSE)
def test_no_header_takes_long_to_parse(server, header):
    """Waitress's pattern takes the square of the blanks: nine seconds, in the thread that receives for all."""
    began = time.monotonic()
    reply = send(server.url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n")
    assert reply.status == 400, reply
    assert time.monotonic() - began < 3


def test_a_length_beside_chunks_ends_the_connection_and_hides_no_second_request(server):
    hidden = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    length = b"Content-Length: %d\r\n" % (5 + len(hidden))
    with dial(server.url) as connection:
        connection.sendall(POST + length + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden)
        assert read_reply(connection).status == 400
        assert connection.recv(1) == b""


def test_each_of_several_requests_at_once_is_answered_once_and_in_order(server):
    large = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    alive = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    too_large = POST + b"Content-Length: 100001\r\n\r\n"
    with dial(server.url) as connection:
        connection.sendall((large + alive) * 20 + too_large)
        with connection.makefile("rb") as answers:
            read = answers.read()
    assert re.findall(rb"HTTP/1.1 (\d+) [A-Z ]+\r\n", read) == [b"200"] * 40 + [b"413"]
    lengths = [int(each) for each in re.findall(rb"Content-Length: (\d+)\r\n", read)]
    assert [length > 1000 for length in lengths] == [True, False] * 20 + [False]


def test_a_body_that_is_too_large_is_refused_before_it_is_sent_if_the_client_waits_for_that(server):
    head = post("/search", b"x" * (MAX_BODY + 1), "Expect: 100-continue")[: -MAX_BODY - 1]
    assert send(server.url, head).problem["type"] == "urn:imageretrieval:request-entity-too-large"


@pytest.mark.parametrize("length", [b"", b"Content-Length: 0\r\n"])
def test_who_asks_whether_to_send_no_body_is_answered_and_so_is_the_next_request(server, length):
    """Waitress has it go on, and takes the next request for the rest of this one."""
    asking = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n" + length + b"\r\n"
    with dial(server.url) as connection:
        connection.sendall(asking)
        assert read_reply(connection).status == 200
        connection.sendall(b"GET /missing HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_reply(connection).status == 404


def test_a_client_that_sends_on_regardless_sees_why_it_was_refused(server):
    with dial(server.url) as connection:
        connection.sendall(POST + b"Content-Length: 20000000\r\n\r\n")
        sender = threading.Thread(target=_pour, args=(connection, 20_000_000))
        sender.start()
        assert read_reply(connection).status == 413
        sender.join()


def _pour(connection, count):
    piece = b"x" * 65536
    try:
        for _ in range(count // len(piece)):
            connection.sendall(piece)
    except OSError:
        pass  # cut off, which it may be after a while
