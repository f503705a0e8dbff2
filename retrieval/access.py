"""The door: what is looked at before a request's body is read, and what every reply says in its headers."""

import hashlib
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress

from flask import Flask, Response, current_app, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from index_store import KeyRing, Scope, StoreError
from index_store.keys import KEY_FORMAT
from retrieval.allowances import PERIOD_S, Allowance, Allowances
from retrieval.browsers import add_headers, check_host, check_site, preflight
from retrieval.callers import ANYBODY, NOBODY, Caller
from retrieval.errors import AccessDenied, Forbidden, TooManyRequests, Unauthorized
from retrieval.listening import is_local, is_loopback
from retrieval.scopes import needed
from retrieval.settings import Settings
from retrieval.turns import asking, network_of

BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE | re.ASCII)
KEY_HEADERS = ("Authorization", "X-API-Key")
MOST_SCRAPERS = 32
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
HOW = "send an API key as `Authorization: Bearer ir_...` or as `X-API-Key: ir_...`"


class Access:
    """Lets requests in or refuses them, by address, key, scope and rate."""

    def __init__(
        self, settings: Settings, keys: KeyRing, allowances: Allowances, explain: Callable[[Exception], Response]
    ) -> None:
        """Raises CatalogUnavailable."""
        self._settings = settings
        self._keys = keys
        self._allowances = allowances
        self._explain = explain
        self._is_local = is_local(settings)
        self._is_loopback = is_loopback(settings.server.host)
        self._keys_seen: bool | None = None  # as far as it was looked at
        self._scrapers: dict[bytes, Caller] = {}  # let in, by digests of the headers that they came with
        self._keys_needed()

    def guard(self, app: Flask) -> None:
        """Stand before every route of the application, also those that it does not have."""
        if proxies := self._settings.server.trusted_proxies:
            fixed = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=0)
            app.wsgi_app = fixed  # type: ignore[method-assign]  # as Flask's manual has it
        app.before_request(self._admit)
        app.after_request(self._finish)
        app.extensions["access"] = self

    def knows(self, bearer: str | None, plain: str | None) -> bool:
        """Whether somebody with these headers Authorization and X-API-Key may send a large body.

        Who may not is told so by `guard` in its turn, as is what is wrong with the catalog.
        """
        try:
            return not self._keys_needed() or self._keys.check(_given_key(bearer, plain) or "") is not None
        except AccessDenied:
            return False
        except StoreError:
            return True

    def sender(self, headers: Mapping[str, str], address: str) -> str | None:
        """Who has sent a request with these headers, for taking turns: a key, or whoever has the address."""
        try:
            given = _given_key(headers.get("AUTHORIZATION"), headers.get("X_API_KEY"))
            if given and self._settings.access.keys != "off" and (key := self._keys.check(given)):
                return f"key {key.id}"
        except (AccessDenied, StoreError):
            pass  # `guard` says what is wrong, in its turn
        proxies = self._settings.server.trusted_proxies
        through = headers.get("X_FORWARDED_FOR", "").split(",")
        return _address_bucket(through[-proxies].strip() if 0 < proxies <= len(through) else address)

    def charge_batch(self, pictures: int) -> None:
        """Each picture counts as a request; the first is counted already. Raises TooManyRequests."""
        more = min(pictures, self._settings.access.requests_per_minute) - 1
        if more > 0:
            self._charge(more, again=1)

    def _charge(self, cost: int, again: int = 0) -> None:
        """again: what else has to be there when the request comes back, which it has paid already."""
        quota = self._settings.access.requests_per_minute
        if quota and g.bucket is not None:
            self._take("default", g.bucket, quota, cost, again)

    def _admit(self) -> Response | None:
        g.caller, g.bucket, g.policy = NOBODY, None, None
        asking.set(None)
        try:
            check_site(request, self._settings)
            if answer := preflight(request, self._settings):
                return answer
            need = needed(request.endpoint, request.method)
            if need == "metrics":
                self._check_scraper()
            elif need != "open":
                self._check_caller(need)
        except (AccessDenied, StoreError) as error:
            return self._explain(error)
        return None

    def _check_scraper(self) -> None:
        """While the catalog, which knows the keys, is away, who was let in before still is: metrics tell that it is."""
        given = hashlib.sha256(repr([request.headers.get(name) for name in KEY_HEADERS]).encode()).digest()
        try:
            self._check_caller("metrics")
        except StoreError:
            if given in self._scrapers:
                g.caller = self._scrapers[given]
            elif self._keys_seen is False:
                self._check_way(with_keys=False)
                g.caller = ANYBODY
            else:
                raise
        except AccessDenied:
            self._scrapers.pop(given, None)
            raise
        else:
            self._scrapers = {**dict(list(self._scrapers.items())[-MOST_SCRAPERS:]), given: g.caller}

    def _check_caller(self, need: Scope) -> None:
        with_keys = self._keys_needed()
        self._check_way(with_keys)
        g.bucket = _address_bucket(request.remote_addr)
        if with_keys:
            self._check_key()
        else:
            g.caller = ANYBODY
        asking.set(g.bucket)
        self._charge(1)
        if not request.routing_exception:  # which tells any caller that there is no such route
            g.caller.check_scope(need)

    def _check_way(self, with_keys: bool) -> None:
        """Pages and proxies bring no keys of their own, so that these are answer enough to them."""
        if self._settings.access.allowed_hosts or (self._is_loopback and not with_keys):
            check_host(request, self._settings)
        if self._settings.access.keys == "auto" and not with_keys:
            _check_direct()

    def _check_key(self) -> None:
        """Finds out who asks. What fails counts for the address, so that nobody else is shut out by it."""
        try:
            g.caller = self._holder()
            g.bucket = f"key {g.caller.id}"
        except Unauthorized:
            self._charge(1)
            raise

    def _holder(self) -> Caller:
        """A secret can be guessed only for a key that is named, and from one address only slowly."""
        given = _given_key(request.headers.get("Authorization"), request.headers.get("X-API-Key"))
        if given is None:
            raise Unauthorized(HOW, key_given=False)
        parsed = KEY_FORMAT.fullmatch(given)
        guesses = f"guess {parsed[1] if parsed else ''} {g.bucket}"
        quota = self._settings.access.failures_per_minute
        if not self._allowances.peek(guesses, quota).granted:
            self._take("failures", guesses, quota, 1)
        if key := self._keys.check(given):
            return Caller.of(key)
        self._allowances.take(guesses, quota)
        raise Unauthorized(f"this is no valid key; {HOW}", key_given=True)

    def _keys_needed(self) -> bool:
        """From the first key on they are asked for, also here, and in every process at once; see docs/access.md."""
        mode = self._settings.access.keys
        if mode != "auto" or not self._is_local or self._keys_seen:
            return mode != "off"
        self._keys_seen = self._keys.exist()
        return self._keys_seen

    def _take(self, policy: str, bucket: str, quota: int, cost: int, again: int = 0) -> None:
        allowance = self._allowances.take(bucket, quota, cost)
        g.policy = policy, allowance
        if not allowance.granted:
            wait = math.ceil(allowance.retry_s + again * PERIOD_S / quota)
            raise TooManyRequests(f"more than {quota} in {PERIOD_S} seconds; go on in {wait} s", wait)

    def _finish(self, response: Response) -> Response:
        add_headers(response.headers, request, self._settings)
        if policy := g.get("policy"):
            _tell(response, *policy)
        return response


