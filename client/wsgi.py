"""A WSGI application in this process as if it were a server: an adapter for a session of requests.

session = requests.Session()
session.mount("http://", WsgiAdapter(app))
client = Client("http://127.0.0.1", session=session)
"""

import io
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import IncompleteRead
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPHeaderDict, HTTPResponse

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
log = logging.getLogger(__name__)


class WsgiAdapter(BaseAdapter):
    """Calls a WSGI application in the thread of the request, without a socket; threads do not wait for each other.

    Bodies are streamed both ways. What the application raises before its answer begins is logged and answered 500, as
    servers do; after that the answer counts as cut off. What reading the request's body raises comes out as it is.
    """

    def __init__(self, app: Application) -> None:
        super().__init__()
        self._app = app

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Time-outs, certificates and proxies are nobody's here."""
        body = _Body(request.body)
        reply = _Reply()
        try:
            reply.begin(self._app(_environ(request, body), reply.start))
        except Exception:
            if body.error is None:
                log.exception("the application failed to answer %s %s", request.method, request.url)
            reply = _Reply.of_failure()
        if body.error is not None:
            reply.close()
            raise body.error
        return _response(self, request, reply)

    def close(self) -> None:
        """The application is not ours to end."""


class _Body(io.RawIOBase):
    """A request's body as `wsgi.input`; remembers what reading it raised, which applications make a 500 of."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        given = body.encode() if isinstance(body, str) else body or b""
        self._source = io.BytesIO(given) if isinstance(given, bytes) else given
        self._pieces: Iterator[bytes] | None = None if hasattr(self._source, "read") else iter(self._source)
        self._rest = b""
        self.error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._next(len(buffer))
        except Exception as error:
            self.error = error
            raise
        buffer[: len(piece)] = piece
        return len(piece)

    def _next(self, size: int) -> bytes:
        if self._pieces is None:
            read: bytes = self._source.read(size)
            return read
        while not self._rest and (piece := next(self._pieces, None)) is not None:
            self._rest = piece
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


class _Reply(io.RawIOBase):
    """What an application answers: its status and headers, and its body as a file."""

    def __init__(self) -> None:
        super().__init__()
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self._chunks: Iterator[bytes] = iter(())
        self._app_iter: Any = None
        self._rest = b""
        self._begun = False

    @classmethod
    def of_failure(cls) -> "_Reply":
        """What a server says when the application says nothing."""
        reply = cls()
        reply.start("500 Internal Server Error", [("Content-Type", "text/plain")])
        reply.begin([b"The application failed."])
        return reply

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        """`start_response`."""
        if exc_info and self._begun:
            raise exc_info[1].with_traceback(exc_info[2])
        if self.status and not exc_info:
            raise AssertionError("start_response was called before, and without exc_info")
        self.status, self.headers = status, list(headers)
        return self._write

    def begin(self, app_iter: Iterable[bytes]) -> None:
        """Goes on to the first piece of the body, before which the status may still change."""
        self._app_iter = app_iter
        self._chunks = iter(app_iter)
        while not self._rest and (chunk := next(self._chunks, None)) is not None:
            self._rest = chunk
        if not self.status:
            raise AssertionError("start_response was not called")
        self._begun = True

    def _write(self, data: bytes) -> None:
        self._rest += data
        self._begun = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            try:
                self._rest = next(self._chunks)
            except StopIteration:
                return 0
            except Exception:
                log.exception("the application failed amid its answer")
                raise IncompleteRead(b"") from None
        piece, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed and hasattr(self._app_iter, "close"):
            self._app_iter.close()
        super().close()


def _environ(request: requests.PreparedRequest, body: _Body) -> dict[str, Any]:
    """PEP 3333: text in it stands for bytes, in latin-1."""
    parts = urlsplit(request.url or "")
    port = str(parts.port or (443 if parts.scheme == "https" else 80))
    headers = {"HOST": parts.netloc.rpartition("@")[2]} | _headers(request.headers)
    lengths: dict[str, Any] = {
        name: headers.pop(name) for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if name in headers
    }
    return {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "RAW_URI": parts.path + (f"?{parts.query}" if parts.query else ""),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        **lengths,
        **{f"HTTP_{name}": value for name, value in headers.items()},
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": io.BufferedReader(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def _headers(headers: Mapping[str, Any]) -> dict[str, str]:
    pairs = ((name, value if isinstance(value, str) else value.decode("latin-1")) for name, value in headers.items())
    return {name.upper().replace("-", "_"): value for name, value in pairs}


def _response(adapter: WsgiAdapter, request: requests.PreparedRequest, reply: _Reply) -> requests.Response:
    """As HTTPAdapter makes it of what came over a socket."""
    code, _, reason = reply.status.partition(" ")
    raw = HTTPResponse(
        reply,
        HTTPHeaderDict(reply.headers),
        int(code),
        reason=reason,
        preload_content=False,
        request_method=request.method,
    )
    response = requests.Response()
    response.status_code, response.reason = raw.status, reason
    response.headers = CaseInsensitiveDict(raw.headers)
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.raw, response.request, response.url = raw, request, request.url or ""
    response.connection = adapter  # type: ignore[assignment]  # as of any adapter
    return response
