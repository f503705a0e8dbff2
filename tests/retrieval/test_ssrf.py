"""What strangers try to make the service connect to: each variant of tests/retrieval/ssrf.py, and rebinding."""

import re
import socket
from pathlib import Path

import pytest

from retrieval.dialling import look_up
from retrieval.errors import FetchError, FetchRefused
from retrieval.fetch import fetch
from tests.retrieval import ssrf
from tests.retrieval.ssrf import NAMES, PORT, REDIRECTS, STATUSES, URLS
from tests.retrieval.web import BODY, guarded, limits

ROOT = Path(__file__).resolve().parents[2]


def each(table):
    """The variants of a table: the answer's reason, what is tried."""
    return [pytest.param(reason, one, id=ascii(one)) for reason, several in table.values() for one in several]


def resolver(**names):
    """A name server that knows `names`, all under .example, and what is an address already."""

    def resolve(host, port, seconds):
        return names[host.removesuffix(".example")] if host.endswith(".example") else look_up(host, port, seconds)

    return resolve


def refused(url, settings, resolve):
    with pytest.raises(FetchError) as caught:
        fetch(url, settings, resolve)
    assert len(str(caught.value)) < 300
    return caught.value


def test_there_are_enough_variants():
    assert sum(len(several) for table in (URLS, NAMES, REDIRECTS) for _, several in table.values()) >= 60


@pytest.mark.parametrize(("reason", "url"), each(URLS))
def test_no_connection_is_made_for_a_url(reason, url, connections):
    asked = []
    error = refused(url, limits(allow_private_addresses=False), lambda host, *_: asked.append(host) or ["127.0.0.1"])
    assert (error.reason, connections, asked) == (reason, [], [])


@pytest.mark.parametrize(("reason", "addresses"), each(NAMES))
def test_no_connection_is_made_to_the_addresses_of_a_name(reason, addresses, connections):
    resolve = resolver(innocent=list(addresses))
    for scheme in ("http", "https"):
        error = refused(f"{scheme}://innocent.example/a.png", limits(allow_private_addresses=False), resolve)
        assert (type(error), error.reason, connections) == (FetchRefused, reason, [])


def test_whether_a_name_is_private_or_unknown_is_not_told():
    def unknown(*_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    answers = {
        (type(error), str(error))
        for resolve in (
            resolver(wiki=["10.0.0.1"]),
            resolver(wiki=["127.0.0.1", "10.0.0.1"]),
            resolver(wiki=[]),
            unknown,
        )
        for error in [refused("http://wiki.example/", guarded(), resolve)]
    }
    assert len(answers) == 1


@pytest.fixture
def redirected(url, server):
    """The URL of a redirect to `location` with `status`."""

    def make(status, location):
        return f"{url}/redirect-to?{status}&{location.replace(PORT, str(server.server_port)).encode().hex()}"

    return make


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(("reason", "location"), each(REDIRECTS))
def test_a_redirect_is_checked_like_a_url(reason, location, status, redirected, connections):
    resolve = resolver(inner=["127.0.0.2"], public=["127.0.0.1"])
    denied = guarded(deny_hosts=["denied.example", "*.denied.example"])
    assert refused(redirected(status, location), denied, resolve).reason == reason
    assert connections == ["127.0.0.1"]


def test_the_same_redirect_is_followed_where_it_is_allowed(redirected):
    both = guarded(allow_networks=["127.0.0.1", "127.0.0.2"])
    for status in STATUSES:
        assert fetch(redirected(status, f"http://127.0.0.2:{PORT}/picture"), both) == BODY


def test_the_third_hop_is_checked_as_well(redirected, connections):
    second = redirected(307, f"http://127.0.0.2:{PORT}/picture")
    assert refused(redirected(302, second), guarded(), look_up).reason == "address"
    assert connections == ["127.0.0.1"] * 2


def test_a_name_that_is_rebound_after_the_check_gains_nothing(url, server, connections):
    """Public when it is checked, private at any later question: there is none."""
    asked = []

    def rebinding(host, port, seconds):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    port = server.server_port
    assert fetch(f"http://rebind.example:{port}/picture", guarded(), rebinding) == BODY
    assert (asked, connections) == (["rebind.example"], ["127.0.0.1"])
    assert server.seen[0][1]["Host"] == f"rebind.example:{port}"


def test_a_name_that_is_rebound_between_two_hops_is_refused(server, connections):
    answers = iter([["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"]])
    port = server.server_port
    location = f"http://Rebind.example.:{port}/hop?5".encode().hex()
    first = f"http://rebind.example:{port}/redirect-to?302&{location}"
    error = refused(first, guarded(max_redirects=9), lambda *_: next(answers))
    assert error.reason == "address"
    assert set(connections) == {"127.0.0.1"}


def test_a_name_with_new_addresses_at_each_question_is_asked_once_for_each_connection(server):
    asked = []
    port = server.server_port
    resolve = lambda host, *_: asked.append(host) or [f"127.0.0.{len(asked)}"]  # noqa: E731
    assert fetch(f"http://rebind.example:{port}/picture", guarded(), resolve) == BODY
    assert refused(f"http://rebind.example:{port}/picture", guarded(), resolve).reason == "address"
    assert len(asked) == 2


def test_a_dead_address_is_passed_over(server, connections):
    both = guarded(allow_networks=["127.0.0.1", "::1"])
    body = fetch(f"http://two.example:{server.server_port}/picture", both, resolver(two=["::1", "127.0.0.1"]))
    assert (body, connections) == (BODY, ["::1", "127.0.0.1"])  # the server has no IPv6


def test_the_documentation_has_each_variant_with_its_answer():
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    missing = [row for row in ssrf.rows() if row not in text]
    assert not missing, "run python -m tests.retrieval.ssrf and put its rows into docs/security.md"
    ours = text.partition("## Fetching")[2].partition("\n## ")[0]
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert all(f"def {name}(" in tests for name in re.findall(r"`(test_\w+)`", ours))
