"""HTTP as it arrives, by waitress: a request is received whole before a thread sees it, so a slow client holds none.

What may pile up is bounded: connections, requests that wait for a thread, and the time that sending and reading takes.
"""

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask
from werkzeug.exceptions import HTTPException, RequestTimeout, ServiceUnavailable, default_exceptions

REFUSAL = "imageretrieval.refusal"  # in a WSGI environment: the HTTPException that the application has to answer with
URGENT = ("/healthz", "/readyz", "/metrics")  # answered however many requests wait, by threads of their own
URGENT_THREADS = 2
MAX_HEADER = 32768  # bytes of request line and headers; an id of 512 letters takes up to 6144 in a URL
IN_MEMORY = 1 << 20  # bytes of a body; more of it goes to a temporary file
UNSENT = 64 << 20  # bytes of an answer that may wait to be sent before the thread that makes it waits
LEAST_RATE = 1024  # bytes/s that a client has to send for a body to go on
IDLE_S = 75.0  # a connection stays open for so long without a request
SEND_S = 30.0  # for so long a client may read nothing of its answer
DRAIN_S = 5.0  # for so long what a refused client goes on sending is read, so that it comes to see the answer
FAREWELL_S = 1.0  # when stopping, for so long a request that is on its way on an idle connection is waited for

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Overloaded(ServiceUnavailable):
    """More requests wait than the service will hold."""

    name = "Overloaded"


@dataclass(frozen=True)
class Bounds:
    """threads: requests worked on at a time; waiting: complete ones that may wait for a thread; receive_s: seconds for
    a request to arrive, beside what LEAST_RATE gives it.
    """

    threads: int
    waiting: int
    connections: int
    body_bytes: int
    receive_s: float


class Task(WSGITask):  # type: ignore[misc]  # waitress has no type hints
    """A request and its answer; while stopping, the last one of its connection."""

    def build_response_header(self) -> bytes:
        if self.channel.server.stopping:
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header


class RefusalTask(Task):
    """A request that gets no further. The application says so, for it to look, count and be logged like any answer."""

    def __init__(self, channel: "Channel", request: HTTPRequestParser) -> None:
        self.refusal = _refusal(request.error)
        if not hasattr(request, "path"):  # it broke off, or broke the rules, before there was one
            request = HTTPRequestParser(channel.adj)
            request.parse_header(b"GET / HTTP/1.1\r\n")
        super().__init__(channel, request)

    def start(self) -> None:
        super().start()
        self.set_close_on_finish()  # nobody knows where in what it sends the next request would begin
        self.channel.draining = True

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        return {**environ, REFUSAL: self.refusal}


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no type hints
    """A connection. Its state and since when it is in it are looked at every second."""

    task_class = Task
    error_task_class = RefusalTask
    request: Any  # being received

    def __init__(self, server: "Reception", *args: Any, **kwargs: Any) -> None:
        self.draining = False
        self._state: tuple[object, ...] = ()
        self.since = monotonic()
        super().__init__(server, *args, **kwargs)

    @property
    def disposable(self) -> bool:
        """Whether it can be closed without losing an answer."""
        return not self.requests and not self.total_outbufs_len

    def look_after(self, now: float) -> None:
        """Close the connection if its time is up."""
        state, patience_s = self._situation()
        if state != self._state:
            self._state, self.since = state, now
        if now <= self.since + patience_s:
            return
        if state[0] == "receiving":
            self.refuse(RequestTimeout("The request did not arrive in time; send it again, faster."))
        else:
            self.handle_close()

    def refuse(self, error: HTTPException) -> None:
        """Answer the request that is being received with an error."""
        with self.requests_lock:
            request, self.request = self.request, None
            if request is None:
                return
            request.error = error
            self.requests.append(request)
        self.server.add_task(self)

    def _situation(self) -> tuple[tuple[object, ...], float]:
        """What it is about, which differs as soon as anything has moved, and the seconds for which that may last."""
        if self.total_outbufs_len:
            return ("sending", self.last_activity), SEND_S
        if self.requests:
            return ("working",), inf
        if self.draining:
            return ("draining",), DRAIN_S
        if (request := self.request) is not None:
            moved = request.header_bytes_received + request.body_bytes_received
            return ("receiving", id(request)), self.server.bounds.receive_s + moved / LEAST_RATE
        return ("idle", self.last_activity), FAREWELL_S if self.server.stopping else IDLE_S

    def send_continue(self) -> None:
        """Waitress would have a client go on whose headers it has found to be wrong already."""
        if self.request.error:
            self.request.expect_continue = False
        else:
            super().send_continue()

    def received(self, data: bytes) -> bool:
        return self.draining or super().received(data)

    def handle_write(self) -> None:
        if self.draining and self.close_when_flushed:
            self._flush_exception(self._flush_some)
            if not self.total_outbufs_len:
                self._end_answer()
        else:
            super().handle_write()

    def _end_answer(self) -> None:
        """Closed with something unread, the connection would be reset, and the answer lost on its way."""
        self.close_when_flushed = False
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()


class Reception(TcpWSGIServer):  # type: ignore[misc]  # waitress has no type hints
    """Serves an application on a listening socket, in the thread that calls `poll`."""

    channel_class = Channel

    def __init__(self, application: WSGIApp, listener: socket.socket, bounds: Bounds) -> None:
        self.bounds = bounds
        self.stopping = False
        self._urgent = _dispatcher(URGENT_THREADS)
        where = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            application,
            _sock=listener,
            dispatcher=_dispatcher(bounds.threads),
            adj=_adjustments(bounds),
            sockinfo=where,
            bind_socket=False,
        )

    @property
    def waiting(self) -> int:
        """Requests that wait for a thread."""
        return len(self.task_dispatcher.queue)

    def poll(self, seconds: float = 1.0) -> None:
        """Receive and send for at most so long."""
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)
        if self.stopping:
            self.maintenance()

    def stop(self) -> None:
        """Take no new connections; those that there are may finish what they have begun."""
        self.stopping = True
        self.del_channel()
        self.socket.close()

    def close(self) -> None:
        """End the threads, the connections and what they still do."""
        for dispatcher in (self._urgent, self.task_dispatcher):
            dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def add_task(self, channel: Channel) -> None:
        """Have the first request of a connection answered: refusals and what is urgent at once, others in turn."""
        request = channel.requests[0]
        urgent = request.error or request.path in URGENT
        if not urgent and self.waiting >= self.bounds.waiting:
            request.error = urgent = Overloaded("Too many requests wait already; send this one again.", retry_after=1)
        (self._urgent if urgent else self.task_dispatcher).add_task(channel)

    def handle_accept(self) -> None:
        """As the parent's; where there are too many connections, the one that has waited longest makes room."""
        channels = self.active_channels.values()
        if len(channels) >= self.bounds.connections:
            oldest = min((each for each in channels if each.disposable), key=lambda each: each.since, default=None)
            if oldest is not None:
                oldest.handle_close()
        super().handle_accept()

    def maintenance(self, _now: float = 0.0) -> None:
        """Called every second."""
        now = monotonic()
        for channel in list(self.active_channels.values()):
            channel.look_after(now)


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


def _dispatcher(threads: int) -> ThreadedTaskDispatcher:
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.queue_logger.disabled = True  # requests that wait are counted, not warned of one by one
    dispatcher.set_thread_count(threads)
    return dispatcher


def _refusal(error: Any) -> HTTPException:
    """Waitress's errors as Werkzeug's."""
    if isinstance(error, HTTPException):
        return error
    return default_exceptions[error.code](f"{error.reason}: {error.body}.")