def charge(pictures: int) -> None:
    """Count a request as so many. Raises TooManyRequests."""
    access: Access = current_app.extensions["access"]
    access.charge_batch(pictures)


def _given_key(bearer: str | None, plain: str | None) -> str | None:
    """The key in what the headers Authorization and X-API-Key say, if anything. Raises Unauthorized."""
    if bearer is None:
        return plain
    found = BEARER.fullmatch(bearer.strip())
    if plain is not None or not found:
        raise Unauthorized(f"{HOW}, once", True)
    return found[1]


def _check_direct() -> None:
    """Behind a proxy everybody seems to be of this machine. Raises Forbidden."""
    if any(name in request.headers for name in FORWARDED):
        raise Forbidden(
            "this request came through a proxy, perhaps from elsewhere, and the service asks for no keys: make one "
            "with scripts/keys.py, or set access.keys to `off` if anybody may do anything"
        )


def _address_bucket(address: str | None) -> str | None:
    """Whoever has the address; this machine itself has none: no limit."""
    network = network_of(address or "")
    with suppress(ValueError):  # of what is no single address
        if ipaddress.ip_address(network).is_loopback:
            return None
    return f"address {network}"


def _tell(response: Response, policy: str, allowance: Allowance) -> None:
    """The fields of draft-ietf-httpapi-ratelimit-headers."""
    response.headers["RateLimit-Policy"] = f'"{policy}";q={allowance.quota};w={PERIOD_S}'
    response.headers["RateLimit"] = f'"{policy}";r={allowance.remaining};t={math.ceil(allowance.reset_s)}'
