"""What web pages may do with this service through the browsers of people who can reach it: nothing, unless allowed."""

import ipaddress
from urllib.parse import urlsplit

from flask import Response
from werkzeug.datastructures import Headers
from werkzeug.sansio.utils import host_is_trusted
from werkzeug.wrappers import Request

from retrieval.errors import Forbidden
from retrieval.settings import Settings

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
CORS_METHODS = "GET, HEAD, POST, PATCH, DELETE"
CORS_REQUEST_HEADERS = "Accept, Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Request-ID"
CORS_REPLY_HEADERS = "Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
CORS_MAX_AGE_S = 600


def check_host(request: Request, settings: Settings) -> None:
    """A page whose name was made to point here has that name in `Host` (DNS rebinding). Raises Forbidden."""
    host = request.headers.get("Host")
    if host is None or _is_own(host, settings.server.host) or _is_allowed(host, settings.access.allowed_hosts):
        return
    raise Forbidden(
        "this service answers requests for its own address, not for the name in `Host`; if it is meant to have that "
        "name, list it in access.allowed_hosts, and make API keys if others can reach it"
    )


def check_site(request: Request, settings: Settings) -> None:
    """Pages of other sites can make browsers send forms and fetch pictures without being asked. Raises Forbidden."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site in ("same-origin", "none") or origin in settings.access.cors_origins or _is_followed_link(request):
        return
    if origin is None and site is None:  # no browser
        return
    if origin is not None and site is None and origin.partition("://")[2] == request.headers.get("Host"):
        return
    raise Forbidden("a page of another web site asks; the sites that may are to be listed in access.cors_origins")


def preflight(request: Request, settings: Settings) -> Response | None:
    """The answer to a browser that asks whether a page of a listed origin may send a request; None of any other."""
    asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    if not asks or request.headers.get("Origin") not in settings.access.cors_origins:
        return None
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = CORS_METHODS
    response.headers["Access-Control-Allow-Headers"] = CORS_REQUEST_HEADERS
    response.headers["Access-Control-Max-Age"] = str(CORS_MAX_AGE_S)
    return response


def add_headers(headers: Headers, request: Request, settings: Settings) -> None:
    """Security headers, where the reply has none of its own, and leave to read it for pages of listed origins."""
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if settings.access.cors_origins:
        headers.add("Vary", "Origin")
    origin = request.headers.get("Origin")
    if origin in settings.access.cors_origins:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = CORS_REPLY_HEADERS


def _is_followed_link(request: Request) -> bool:
    """Of a link that somebody has followed; the page that has it sees nothing of what comes."""
    return request.method in ("GET", "HEAD") and request.headers.get("Sec-Fetch-Mode") == "navigate"


def _is_own(host: str, listening: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name in ("localhost", listening.lower()):
            return True
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    return bool(allowed) and host_is_trusted(host, allowed)
