"""Who can reach the address that the service listens on: this machine alone, or others."""

import ipaddress
import socket

from index_store import Catalog, KeyRing
from retrieval.errors import Unprotected
from retrieval.settings import Settings

WAYS_OUT = (
    "Either make a key and send it with each request:\n"
    "    python scripts/keys.py create NAME --scope search --scope add\n"
    "or, where everybody who can reach the service may read, add and delete everything, say so:\n"
    "    access: {keys: off}      in the configuration, or IMAGERETRIEVAL__ACCESS__KEYS=off in the environment"
)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`: an address, or a name whose every address is of this kind."""
    try:
        return _is_loopback_address(host)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(_is_loopback_address(str(each[4][0])) for each in found)


def is_local(settings: Settings) -> bool:
    """Whether all requests are of this machine: none from other addresses, and none through a proxy."""
    return settings.server.trusted_proxies == 0 and is_loopback(settings.server.host)


def check_exposure(settings: Settings, catalog: Catalog) -> None:
    """Raises Unprotected where strangers could do everything, or where nobody could do anything."""
    mode = settings.access.keys
    if mode == "off" or (mode == "auto" and is_local(settings)):
        return
    if any(key.is_usable for key in KeyRing(catalog).all()):
        return
    raise Unprotected(f"{_reason(settings)}, and there is no API key that is valid now.\n{WAYS_OUT}")


def _reason(settings: Settings) -> str:
    if settings.access.keys == "required":
        return "access.keys is `required`"
    if settings.server.trusted_proxies:
        return "server.trusted_proxies says that requests come through a proxy, from anywhere"
    return f"the service would listen on {settings.server.host}, which others than this machine can reach"


def _is_loopback_address(text: str) -> bool:
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
