"""Clients that send or read slowly, or not at all, while others are served."""

import json
import resource
import time
from contextlib import suppress
from pathlib import Path

import pytest

from retrieval.connection import SEND_S
from tests.service.asking import body, small
from tests.service.server import serving, until
from tests.service.wire import dial, is_closed, many, post, read_reply, send

pytestmark = [pytest.mark.slow, pytest.mark.any_extractor]
THREADS = 4
QUICK_S = 3.0  # more than an answer takes on a busy machine, less than any time-out here
RECEIVE_S = 4.0
SETTINGS = {"threads": THREADS, "receive_timeout_s": RECEIVE_S, "max_connections": 300}
OPENAPI = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEADERS = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("slow") / "data", server=SETTINGS) as server:
        server.add(small(1), id="1")
        yield server


def is_served(server, within=QUICK_S):
    """Whether a client with manners gets its answer, soon."""
    began = time.monotonic()
    assert server.search(small(1))[0]["id"] == "1"
    return time.monotonic() - began < within


STALLS = {
    "nothing at all": b"",
    "half a request line": b"POST /sea",
    "headers that do not end": HEADERS + b"X-Drip: ",
    "headers alone": HEADERS + b"Content-Length: 100000\r\n\r\n",
    "half a body": HEADERS + b"Content-Length: 100000\r\n\r\n" + b'{"base64": "' + b"A" * 50_000,
    "half a chunk": HEADERS + b"Transfer-Encoding: chunked\r\n\r\nFFFF\r\nabc",
}


@pytest.mark.parametrize("first", STALLS.values(), ids=STALLS)
def test_clients_that_stall_in_whatever_place_keep_nobody_waiting(server, first):
    with many(server.url, 20 * THREADS, first):
        time.sleep(0.5)
        assert is_served(server)


def test_a_hundred_clients_that_drip_their_requests_keep_nobody_waiting(server):
    with many(server.url, 100, HEADERS + b"X-Drip: ") as drips:
        for _ in range(3):
            for drip in drips:
                drip.sendall(b"x")
            assert is_served(server)
            time.sleep(0.3)


def test_a_request_that_does_not_arrive_in_time_is_answered_and_cut_off(server):
    with many(server.url, 1, STALLS["headers that do not end"]) as (drip,):
        until(lambda: _dripped(drip), "the service to lose patience")
        assert read_reply(drip).problem["type"] == "urn:imageretrieval:request-timeout"
        assert is_closed(drip)


def _dripped(drip):
    """Send a byte and wait a little; whether an answer has come."""
    drip.sendall(b"x")
    drip.settimeout(0.5)
    try:
        return bool(drip.recv(1, 2))  # MSG_PEEK
    except TimeoutError:
        return False
    finally:
        drip.settimeout(30)


def test_an_upload_that_goes_on_is_taken_however_long(server):
    filler = b" " * 40_000
    body = b'{"base64": "AAAA"}'
    pieces = [filler] * 16 + [body]
    length = sum(map(len, pieces))
    began = time.monotonic()
    with many(server.url, 1, HEADERS + b"Content-Length: %d\r\n\r\n" % length) as (upload,):
        for piece in pieces:
            upload.sendall(piece)
            time.sleep((RECEIVE_S + 2) / len(pieces))
        assert read_reply(upload).problem["type"] == "urn:imageretrieval:bad-image"
    assert time.monotonic() - began > RECEIVE_S


@pytest.mark.parametrize("path", [b"/images", b"/openapi.json", b"/healthz", b"/readyz"])
def test_clients_that_do_not_read_their_answers_keep_nobody_waiting(server, path):
    before = _resident_mb(server)
    with many(server.url, 10 * THREADS, b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path * 1000):
        for _ in range(4):
            time.sleep(0.5)
            assert is_served(server, within=SEND_S / 2)  # all that is answered takes its time, too
            assert server.get("/healthz") == {"status": "alive"}
    assert _resident_mb(server) < before + 3 * 10 * THREADS  # an answer each, not a thousand


def test_clients_that_send_blank_lines_for_ever_keep_nobody_waiting(server):
    with many(server.url, 10 * THREADS, b"\r\n" * 30_000):
        time.sleep(0.5)
        assert is_served(server)


def _resident_mb(server):
    (worker,) = server.workers()
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def test_clients_that_read_slowly_make_room_where_all_connections_are_theirs(server):
    with many(server.url, 2 * SETTINGS["max_connections"], OPENAPI * 20, unread=4096) as readers:
        time.sleep(2.5)
        for _ in range(3):
            _sip(readers)
            # They may fill the queue for a moment, which is another matter.
            until(lambda: server.ask("POST", "/search", json=body(small(1))).status_code == 200, "an answer")
            time.sleep(0.5)


def _sip(readers):
    """Read a little of what has come on each."""
    for each in readers:
        each.setblocking(False)
        with suppress(OSError):
            each.recv(100)


def test_connections_beyond_the_limit_take_the_place_of_those_that_do_nothing(server):
    with many(server.url, SETTINGS["max_connections"]) as idle:
        assert is_served(server)
        assert is_closed(idle[0])


def test_a_kept_connection_is_answered_again_and_again(server):
    body = json.dumps({"base64": "AAAA"}).encode()
    with dial(server.url) as connection:
        for _ in range(3):
            connection.sendall(post("/search", body))
            assert read_reply(connection).status == 422
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)  # pipelined
        assert [read_reply(connection).status for _ in range(1)] == [200]
    assert send(server.url, b"GET /healthz HTTP/1.0\r\n\r\n").status == 200
