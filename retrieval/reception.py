"""HTTP as it arrives, by waitress: a request is received whole before a thread sees it, so a slow client holds none.

What may pile up is bounded: connections, requests that wait for a thread, and the time that sending and reading takes.
"""

import socket
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from werkzeug.exceptions import ServiceUnavailable

from retrieval.connection import Channel
from retrieval.dispatcher import Dispatcher

ALIVE = "/healthz"  # answered whatever else is asked, by a thread of its own
URGENT = ("/readyz", "/metrics")  # answered however many requests wait, like refusals, by threads of their own
URGENT_THREADS = 2
MAX_HEADER = 32768  # bytes of request line and headers; an id of 512 letters takes up to 6144 in a URL
IN_MEMORY = 1 << 20  # bytes of a body; more of it goes to a temporary file
ALL_BODIES = 2 << 30  # bytes of bodies that are being received, of all connections together
UNSENT = 64 << 20  # bytes of an answer that may wait to be sent before the thread that makes it waits

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
IsKnown = Callable[[str | None, str | None], bool]  # from the headers Authorization and X-API-Key
Sender = Callable[[Mapping[str, str], str], str | None]  # from the headers, named as WSGI has them, and the address


class Overloaded(ServiceUnavailable):
    """More requests wait than the service will hold."""

    name = "Overloaded"


@dataclass(frozen=True)
class Bounds:
    """threads: requests worked on at a time; waiting: complete ones that may wait for a thread; receive_s: seconds for
    a request to arrive, besides what LEAST_RATE gives it.
    """

    threads: int
    waiting: int
    connections: int
    body_bytes: int
    receive_s: float


class Reception(TcpWSGIServer):  # type: ignore[misc]  # waitress has no type hints
    """Serves an application on a listening socket, in the thread that calls `poll`."""

    channel_class = Channel

    def __init__(
        self, application: WSGIApp, listener: socket.socket, bounds: Bounds, is_known: IsKnown, sender: Sender
    ) -> None:
        self.bounds = bounds
        self.is_known = is_known
        self.stopping = False
        self._closing: set[Channel] = set()
        self._sender = sender
        self._alive, self._urgent = Dispatcher(1), Dispatcher(URGENT_THREADS, self._sender_and_path)
        where = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            application,
            _sock=listener,
            dispatcher=Dispatcher(bounds.threads, self._sender_of),
            adj=_adjustments(bounds),
            sockinfo=where,
            bind_socket=False,
        )

    @property
    def waiting(self) -> int:
        """Requests that wait for a thread."""
        waiting: int = self.task_dispatcher.waiting
        return waiting

    def poll(self, seconds: float = 1.0) -> None:
        """Receive and send for at most so long."""
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)
        if self.stopping:
            self.maintenance()
        while self._closing:
            self._closing.pop().handle_close()

    def stop(self) -> None:
        """Take no new connections; those that there are may finish what they have begun."""
        self.stopping = True
        self.del_channel()
        self.socket.close()

    def close(self) -> None:
        """End the threads, the connections and what they still do."""
        for dispatcher in (self._alive, self._urgent, self.task_dispatcher):
            dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def close_soon(self, channel: Channel) -> None:
        """Close a connection once all events are dealt with: one of them may be of it, and a new one get its number."""
        self._closing.add(channel)

    def add_task(self, channel: Channel) -> None:
        """Have the first request of a connection answered: refusals and what is urgent at once, others in turn."""
        if not channel.begins_now():
            return
        request = channel.requests[0]
        if not request.error and request.path == ALIVE:
            self._alive.add_task(channel)
            return
        if request.error or request.path in URGENT:
            self._urgent.add_task(channel)
            return
        out = self.task_dispatcher.add_or_crowd_out(channel, self.bounds.waiting)
        if out is not None:
            error = Overloaded("Too many requests wait already; send this one again.", retry_after=1)
            out.requests[0].error = error
            self._urgent.add_task(out)

    def _sender_of(self, channel: Channel) -> str | None:
        return self._sender(channel.requests[0].headers, channel.addr[0])

    def _sender_and_path(self, channel: Channel) -> tuple[str | None, str | None]:
        request = channel.requests[0]
        return self._sender_of(channel), None if request.error else request.path

    def handle_accept(self) -> None:
        """As the parent's; where there are too many connections, one makes room."""
        channels = [each for each in self.active_channels.values() if each not in self._closing]
        if len(channels) >= self.bounds.connections and (out := _most_disposable(channels)) is not None:
            self.close_soon(out)
        super().handle_accept()

    def maintenance(self, _now: float = 0.0) -> None:
        """Called every second."""
        now = monotonic()
        channels = list(self.active_channels.values())
        for channel in channels:
            channel.look_after(now)
        for channel in _too_large(channels):
            channel.refuse(Overloaded("Too much is being sent already; send this again.", retry_after=1))


def _most_disposable(channels: Sequence[Channel]) -> Channel | None:
    """Of those without a request, else of those whose answer is read slowly, the oldest of the network with most."""
    candidates = [each for each in channels if each.disposable] or [each for each in channels if each.is_sending]
    held = Counter(each.home for each in candidates)
    return min(candidates, key=lambda each: (-held[each.home], each.since), default=None)


def _too_large(channels: Iterable[Channel]) -> list[Channel]:
    """Connections to refuse for all bodies to take ALL_BODIES at most: the largest of the network that sends most."""
    sending: dict[str, list[Channel]] = defaultdict(list)
    for channel in sorted(channels, key=lambda each: each.body_bytes):
        sending[channel.home].append(channel)
    bytes_of = {home: sum(each.body_bytes for each in theirs) for home, theirs in sending.items()}
    refused = []
    while sum(bytes_of.values()) > ALL_BODIES:
        most = max(bytes_of, key=lambda home: bytes_of[home])
        refused.append(sending[most].pop())
        bytes_of[most] -= refused[-1].body_bytes
    return refused


def _adjustments(bounds: Bounds) -> Adjustments:
    return Adjustments(
        ident="",
        recv_bytes=1 << 16,
        inbuf_overflow=IN_MEMORY,
        outbuf_overflow=IN_MEMORY,
        outbuf_high_watermark=UNSENT,
        # Room is made for new connections, unless every one there is has a request that is being answered.
        connection_limit=bounds.connections + 32,
        cleanup_interval=1,
        log_socket_errors=False,
        max_request_header_size=MAX_HEADER,
        max_request_body_size=bounds.body_bytes + 1,  # waitress refuses what has so many
        clear_untrusted_proxy_headers=False,  # whom to believe is the application's to say
    )
