"""Answers that have no end, or are none: the client says so, and keeps little of them."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from client import BadReply, Client
from client import transport as transport_module

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that takes one request and lets `answer` say what it likes."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            try:
                answer(connection)
            except OSError:
                return  # the client has gone

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(30)
        assert not thread.is_alive()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def without_end(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    while True:
        connection.sendall(chunk(b" " * 60000))


def drop_by_drop(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    while not stopped.wait(0.05):
        connection.sendall(chunk(b" "))


def too_deep(connection: socket.socket) -> None:
    body = b"[" * 200_000
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


stopped = threading.Event()


@pytest.mark.parametrize(
    ("answer", "told"), [(without_end, "more than"), (drop_by_drop, "still answering"), (too_deep, "else than JSON")]
)
def test_an_answer_that_is_none_is_told(
    answer: Callable[[socket.socket], None], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "LARGEST_ANSWER", 2**20)
    monkeypatch.setattr(transport_module, "LONGEST_ANSWER_S", 1.0)
    with answering(answer) as server, Client(server, tries=1, timeout=5) as client, pytest.raises(BadReply, match=told):
        client.collections.list()
