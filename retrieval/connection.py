"""A connection, and the requests on it: received whole, answered, and closed when its time is up."""

import re
import socket
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.task import WSGITask
from werkzeug.exceptions import BadRequest, HTTPException, RequestTimeout, default_exceptions

from index_store.reserve import NO_ROOM
from retrieval.turns import network_of

if TYPE_CHECKING:
    from retrieval.reception import Reception

REFUSAL = "imageretrieval.refusal"  # in a WSGI environment: the HTTPException that the application has to answer with
UNASKED = 1 << 18  # bytes of a body that are taken from anybody; who wants to send more must be known
TRANSFER_ENCODING = re.compile(rb"(?im)^transfer-encoding[ \t]*:")
# Waitress's pattern of a header takes the square of them, also across folded lines: nine seconds for 30,000.
BLANKS = re.compile(rb"[ \t\r\n]{64}")
MAX_HEADERS = 128  # lines
MAX_FRAMING = 4096  # bytes around all chunks, besides an eighth of what is in them; also around a single one
SLICE = 2048  # bytes; for every line of chunks' framing waitress copies all that it was given
LEAST_RATE = 1 << 15  # bytes/s that a client has to send of a body, and to read of an answer, for it to go on
IDLE_S = 75.0  # a connection stays open for so long without a request
SEND_S = 30.0  # for so long a client may take to read its answer, besides what LEAST_RATE gives it
DRAIN_S = 5.0  # for so long what a refused client goes on sending is read, so that it comes to see the answer
FAREWELL_S = 1.0  # when stopping, for so long a request that is on its way on an idle connection is waited for


class Stranger(HTTPException):
    """Whoever wants to send a large body and is not known."""


class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no type hints
    """Reads a request, by the one thread that receives for all: nothing may take it long.

    may_send: whether who sends these headers, named as WSGI has them, may go on with a large body.
    """

    error: Any
    empty: bool

    def __init__(self, adj: Any, may_send: Callable[[Mapping[str, str]], bool] = lambda _: True) -> None:
        super().__init__(adj)
        self._may_send = may_send

    def parse_header(self, header_plus: bytes) -> None:
        """Where a body ends, a proxy must not see otherwise than we do."""
        if BLANKS.search(header_plus) or header_plus.count(b"\n") > MAX_HEADERS:
            raise ParsingError("There are too many headers, or blanks in them")
        in_chunks = TRANSFER_ENCODING.search(header_plus)
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # of a number with thousands of digits, of an address that is none
            raise ParsingError("The URL or Content-Length is invalid") from error
        if self.version not in ("1.0", "1.1"):
            raise ParsingError("This service speaks HTTP/1.0 and HTTP/1.1")
        if in_chunks and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length and Transfer-Encoding in one request")
        if in_chunks and not self.chunked:
            raise ParsingError("Transfer-Encoding names none, or in a request that is not of HTTP/1.1")
        host = self.headers.get("HOST")
        if self.version == "1.1" and (host is None or "," in host):  # several arrive joined by commas
            raise ParsingError("HTTP/1.1 asks for one Host")

    def received(self, data: bytes) -> int:
        """How many bytes belonged to this request, of all that came; all where it has an error."""
        if self.body_rcv is None:
            taken: int = super().received(data)
            self._look_at_headers()
        else:
            taken = self._receive_body(data)
        return len(data) if self.error else taken  # what comes behind an error is never looked at

    def _look_at_headers(self) -> None:
        if self.empty:  # blank lines, which could go on for ever
            self.empty = False
            self.error = BadRequest("There is no request between the blank lines.")
        large = self.chunked or self.content_length > UNASKED
        if large and not self.error and not self._may_send(self.headers):
            self.error = Stranger()
            self.completed = True
        if self.completed:  # waitress would have the client go on, and take the next request for a part of this one
            self.expect_continue = False

    def _receive_body(self, data: bytes) -> int:
        body = self.body_rcv
        if not isinstance(body, ChunkedReceiver):
            taken: int = super().received(data)
            return taken
        taken = 0
        while taken < len(data) and not self.completed:
            taken += super().received(data[taken : taken + SLICE])
            between = max(len(body.control_line), len(body.trailer))
            framing = self.body_bytes_received - len(body)
            if between > MAX_FRAMING or framing > MAX_FRAMING + len(body) // 8:
                self.error = BadRequest("The chunks of the body have too much beside them, or are too small.")
                self.completed = True
        return taken


class NoRoom(HTTPException):
    """The disk of temporary files, where large bodies are put while they arrive, is full."""

    code = 507
    name = "Storage full"
    description = "There is no room for so large a body now; send it again later, or make room for temporary files."


class Task(WSGITask):  # type: ignore[misc]  # waitress has no type hints
    """A request and its answer; while stopping, the last one of its connection."""

    def build_response_header(self) -> bytes:
        if self.channel.server.stopping:
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header


