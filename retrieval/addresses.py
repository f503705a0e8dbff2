"""Which addresses the service may be made to connect to: public ones, and those that the operator names."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from retrieval.fetch_settings import FetchSettings, Network

Address = IPv4Address | IPv6Address
PUBLIC_IPV6 = ip_network("2000::/3")  # whatever else IPv6 has is local, reserved or not yet assigned
# Not public either, though `is_global` says so in this Python or an older one.
SPECIAL = tuple(
    ip_network(network)
    for network in (
        *(
            "192.0.0.0/24",
            "2001::/23",
        ),  # IETF protocol assignments; Teredo, which leads to an IPv4 address, is among them
        *("192.88.99.0/24", "2002::/16"),  # 6to4: leads to an IPv4 address
        *("192.31.196.0/24", "192.175.48.0/24", "2620:4f:8000::/48"),  # AS112: answers for private addresses' names
        "192.52.193.0/24",  # AMT relays
        *("224.0.0.0/4", "240.0.0.0/4"),  # multicast, reserved
        "3fff::/20",  # documentation
    )
)
NAT64 = ip_network("64:ff9b::/96")  # a gateway's way to the IPv4 address in the last 32 bits
ISATAP = (0x00005EFE, 0x02005EFE)  # third quarter of an address that leads to the IPv4 address in the last
# What `allow_private_addresses` adds. Link-local addresses are not among them: that is where clouds keep their secrets.
PRIVATE = tuple(
    ip_network(network)
    for network in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
        *("::1/128", "fc00::/7"),
    )
)
# Where a cloud tells a machine its credentials. The last one is public to any table of networks.
METADATA = frozenset(
    ip_address(address)
    for address in (
        *("169.254.169.254", "fd00:ec2::254", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"),  # Amazon, most others
        *("fd20:ce::254", "100.100.100.200", "192.0.0.192"),  # Google, Alibaba, Oracle
        *("169.254.42.42", "fd00:42::42", "168.63.129.16"),  # Scaleway, Azure's wire server
    )
)


def is_permitted(address: str, limits: FetchSettings) -> bool:
    """Whether a connection may be made to `address`, in the form that getaddrinfo gives. Raises ValueError.

    `deny_networks` goes before all else. Addresses of METADATA are permitted only one by one, not by a network.
    """
    given = ip_address(address)
    if isinstance(given, IPv6Address) and given.scope_id is not None:
        return False
    ip = _reached(given)
    if _within(ip, limits.deny_networks):
        return False
    if ip in METADATA:
        return ip_network(ip) in limits.allow_networks
    private = PRIVATE if limits.allow_private_addresses else ()
    return _within(ip, (*limits.allow_networks, *private)) or _is_public(ip)


def _reached(ip: Address) -> Address:
    """Of an address that is another way to write or reach an IPv4 address, that address."""
    if isinstance(ip, IPv4Address):
        return ip
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else ip.ipv4_mapped or ip


def _is_public(ip: Address) -> bool:
    if isinstance(ip, IPv6Address) and (ip not in PUBLIC_IPV6 or int(ip) >> 32 & 0xFFFFFFFF in ISATAP):
        return False
    return ip.is_global and not _within(ip, SPECIAL)


def _within(ip: Address, networks: Iterable[Network]) -> bool:
    return any(ip in network for network in networks)
