"""Downloads of pictures that clients name by URL, within the operator's limits; docs/security.md says against what."""

import contextlib
import http.client
import zlib
from collections.abc import Callable
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError

from retrieval.dialling import Line, Resolve, look_up
from retrieval.errors import FetchFailed, FetchRefused, PictureTooLarge
from retrieval.formats import MAGIC, begins_like
from retrieval.settings import InputSettings
from retrieval.targets import UNFIT, Target, read_target

CHUNK = 1 << 16
ENCODINGS = ("gzip", "x-gzip", "deflate")
ANY_HEADER = 32 + zlib.MAX_WBITS  # zlib finds out whether its own or gzip's
# What requests, urllib3, http.client and zlib raise for a bad peer.
FAILURES = (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError, zlib.error)

Inflate = Callable[[bytes, int], bytes]


def fetch(url: str, settings: InputSettings, resolve: Resolve = look_up) -> bytes:
    """The body that `url` answers with status 200, redirects followed; it begins like a picture in an accepted format.

    `resolve` finds the addresses of a host. Raises FetchRefused, FetchFailed, and PictureTooLarge as soon as more than
    `max_bytes` have come.
    """
    if not settings.fetch.enabled:
        raise FetchRefused("This service fetches no URLs; send the picture itself.", "disabled")
    target = read_target(url, settings.fetch)
    with Line(settings.fetch, resolve) as line:
        for _ in range(settings.fetch.max_redirects + 1):
            answer = _answer(line, target, settings)
            if isinstance(answer, bytes):
                return answer
            target = _next(target, answer, settings)
    message = f"The URL redirects more than {settings.fetch.max_redirects} times, lastly to {target.host}."
    raise FetchFailed(message, "redirects")


def _answer(line: Line, target: Target, settings: InputSettings) -> bytes | str:
    """The body, or where it is said to be."""
    try:
        with contextlib.closing(line.ask(target)) as response:
            answer = _location(response) or _body(response, target.host, settings)
    except FAILURES as error:
        line.check(target.host)
        reason, why = _cause(error)
        raise FetchFailed(f"The picture could not be fetched from {target.host}{why}.", reason) from error
    except (FetchFailed, PictureTooLarge):
        line.check(target.host)
        raise
    line.check(target.host)
    return answer


def _cause(error: Exception) -> tuple[str, str]:
    """A slug, and the end of a message: what is known of the cause that is fit for a client."""
    if isinstance(error, requests.Timeout | TimeoutError):
        return "timeout", ": no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "tls", ": there is no trusted TLS connection to it"
    return "protocol", ""


def _location(response: requests.Response) -> str | None:
    return response.headers["Location"].encode("latin-1").decode("utf-8", "replace") if response.is_redirect else None


def _next(target: Target, location: str, settings: InputSettings) -> Target:
    """What a redirect leads to: looked at like any URL, and not to be had more openly than what was asked for."""
    if UNFIT.search(location):
        raise FetchFailed(f"{target.host} redirects to an invalid URL.", "invalid_url")
    try:
        url = urljoin(str(target.request.url), location)
    except ValueError as error:
        raise FetchFailed(f"{target.host} redirects to an invalid URL.", "invalid_url") from error
    following = read_target(url, settings.fetch)
    if target.is_secure and not following.is_secure:
        raise FetchRefused(f"{target.host} redirects from https:// to http://, which is not followed.", "downgrade")
    return following


def _body(response: requests.Response, host: str, settings: InputSettings) -> bytes:
    """The body, decompressed; given up as soon as it is not a picture, or too large in either form."""
    if response.status_code != 200:
        raise FetchFailed(f"{host} answered with status {response.status_code}.", "status")
    inflate, limit = _inflater(response, host), settings.max_bytes
    body, received = bytearray(), 0
    _check_size(response.raw.length_remaining or 0, limit)
    while piece := response.raw.read(CHUNK if received else MAGIC, decode_content=False):
        received += len(piece)
        body += inflate(piece, limit + 1 - len(body))
        _check_size(max(received, len(body)), limit)
        if len(body) >= MAGIC:
            _check_start(body, host, settings)
    _check_start(body, host, settings)
    return bytes(body)


def _inflater(response: requests.Response, host: str) -> Inflate:
    """Decompresses pieces, to so many bytes at most. None was asked to compress, but some servers do."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return lambda piece, _: piece
    if encoding in ENCODINGS:
        return zlib.decompressobj(ANY_HEADER).decompress
    raise FetchFailed(f"{host} sent the picture in an encoding that was not asked for.", "encoding")


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise PictureTooLarge(f"What the URL names has more than {limit:,} bytes, the most that is accepted.")


def _check_start(body: bytearray, host: str, settings: InputSettings) -> None:
    if begins_like(bytes(body[:MAGIC]), settings.formats) is None:
        accepted = ", ".join(settings.formats)
        raise FetchFailed(f"What {host} sent is not a picture in an accepted format: {accepted}.", "content")
