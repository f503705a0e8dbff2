"""What the operator permits and forbids: hosts, networks, ports."""

import pytest

from retrieval.addresses import METADATA, is_permitted
from retrieval.errors import FetchRefused
from retrieval.fetch import fetch
from retrieval.hosts import canonical
from retrieval.settings import BadSettings
from tests.retrieval.web import BODY, guarded, limits


def permitted(address, **section):
    return is_permitted(address, limits(**{"allow_private_addresses": False} | section).fetch)


@pytest.mark.parametrize(
    "address",
    [
        *("93.184.215.14", "8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "223.255.255.255"),
        *("2606:4700::1", "2a00:1450:4001::1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"),
    ],
)
def test_public_addresses_are_permitted(address):
    assert permitted(address)
    assert not permitted(address, deny_networks=["0.0.0.0/0", "::/0"])


def test_private_addresses_are_permitted_when_allowed_and_nothing_else_with_them():
    private = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"]
    others = ["0.0.0.0", "169.254.1.1", "224.0.0.1", "255.255.255.255", "fe80::1", "ff02::1", "2002:7f00:1::", "::"]
    assert [permitted(address, allow_private_addresses=True) for address in private + others] == [True] * 8 + [
        False
    ] * 8


@pytest.mark.parametrize("address", sorted(map(str, METADATA)))
def test_metadata_is_permitted_by_its_own_address_only(address):
    everything = {"allow_private_addresses": True, "allow_networks": ["0.0.0.0/0", "::/0"]}
    assert not permitted(address, **everything)
    assert permitted(address, allow_networks=[address])
    assert not permitted(address, allow_networks=[address], deny_networks=[address])


def test_networks_are_allowed_one_by_one():
    section = {"allow_networks": ["10.1.0.0/16", "fd12::/32", "192.168.7.20"], "deny_networks": ["10.1.9.0/24"]}
    yes, no = (
        ["10.1.2.3", "fd12::5", "192.168.7.20", "::ffff:10.1.2.3"],
        ["10.2.0.1", "192.168.7.21", "10.1.9.1", "fd13::1"],
    )
    assert [permitted(address, **section) for address in yes + no] == [True] * 4 + [False] * 4


def test_a_zone_is_never_permitted():
    assert not permitted("fe80::1%eth0", allow_networks=["fe80::/10", "::/0"])


def asked(host, **section):
    """Whether the host gets past the lists; its address is this machine's, where nobody listens on port 80."""
    try:
        fetch(f"http://{host}/", guarded(**section), resolve=lambda *_: ["10.0.0.1"])
    except FetchRefused as error:
        return error.reason != "host_denied"
    raise AssertionError


ONLY = ["example.org", "*.Photos.Example.", "bücher.example", "93.184.215.14"]


@pytest.mark.parametrize(
    ("host", "passes"),
    [
        *(("example.org", True), ("EXAMPLE.ORG.", True), ("www.example.org", False), ("example.org.evil.net", False)),
        *(
            ("a.photos.example", True),
            ("A.B.PHOTOS.example", True),
            ("photos.example", False),
            ("xphotos.example", False),
        ),
        *(("xn--bcher-kva.example", True), ("BÜCHER.example", True), ("93.184.215.15", False), ("[::1]", False)),
    ],
)
def test_hosts_are_allowed_and_denied_by_name_whatever_the_spelling(host, passes):
    assert asked(host, allow_hosts=ONLY) is passes
    assert asked(host, deny_hosts=ONLY) is not passes
    assert not asked(host, allow_hosts=ONLY, deny_hosts=ONLY)


def test_an_allowed_name_is_no_allowed_address():
    with pytest.raises(FetchRefused) as caught:
        fetch("http://wiki.example/", guarded(allow_hosts=["wiki.example"]), resolve=lambda *_: ["10.0.0.1"])
    assert caught.value.reason == "address"


def test_a_list_of_ports_is_the_whole_list(url, server):
    port = server.server_port
    assert fetch(f"{url}/picture", guarded(ports=[port])) == BODY
    for wrong in ({"ports": [80, 443]}, {"ports": [port + 1]}):
        with pytest.raises(FetchRefused, match=f"port {port}") as caught:
            fetch(f"{url}/picture", guarded(**wrong))
        assert caught.value.reason == "port"
    with pytest.raises(FetchRefused, match="port 80"):
        fetch("http://public.example/", guarded(ports=[443]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("allow_hosts", ["*"]),
            ("allow_hosts", ["http://h.example"]),
            ("deny_hosts", ["a.*.b"]),
            ("deny_hosts", [""]),
        ),
        *(("deny_hosts", "h.example"), ("deny_hosts", ["h.example:80"]), ("allow_networks", ["10.1.2.3/16"])),
        *(("allow_networks", [10]), ("deny_networks", ["all"]), ("ports", [0]), ("ports", [65536]), ("ports", ["80"])),
        *(("proxy", "socks5://h:1"), ("proxy", "h.example"), ("proxy", "http://"), ("ca_file", "no/such/file.pem")),
    ],
)
def test_settings_that_cannot_be_meant_stop_the_start(name, value):
    with pytest.raises(BadSettings, match=rf"input\.fetch\.{name}"):
        limits(**{name: value})


@pytest.mark.parametrize(
    "host", ["0x7f.1", "127.1", "1", "0177.0.0.1", "a..b", "a b", "*.a", "a/b", "[::1", "1.2.3.4.5"]
)
def test_a_host_has_one_spelling_or_none(host):
    with pytest.raises(ValueError):
        canonical(host)


def test_spellings_of_one_host_are_one():
    assert canonical("[2606:4700:0:0::0001]") == canonical("2606:4700::1") == "2606:4700::1"
    assert canonical("ExAmple.ORG.") == "example.org"
    assert canonical("my_host.1a") == "my_host.1a"