class RefusalTask(Task):
    """A request that gets no further. The application says so, for it to look, count and be logged like any answer.

    A stranger's has no refusal with it: the application finds the reason by itself.
    """

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
        return environ if isinstance(self.refusal, Stranger) else {**environ, REFUSAL: self.refusal}


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no type hints
    """A connection. Its state and since when it is in it are looked at every second.

    Of requests sent at once, each is begun when the answer to the one before is sent: whoever reads nothing of his
    answers has one of them in memory, and holds no thread.
    """

    task_class = Task
    error_task_class = RefusalTask
    request: Any  # being received

    def __init__(self, server: "Reception", *args: Any, **kwargs: Any) -> None:
        self.draining = False
        self._begins_when_sent = False  # the next request
        self._sent = 0  # bytes of the answer
        self._answered = 0  # requests
        self._state: tuple[object, ...] = ()
        self._is_late = False
        self.since = monotonic()
        self.parser_class = partial(Parser, may_send=self._may_send)
        super().__init__(server, *args, **kwargs)
        self.home = network_of(self.addr[0])

    @property
    def disposable(self) -> bool:
        """Whether it can be closed without losing an answer."""
        return not self.requests and not self.total_outbufs_len

    @property
    def is_sending(self) -> bool:
        """Whether its client has been reading an answer for a while."""
        return self._state[:1] == ("sending",) and self.total_outbufs_len > 0

    @property
    def body_bytes(self) -> int:
        """What has come of the body that is being received."""
        return self.request.body_bytes_received if self.request is not None else 0

    def look_after(self, now: float) -> None:
        """Close the connection if its time is up."""
        state, patience_s = self._situation()
        if state != self._state:
            self._state, self.since = state, now
        late, self._is_late = self._is_late, now > self.since + patience_s
        if not (late and self._is_late):  # what has come meanwhile is read between two looks
            return
        if state[0] == "receiving":
            self.refuse(RequestTimeout("The request did not arrive in time; send it again, faster."))
        else:
            self.server.close_soon(self)

    def refuse(self, error: HTTPException) -> None:
        """Answer the request that is being received with an error."""
        with self.requests_lock:
            request, self.request = self.request, None
            if request is None:
                return
            request.error = error
            self.requests.append(request)
            if len(self.requests) > 1:  # or else who answers the one before comes to it
                return
        self.server.add_task(self)

    def begins_now(self) -> bool:
        """Whether the next request can begin; if not, it will when all that waits is sent."""
        waits = self.total_outbufs_len > 0
        self._begins_when_sent = waits  # from now on another thread may have it begin
        return not waits

    def service(self) -> None:
        self._sent = 0
        self._answered += 1
        super().service()

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent: int = super().send(data, do_close)
        self._sent += sent
        return sent

    def writable(self) -> bool:
        return self._begins_when_sent or bool(super().writable())

    def _situation(self) -> tuple[tuple[object, ...], float]:
        """What it is about, which differs as soon as anything has moved, and the seconds for which that may last."""
        if self.total_outbufs_len:
            return ("sending", self._answered), SEND_S + self._sent / LEAST_RATE
        if self.requests:
            return ("working",), inf
        if self.draining:
            return ("draining",), DRAIN_S
        if (request := self.request) is not None:
            moved = request.header_bytes_received + request.body_bytes_received
            return ("receiving", self._answered), self.server.bounds.receive_s + moved / LEAST_RATE
        return ("idle", self.last_activity), FAREWELL_S if self.server.stopping else IDLE_S

    def received(self, data: bytes) -> bool:
        if self.draining:
            return True
        try:
            received: bool = super().received(data)
            return received
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self.refuse(NoRoom())
            return True

    def _may_send(self, headers: Mapping[str, str]) -> bool:
        may: bool = self.server.is_known(headers.get("AUTHORIZATION"), headers.get("X_API_KEY"))
        return may

    def handle_write(self) -> None:
        if self.draining and self.close_when_flushed and not self.will_close:
            self._flush_exception(self._flush_some)
            if not self.total_outbufs_len:
                self._end_answer()
        elif self._begins_when_sent and not self.will_close:
            self._flush_exception(self._flush_some)
            if not self.total_outbufs_len:
                self._begins_when_sent = False
                self.server.add_task(self)
        else:
            super().handle_write()

    def _end_answer(self) -> None:
        """Closed with something unread, the connection would be reset, and the answer lost on its way."""
        self.close_when_flushed = False
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()


def _refusal(error: Any) -> HTTPException:
    """Waitress's errors as Werkzeug's."""
    if isinstance(error, HTTPException):
        return error
    return default_exceptions[error.code](f"{error.reason}: {error.body}.")
