"""Section `input.fetch` of config.yaml."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FilePath, PlainValidator, Strict
from urllib3.util import parse_url

from retrieval.hosts import pattern

Network = IPv4Network | IPv6Network


def _network(text: Any) -> Network:
    if not isinstance(text, str):
        raise ValueError("not an address or network such as 10.1.0.0/16")
    return ip_network(text)


def _proxy(url: str | None) -> str | None:
    parts = parse_url(url) if url is not None else None  # its errors are ValueErrors
    if parts and (parts.scheme not in ("http", "https") or not parts.host):
        raise ValueError("not of the form http://host:port")
    return url


Hosts = Annotated[tuple[Annotated[str, AfterValidator(pattern)], ...], Strict(False)]
Networks = Annotated[tuple[Annotated[Network, PlainValidator(_network)], ...], Strict(False)]
Port = Annotated[int, Field(ge=1, le=65535)]


class FetchSettings(BaseModel):
    """Section `input.fetch` of config.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    enabled: bool
    at_once: int = Field(ge=1, le=1024)
    connect_timeout_s: float = Field(gt=0, le=3600)
    read_timeout_s: float = Field(gt=0, le=3600)
    total_timeout_s: float = Field(gt=0, le=3600)
    max_redirects: int = Field(ge=0, le=20)
    allow_hosts: Hosts
    deny_hosts: Hosts
    allow_private_addresses: bool
    allow_networks: Networks
    deny_networks: Networks
    ports: Annotated[tuple[Port, ...], Strict(False)]
    proxy: Annotated[str | None, AfterValidator(_proxy)]
    ca_file: Annotated[FilePath | None, Strict(False)]
