"""Requests to the service: sent, sent again where that helps, and answered with JSON or an error of errors.py."""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from client.errors import BadReply, ClientError, ServiceError, Unreachable
from client.forms import Form
from client.results import TRANSIENT

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
PATIENCE_S = 120.0  # asked to wait longer than this, it gives up at once
CONNECT_S = 10.0
LARGEST_ANSWER = 256 * 2**20  # bytes; an original picture that is kept may be large
LONGEST_ANSWER_S = 600.0
PIECE = 2**16
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Request:
    """What is asked. `form` makes the body anew for each try."""

    method: str
    path: str
    params: dict[str, Any] = field(default_factory=dict)
    json: Any = None
    form: Callable[[], Form] | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Transport:
    """Sends requests, from any number of threads.

    session: used as it is, and left open; its own, otherwise, which no cookie, redirect or .netrc has a say in.
    """

    def __init__(
        self, server: str, key: str | None, timeout: float, tries: int, session: requests.Session | None
    ) -> None:
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{server!r} is no address of a service, such as http://127.0.0.1:8080")
        if tries < 1 or timeout <= 0:
            raise ValueError("tries: at least 1; timeout: seconds, above 0")
        self._server = server.rstrip("/")
        self._key = key
        self._timeout = (min(CONNECT_S, timeout), timeout)
        self._tries = tries
        self._own = session is None
        self._session = session or _session(direct=parts.hostname in LOOPBACK)

    def close(self) -> None:
        """Closes the connections that it keeps, unless the session is somebody else's."""
        if self._own:
            self._session.close()

    def ask(self, request: Request) -> Any:
        """The JSON of the answer, bytes where it is a picture, None where there is nothing in it.

        Raises ServiceError, Unreachable, BadReply, UnreadableFile.
        """
        number, lost = 1, False
        while True:
            try:
                return self._once(request)
            except (ServiceError, Unreachable) as error:
                error.answer_lost = lost
                pause = _pause(error, number)
                if pause is None or number == self._tries:
                    raise
                number, lost = number + 1, lost or not _refused(error)
            time.sleep(pause)

    def _once(self, request: Request) -> Any:
        form = request.form() if request.form else None
        try:
            answer = self._session.request(
                request.method,
                self._server + request.path,
                params=request.params,
                json=request.json,
                data=form,  # which is streamed, since it has `read` and a length
                headers=self._headers(request, form),
                auth=_Bearer(self._key),
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                return _read(answer, _content(answer, time.monotonic() + LONGEST_ANSWER_S))
        except requests.RequestException as error:
            raise _unreachable(self._server, error) from error
        finally:
            if form:
                form.close()

    def _headers(self, request: Request, form: Form | None) -> dict[str, str]:
        kind = {"Content-Type": form.content_type} if form else {}
        return {"User-Agent": "imageretrieval-client", "Accept": "application/json", **kind, **request.headers}


class _Bearer(requests.auth.AuthBase):
    """The API key. It is given as `auth` so that requests looks for none in a .netrc."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _session(direct: bool) -> requests.Session:
    """One session for all threads: what they share of it is locked once it keeps no cookies.

    direct: proxies of the environment are not for this server.
    """
    session = requests.Session()
    session.trust_env = not direct
    session.cookies.set_policy(_NoCookies())
    for scheme in ("http://", "https://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=64))
    return session


def _content(answer: requests.Response, deadline: float) -> bytes:
    """All of the answer. Raises BadReply where there is no end of it."""
    content = bytearray()
    for piece in answer.iter_content(PIECE):
        content += piece
        if len(content) > LARGEST_ANSWER:
            raise BadReply(f"{answer.url} answers with more than {LARGEST_ANSWER:,} bytes")
        if time.monotonic() > deadline:
            raise BadReply(f"{answer.url} is still answering after {LONGEST_ANSWER_S:.0f} s")
    return bytes(content)


def _read(answer: requests.Response, content: bytes) -> Any:
    if answer.status_code >= 400:
        retry_after = _retry_after(answer.headers.get("Retry-After"))
        raise ServiceError(answer.status_code, _document(answer, content), retry_after)
    if answer.status_code >= 300:
        raise BadReply(f"{answer.url} answers {answer.status_code}, to go to {answer.headers.get('Location')!r}")
    if not content:
        return None
    if answer.headers.get("Content-Type", "").startswith("image/"):
        return content
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise BadReply(f"{answer.url} answers with something else than JSON: {content[:80]!r}") from None


def _document(answer: requests.Response, content: bytes) -> dict[str, Any]:
    """The problem document; what stands in for it where something between here and the service has answered."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    text = content[:200].decode(errors="replace")
    return document if isinstance(document, dict) else {"title": answer.reason, "detail": text}


def _unreachable(server: str, error: requests.RequestException) -> Unreachable:
    given_up = (requests.exceptions.SSLError, requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader)
    return Unreachable(f"{server}: {error}", hopeless=isinstance(error, given_up))


def _refused(error: ClientError) -> bool:
    """Whether nothing can have been done: the service says so itself."""
    return isinstance(error, ServiceError) and error.status in (429, 503)


def _pause(error: ServiceError | Unreachable, number: int) -> float | None:
    """Seconds to wait after try `number`; None where another one is no use."""
    if isinstance(error, Unreachable):
        return None if error.hopeless else backoff(number)
    if error.status not in TRANSIENT or (error.retry_after or 0) > PATIENCE_S:
        return None
    return max(backoff(number), error.retry_after or 0)


def backoff(number: int) -> float:
    """Seconds to wait after the first, second, ... try: twice as long each time, and never the same for all."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(number - 1, 32))
    return random.uniform(longest / 2, longest)  # noqa: S311  # no secret


def _retry_after(given: str | None) -> float | None:
    """Seconds, of a header with seconds or with a date; None of anything else."""
    if given is None:
        return None
    try:
        return max(0.0, float(given)) if given.strip().isdigit() else _until(parsedate_to_datetime(given))
    except ValueError:
        return None


def _until(moment: datetime) -> float:
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


class _NoCookies(requests.cookies.cookielib.DefaultCookiePolicy):  # type: ignore[name-defined, misc]
    """The service sets none, and what is between may not follow anybody."""

    def set_ok(self, cookie: Any, request: Any) -> bool:  # noqa: ARG002
        return False
