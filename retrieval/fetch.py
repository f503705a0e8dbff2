"""Downloads of pictures that clients name by URL, within the operator's limits."""

import contextlib
import http.client
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from retrieval.errors import FetchFailed, FetchRefused, PictureTooLarge
from retrieval.settings import FetchSettings, InputSettings

HEADERS = {"User-Agent": "ImageRetrieval", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
MAX_URL = 8192
CHUNK = 1 << 16
# What requests, urllib3 and http.client raise for a bad URL (ValueError, UnicodeError) or a bad peer.
FAILURES = (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError)


def fetch(url: str, settings: InputSettings) -> bytes:
    """The body that `url` answers with status 200, redirects followed, not yet known to be a picture.

    Raises FetchRefused, FetchFailed, and PictureTooLarge as soon as more than `max_bytes` have come.
    """
    if not settings.fetch.enabled:
        raise FetchRefused("This service fetches no URLs; send the picture itself.", "disabled")
    with _Line(settings.fetch) as line, contextlib.closing(_Adapter(line.connect)) as adapter:
        for _ in range(settings.fetch.max_redirects + 1):
            request, host = _prepared(url)
            try:
                answer = _answer(adapter, request, settings)
            except FAILURES as error:
                raise FetchFailed(
                    f"The picture could not be fetched from {host}{line.reason(error)}.", line.kind(error)
                ) from error
            line.check(host)
            if isinstance(answer, bytes):
                return answer
            url = answer
    much = f"The URL redirects more than {settings.fetch.max_redirects} times, lastly at {host}."
    raise FetchFailed(much, "redirects")


def _prepared(url: str) -> tuple[requests.PreparedRequest, str]:
    """A request for `url` and its host, as requests will connect to it."""
    if not url.lower().startswith(("http://", "https://")):
        raise FetchRefused("Only URLs that start with http:// or https:// are fetched.", "scheme")
    if len(url) > MAX_URL or any(ord(letter) < 32 or ord(letter) == 127 for letter in url):
        raise FetchFailed(
            f"The URL is invalid: it has over {MAX_URL} characters, or line breaks or the like.", "invalid_url"
        )
    try:
        request = requests.Request("GET", url, headers=HEADERS).prepare()
        parts = parse_url(request.url or "")
    except FAILURES as error:
        raise FetchFailed("The URL is invalid.", "invalid_url") from error
    if not parts.host or len(parts.host) > 255:
        raise FetchFailed("The URL is invalid: it names no host.", "invalid_url")
    if parts.auth is not None:
        raise FetchRefused("URLs with a user name or password are not fetched.", "credentials")
    return request, parts.host


def _answer(adapter: HTTPAdapter, request: requests.PreparedRequest, settings: InputSettings) -> bytes | str:
    """The body, or the URL of the next hop."""
    timeouts = (settings.fetch.connect_timeout_s, settings.fetch.read_timeout_s)
    # The adapter and not a Session: that one reads the bodies of redirects, however long, and the environment.
    with contextlib.closing(adapter.send(request, stream=True, timeout=timeouts)) as response:
        if response.is_redirect:
            location = response.headers["Location"].encode("latin-1").decode("utf-8", "replace")
            return urljoin(str(request.url), location)
        if response.status_code != 200:
            host = parse_url(str(request.url)).host
            raise FetchFailed(f"{host} answered with status {response.status_code}.", "status")
        return _body(response, settings.max_bytes)


def _body(response: requests.Response, max_bytes: int) -> bytes:
    body = bytearray()
    announced = response.raw.length_remaining or 0
    while announced <= max_bytes and (chunk := response.raw.read(CHUNK, decode_content=True)):
        body += chunk
        announced = max(announced, len(body))
    if announced > max_bytes:
        raise PictureTooLarge(f"What the URL names has more than {max_bytes:,} bytes, the most that is accepted.")
    return bytes(body)


class _Line:
    """The connections of one download: made to permitted addresses only, and cut when its time is up.

    Time-outs of sockets cannot do the latter, they begin anew with every byte that drips in.
    """

    def __init__(self, limits: FetchSettings) -> None:
        self._limits = limits
        self._ends = time.monotonic() + limits.total_timeout_s
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(limits.total_timeout_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> "_Line":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        for twin in self._sockets:
            twin.close()

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection to the first address of `host` that is permitted and answers: that very address is dialled."""
        addresses = [str(entry[4][0]) for entry in _resolve(host, port)]
        permitted = [a for a in addresses if self._limits.allow_private_addresses or _is_public(a)]
        if not permitted:
            why = f"{host} is not a public address; the setting allow_private_addresses would permit it."
            raise FetchRefused(why, "address")
        connection = self._dial(permitted, port)
        self._sockets.append(connection.dup())  # TLS takes over the original
        self.check(host)
        return connection

    def check(self, host: str) -> None:
        """Raises FetchFailed once the time is up: then the end of a body may be the cut."""
        if time.monotonic() >= self._ends:
            raise FetchFailed(f"The picture could not be fetched from {host}{self.reason()}.", "timeout")

    def reason(self, error: Exception | None = None) -> str:
        """The end of a message: what is known of the cause that is fit for a client."""
        if time.monotonic() >= self._ends:
            return f" within {self._limits.total_timeout_s:g} s"
        return ": no answer in time" if isinstance(error, requests.Timeout | TimeoutError) else ""

    def kind(self, error: Exception) -> str:
        """The cause in a word."""
        if self.reason(error):
            return "timeout"
        return "tls" if isinstance(error, requests.exceptions.SSLError) else "connect"

    def _dial(self, addresses: list[str], port: int) -> socket.socket:
        for address in addresses:
            remaining = max(0.001, self._ends - time.monotonic())
            with contextlib.suppress(OSError):
                return socket.create_connection((address, port), min(self._limits.connect_timeout_s, remaining))
        raise ConnectionError("no address answers")

    def _cut(self) -> None:
        for twin in self._sockets:
            with contextlib.suppress(OSError):
                twin.shutdown(socket.SHUT_RDWR)


def _resolve(host: str, port: int) -> list[Any]:
    try:
        return list(socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError, OverflowError) as error:
        raise FetchFailed(f"The host {host} could not be found.", "dns") from error


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast


class _Adapter(HTTPAdapter):
    """Has every connection made by `connect(host, port)`."""

    def __init__(self, connect: Callable[[str, int], socket.socket]) -> None:
        self._connect = connect
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """As the parent's, with this adapter's way to connect."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        dial = {"_new_conn": lambda connection: self._connect(connection._dns_host, connection.port)}
        pool.ConnectionCls = type("Dialled", (pool.ConnectionCls,), dial)
        return pool
