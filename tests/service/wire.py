"""Raw connections: bytes as a client sends them, and the answer as it comes."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document that it has to be."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        assert document.keys() >= {"type", "title", "detail"}
        return document


def dial(url: str, unread: int | None = None) -> socket.socket:
    """A connection to the service at `url`; the system holds about so many bytes that came and were not read."""
    parts = urlsplit(url)
    with ExitStack() as unless_connected:
        connection = unless_connected.enter_context(socket.socket())
        connection.settimeout(PATIENCE_S)
        if unread:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, unread)
        connection.connect((parts.hostname, parts.port))
        unless_connected.pop_all()
    return connection


def read_reply(connection: socket.socket, method: str = "GET") -> Reply:
    """The next answer on a connection."""
    response = HTTPResponse(connection, method=method)
    response.begin()
    return Reply(response.status, dict(response.getheaders()), response.read())


def send(url: str, data: bytes) -> Reply:
    """Send bytes on a connection of their own, and read the answer."""
    with dial(url) as connection:
        connection.sendall(data)
        return read_reply(connection)


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side closes the connection, within PATIENCE_S; what still comes is passed over."""
    with suppress(ConnectionError):
        while connection.recv(1 << 16):
            pass
    return True


@contextmanager
def many(url: str, count: int, first: bytes = b"", unread: int | None = None) -> Iterator[list[socket.socket]]:
    """So many connections as of `dial`, each with the first bytes sent."""
    connections = []
    try:
        for _ in range(count):
            connections.append(dial(url, unread))
            if first:
                connections[-1].sendall(first)
        yield connections
    finally:
        for each in connections:
            each.close()


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A POST of JSON, whole."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body
