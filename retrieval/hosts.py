"""Names of hosts: the one spelling in which they are compared, and the operator's patterns for them."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

import idna

MAX_NAME = 253  # characters that a name can have in DNS
NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def canonical(host: str) -> str:
    """`host` in lower-case ASCII without brackets or final dot; of an IP address, its usual form.

    Raises ValueError for what is neither a name nor an address in one of its usual forms. To some resolvers 127.1,
    0x7f.0.0.1 and 2130706433 are 127.0.0.1 as well; what such a host is shall not depend on who is asked.
    """
    if host.startswith("[") and host.endswith("]"):
        return str(_without_zone(IPv6Address(host[1:-1])))
    name = (host if host.isascii() else idna.encode(host, uts46=True).decode()).lower().removesuffix(".")
    if ":" in name:
        return str(_without_zone(IPv6Address(name)))
    if len(name) > MAX_NAME or not NAME.fullmatch(name):
        raise ValueError(f"{host!r} is not the name of a host")
    return str(IPv4Address(name)) if NUMBER.fullmatch(name.rpartition(".")[2]) else name


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a canonical `host` is, None where it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def pattern(text: str) -> str:
    """An operator's pattern for hosts in its one spelling: example.org, or *.example.org for all names below it.

    Raises ValueError.
    """
    below, name = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    return below + canonical(name)


def matches(host: str, patterns: Iterable[str]) -> bool:
    """Whether one of `patterns` stands for `host`, both in their one spelling."""
    return any(host.endswith(each[1:]) if each.startswith("*.") else host == each for each in patterns)


def _without_zone(address: IPv6Address) -> IPv6Address:
    if address.scope_id is not None:
        raise ValueError(f"{address} names a network interface")
    return address
