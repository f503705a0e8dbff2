"""The connections of one download: made to permitted addresses only, and cut when its time is up."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from http.client import HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import parse_url

from retrieval.addresses import is_permitted
from retrieval.errors import FetchFailed, FetchRefused
from retrieval.fetch_settings import FetchSettings
from retrieval.hosts import canonical
from retrieval.targets import DEFAULT_PORTS, Target
from retrieval.turns import Places, asking

log = logging.getLogger(__name__)
# A lookup cannot be interrupted. Those that took too long go on in threads of their own, so many at most.
LOOKUPS = Places(128)

Resolve = Callable[[str, int, float], list[str]]


def look_up(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of `host`, as the system's resolver has them.

    Raises OSError: TimeoutError after `seconds`, gaierror where there are none.
    """
    ends = time.monotonic() + seconds
    places, caller = LOOKUPS, asking.get()
    if not places.take(caller, seconds):
        raise TimeoutError
    answer: Future[list[str]] = Future()
    give_back = partial(places.give_back, caller)
    threading.Thread(target=_ask, args=(give_back, answer, host, port), daemon=True).start()
    return answer.result(ends - time.monotonic())


def _ask(give_back: Callable[[], None], answer: Future[list[str]], host: str, port: int) -> None:
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answer.set_result([str(entry[4][0]) for entry in entries])
    except (OSError, ValueError) as error:
        answer.set_exception(error)
    finally:
        give_back()


class Line:
    """One download's way out, for targets one after the other; a context manager.

    Time-outs of sockets begin anew with every byte that drips in, so a timer shuts the sockets when the time is up.
    """

    def __init__(self, limits: FetchSettings, resolve: Resolve) -> None:
        self._limits = limits
        self._resolve = resolve
        self._adapter = _Adapter(self._connect, self._reading)
        self._target: Target | None = None
        self._ends = time.monotonic() + limits.total_timeout_s
        self._sockets: list[socket.socket] = []
        self._responses: list[HTTPResponse] = []
        self._timer = threading.Timer(limits.total_timeout_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> "Line":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._adapter.close()
        self._timer.cancel()
        self._timer.join()
        for response in self._responses:
            response.close()
        for twin in self._sockets:
            twin.close()

    def ask(self, target: Target) -> requests.Response:
        """The answer, its body still to be read. Raises FetchRefused, FetchFailed, and what requests raises."""
        self._target = target
        limits = self._limits
        # The adapter and not a Session: that one reads the bodies of redirects, however long, and the environment.
        return self._adapter.send(
            target.request,
            stream=True,
            timeout=(limits.connect_timeout_s, limits.read_timeout_s),
            verify=str(limits.ca_file) if limits.ca_file else True,
            proxies=dict.fromkeys(DEFAULT_PORTS, limits.proxy) if limits.proxy else None,
        )

    def check(self, host: str) -> None:
        """Raises FetchFailed once the time is up: then the end of a body may be the cut."""
        if self.is_over():
            message = f"The picture could not be fetched from {host} within {self._limits.total_timeout_s:g} s."
            raise FetchFailed(message, "timeout")

    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._ends

    def _connect(self, host: str, port: int) -> socket.socket:
        """A connection to the first address of `host` that answers: one of the very addresses that were checked."""
        addresses = self._proxy_addresses(host, port) if self._limits.proxy else self._addresses(canonical(host), port)
        connection = self._dial(addresses, host, port)
        self._sockets.append(connection.dup())  # TLS takes over the original
        self.check(host)
        return connection

    def _addresses(self, host: str, port: int) -> list[str]:
        """All addresses of the target's host. Raises FetchRefused where one of them is not permitted.

        One is enough: no honest name is public and private at once, and one that is means to be reached at either.
        Whether a name is unknown or private is not told, or anybody could ask which names the own network has.
        """
        if self._target is None or (host, port) != (self._target.host, self._target.port):
            raise FetchFailed("The URL is invalid: it can be read in more than one way.", "invalid_url")
        addresses: list[str] = []
        try:
            addresses = self._resolve(host, port, self._ends - time.monotonic())
        except TimeoutError:
            self.check(host)
            raise
        except (OSError, ValueError) as error:
            log.info("%s was not found: %s", host, error)
        if not addresses or not all(is_permitted(address, self._limits) for address in addresses):
            log.info("%s is not fetched from, its addresses: %s", host, ", ".join(addresses) or "none")
            message = f"{host} has no address from which this service fetches."
            raise FetchRefused(message, "address" if addresses else "dns")
        return addresses

    def _proxy_addresses(self, host: str, port: int) -> list[str]:
        """Those of the proxy, whatever they are: the operator has named it, and it alone is ever dialled."""
        proxy = parse_url(str(self._limits.proxy))
        if (host, port) != (str(proxy.host).strip("[]"), proxy.port or DEFAULT_PORTS[str(proxy.scheme)]):
            raise ConnectionError("not the proxy")
        return self._resolve(host, port, self._ends - time.monotonic())

    def _dial(self, addresses: list[str], host: str, port: int) -> socket.socket:
        for address in addresses:
            self.check(host)
            seconds = min(self._limits.connect_timeout_s, max(0.001, self._ends - time.monotonic()))
            with contextlib.suppress(OSError):
                return socket.create_connection((address, port), seconds)
        raise FetchFailed(f"The picture could not be fetched from {host}.", "connect")

    def _reading(self, *args: Any, **kwargs: Any) -> HTTPResponse:
        """A response that is closed in the end, also where urllib3 refuses its headers and forgets it."""
        self._responses.append(HTTPResponse(*args, **kwargs))
        return self._responses[-1]

    def _cut(self) -> None:
        for twin in self._sockets:
            with contextlib.suppress(OSError):
                twin.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Has every connection made by `connect(host, port)` and every response by `respond`, called as HTTPResponse is."""

    def __init__(self, connect: Callable[[str, int], socket.socket], respond: Callable[..., HTTPResponse]) -> None:
        self._connect = connect
        self._respond = respond
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """As the parent's, with this adapter's way to connect. TLS knows the name still, and checks it."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        dial = {
            "_new_conn": lambda connection: self._connect(connection._dns_host, connection.port),
            "response_class": staticmethod(self._respond),
        }
        pool.ConnectionCls = type("Dialled", (pool.ConnectionCls,), dial)
        return pool
