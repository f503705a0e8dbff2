"""What one thread receives for all: how little it lets itself be given to do, and whom it keeps waiting for whom."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Semaphore

import pytest
from waitress.adjustments import Adjustments

from retrieval.connection import MAX_FRAMING, SLICE, Parser
from retrieval.reception import URGENT_THREADS, Bounds, Reception
from tests.service.wire import read_reply

pytestmark = pytest.mark.any_extractor

HEAD = b"POST /add HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
RECEIVED = 1 << 16  # bytes, at a time


def parsed(head: bytes, body: bytes, may_send: Callable[[Mapping[str, str]], bool] = lambda _: True) -> Parser:
    """A parser that was given the head, then all of the body at once."""
    parser = Parser(Adjustments(), may_send)
    parser.received(head)
    parser.received(body)
    return parser


@pytest.mark.parametrize("line", [b"\r\n", b"1\r\nx\r\n", b"1;a=b\r\nx\r\n"])
def test_of_chunks_that_are_too_small_little_is_looked_at(line: bytes) -> None:
    parser = parsed(CHUNKED, line * (RECEIVED // len(line)))
    assert parser.error.code == 400
    assert parser.body_bytes_received <= 2 * (MAX_FRAMING + SLICE)


def test_chunks_are_put_together_wherever_they_are_cut() -> None:
    pieces = [bytes([65 + number % 26]) * (1 + 37 * number) for number in range(60)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"
    parser = parsed(CHUNKED, body + b"GET")
    assert (parser.completed, parser.error) == (True, None)
    assert parser.get_body_stream().read() == b"".join(pieces)
    assert parser.body_bytes_received == len(body)


@pytest.mark.parametrize("head", [CHUNKED, HEAD + b"Content-Length: 1000000\r\n\r\n"])
def test_of_a_strangers_large_body_nothing_is_looked_at(head: bytes) -> None:
    parser = parsed(head, b"5\r\nhello\r\n", lambda headers: "AUTHORIZATION" in headers)
    assert (parser.completed, parser.error.__class__.__name__) == (True, "Stranger")
    assert parser.body_bytes_received == 0


@contextmanager
def reception(application: object = None, receive_s: float = 30.0) -> Iterator[Reception]:
    """One to be polled; who sends in turn is what X-API-Key says."""

    def fine(_environ, start_response):
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    bounds = Bounds(threads=1, waiting=9, connections=99, body_bytes=1000, receive_s=receive_s)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Reception(
            application or fine, listener, bounds, lambda *_: True, lambda headers, _: headers.get("X_API_KEY")
        )
        yield made
        made.stop()
        made.close()


def dial(made: Reception) -> AbstractContextManager[socket.socket]:
    return socket.create_connection(made.socket.getsockname(), 10)


def test_a_request_is_not_late_that_came_while_nobody_received() -> None:
    with reception(receive_s=0.2) as made, dial(made) as connection:
        made.poll(1)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        made.poll(1)
        made.maintenance()
        time.sleep(0.4)  # receiving and sending for others, say
        connection.sendall(b"Host: localhost\r\n\r\n")
        made.next_channel_cleanup = 0  # it looks for who is late before it receives
        for _ in range(3):
            made.poll(0.3)
        assert read_reply(connection).status == 200


@pytest.mark.parametrize("asked", [("/metrics", "other"), ("/readyz", "greedy")])
def test_who_asks_much_for_metrics_keeps_nobody_else_waiting_and_nothing_else(asked: tuple[str, str]) -> None:
    one_more, begun = Semaphore(0), []

    def application(environ, start_response):
        begun.append((environ["PATH_INFO"], environ["HTTP_X_API_KEY"]))
        one_more.acquire(timeout=10)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    with reception(application) as made, ExitStack() as connections:
        sent = [*[("/metrics", "greedy")] * 9, asked]
        for number, (path, key) in enumerate(sent, 1):
            connection = connections.enter_context(dial(made))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n".encode())
            while len(begun) + made._urgent.waiting < number:
                made.poll(0.1)
        for number in range(URGENT_THREADS + 1, len(sent) + 1):
            one_more.release()
            while len(begun) < number:
                made.poll(0.1)
        one_more.release(URGENT_THREADS)
    assert begun.index(asked) <= 2 * URGENT_THREADS
