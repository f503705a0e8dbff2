"""A URL that somebody gave -> what would be asked of whom, checked as far as that goes before anything is looked up."""

import re
from dataclasses import dataclass

import requests
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from retrieval.addresses import is_permitted
from retrieval.errors import FetchFailed, FetchRefused
from retrieval.fetch_settings import FetchSettings
from retrieval.hosts import canonical, literal, matches

HEADERS = {"User-Agent": "ImageRetrieval", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL = 8192
UNFIT = re.compile(r"[\x00-\x1f\x7f\\]")  # what no honest URL has, and what readers of URLs do not agree about
# Above 1023, where no other than DEFAULT_PORTS is asked anyway: the bad ports of the WHATWG's Fetch standard, and
# databases, caches, desktops and controls of clusters, which answer a line of HTTP in ways that nobody foresees.
BAD_PORTS = frozenset(
    (
        *(1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697),
        *(10080, 1433, 1521, 2375, 2376, 2379, 2380, 3306, 3389, 5432, 5672, 5900, 6379, 6443, 9200, 9300, 10250),
        *(11211, 27017),
    )
)


@dataclass(frozen=True)
class Target:
    """One request that may be made, if the addresses of `host` are permitted too."""

    request: requests.PreparedRequest
    host: str  # in its one spelling
    port: int
    is_secure: bool


def read_target(url: str, limits: FetchSettings) -> Target:
    """The request that `url` stands for. Raises FetchRefused, FetchFailed."""
    if not url.lower().startswith(("http://", "https://")):
        raise FetchRefused("Only URLs that start with http:// or https:// are fetched.", "scheme")
    if len(url) > MAX_URL or UNFIT.search(url):
        message = f"The URL is invalid: it has over {MAX_URL} characters, or backslashes, line breaks or the like."
        raise FetchFailed(message, "invalid_url")
    try:
        request = requests.Request("GET", url, headers=HEADERS).prepare()
        parts = parse_url(request.url or "")
        host, scheme = canonical(parts.host or ""), parts.scheme or ""
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise FetchFailed("The URL is invalid, or names no host in the usual form.", "invalid_url") from error
    if parts.auth is not None:
        raise FetchRefused("URLs with a user name or password are not fetched.", "credentials")
    target = Target(request, host, parts.port or DEFAULT_PORTS[scheme], scheme == "https")
    _check(target, limits)
    return target


def _check(target: Target, limits: FetchSettings) -> None:
    host, port = target.host, target.port
    if matches(host, limits.deny_hosts) or (limits.allow_hosts and not matches(host, limits.allow_hosts)):
        raise FetchRefused(f"This service does not fetch from {host}.", "host_denied")
    if port not in limits.ports if limits.ports else not _is_for_the_web(port):
        raise FetchRefused(f"This service does not fetch from port {port}.", "port")
    if literal(host) and not is_permitted(host, limits):
        message = (
            f"{host} is not a public address; the operator can permit it by the setting input.fetch.allow_networks."
        )
        raise FetchRefused(message, "address")


def _is_for_the_web(port: int) -> bool:
    return port in DEFAULT_PORTS.values() or (port >= 1024 and port not in BAD_PORTS)
