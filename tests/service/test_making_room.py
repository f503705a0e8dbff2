"""Which connections are closed or refused for the sake of others, and when."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Thread

import pytest

from retrieval import reception
from retrieval.reception import Bounds, Reception
from retrieval.turns import network_of

pytestmark = pytest.mark.any_extractor

HONEST, GREEDY = "203.0.113.9", [f"2001:db8::{number:x}" for number in range(1, 9)]
MB = 1 << 20


@dataclass(frozen=True, eq=False)
class Connection:
    """As much of a Channel as is looked at."""

    address: str
    since: float = 0.0
    disposable: bool = True
    is_sending: bool = False
    body_bytes: int = 0

    @property
    def home(self) -> str:
        return network_of(self.address)


def test_of_a_network_with_many_addresses_one_makes_room_however_new() -> None:
    honest = [Connection(HONEST, since=0.0), Connection(HONEST, since=1.0)]
    greedy = [Connection(each, since=10.0 + number) for number, each in enumerate(GREEDY)]
    assert reception._most_disposable([*honest, *greedy]) is greedy[0]


def test_who_reads_slowly_makes_room_where_nobody_is_idle_and_nobody_else() -> None:
    working = Connection(HONEST, disposable=False)
    reading = [Connection(HONEST, since=since, disposable=False, is_sending=True) for since in (2.0, 1.0)]
    assert reception._most_disposable([working, *reading]) is reading[1]
    assert reception._most_disposable([working]) is None


def test_the_largest_body_of_the_network_that_sends_most_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reception, "ALL_BODIES", 30 * MB)
    honest = [Connection(HONEST, body_bytes=8 * MB)]
    greedy = [Connection(each, body_bytes=(3 + number % 2) * MB) for number, each in enumerate(GREEDY)]
    refused = reception._too_large([*honest, *greedy])
    assert sum(each.body_bytes for each in [*honest, *greedy]) - sum(each.body_bytes for each in refused) <= 30 * MB
    assert [each.body_bytes for each in refused] == [4 * MB] * 2
    assert reception._too_large([]) == []


@pytest.fixture
def server() -> Iterator[Reception]:
    """Room for one connection; it is polled by the test."""

    def application(_environ, start_response):
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    bounds = Bounds(threads=1, waiting=9, connections=1, body_bytes=1000, receive_s=30.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Reception(application, listener, bounds, lambda *_: True, lambda *_: None)
        yield made
        made.stop()
        made.close()


def test_a_new_connection_is_not_taken_for_the_one_that_made_room(server: Reception) -> None:
    """Both have an event in the same round, and the system gives the number of a closed one to the next."""
    address = server.socket.getsockname()
    with socket.create_connection(address, 10) as old:
        server.poll(1)
        old.sendall(b"GET")
        with socket.create_connection(address, 10) as new:
            server.poll(1)
            new.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer: list[bytes] = []
            reading = Thread(target=lambda: answer.append(new.recv(100)))
            reading.start()
            while reading.is_alive():
                server.poll(0.05)
            assert answer[0].startswith(b"HTTP/1.0 200")
        assert old.recv(100) == b""
