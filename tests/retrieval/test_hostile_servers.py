"""Servers that answer to do harm: with what is no picture, with too much, or never to an end."""

import socket
import threading
import time

import pytest

from retrieval import dialling
from retrieval.errors import FetchError, FetchFailed, FetchRefused, PictureTooLarge
from retrieval.fetch import fetch
from retrieval.turns import Places, asking
from tests.retrieval.web import BODY, HTML, guarded, limits

SECRETS = ("staff", "Wiki", "DOCTYPE", "Traceback", "nothing here")


def failure(url, settings, **more):
    """The error, and how long it took to come."""
    started = time.monotonic()
    with pytest.raises((FetchError, PictureTooLarge)) as caught:
        fetch(url, settings, **more)
    assert not any(secret in str(caught.value) for secret in SECRETS)
    return caught.value, time.monotonic() - started


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        *(("page", "content"), ("endless-page", "content"), ("zipped-page", "content"), ("no-body", "content")),
        *(("brotli", "encoding"), ("zstd", "encoding"), ("zipped-twice", "encoding")),
        *(("error", "status"), ("early-hints", "status"), ("missing", "status")),
        *(("hundred-headers", "protocol"), ("fat-header", "protocol"), ("endless-header", "protocol")),
        *(("endless-chunk-size", "protocol"), ("old-http", "protocol"), ("two-lengths", "protocol")),
        *(("nonsense", "protocol"), ("not-zipped", "protocol"), ("cut-short", "protocol")),
    ],
)
def test_what_is_no_picture_is_given_up_at_once(path, reason, url):
    error, took = failure(f"{url}/{path}", limits(read_timeout_s=10.0, total_timeout_s=20.0))
    assert (error.reason, took < 3) == (reason, True)


@pytest.mark.parametrize("path", ["endless-continue", "endless-trailer"])
def test_what_is_bounded_by_nothing_else_ends_with_the_total_time(path, url):
    error, took = failure(f"{url}/{path}", limits(total_timeout_s=0.5))
    assert (error.reason, took < 2) == ("timeout", True)


def test_compressed_bytes_count_even_if_nothing_comes_of_them(url):
    error, took = failure(f"{url}/empty-members", limits(total_timeout_s=20.0))
    assert isinstance(error, PictureTooLarge)
    assert took < 3


@pytest.mark.parametrize("path", ["huge-length", "negative-length"])
def test_lengths_that_are_none_are_passed_over(path, url):
    assert fetch(f"{url}/{path}", limits()) == BODY


def test_only_the_configured_formats_are_read_on(url):
    only_png = limits().model_copy(update={"formats": ("PNG",)})
    error, _ = failure(f"{url}/picture", only_png)
    assert (error.reason, str(error).endswith("accepted format: PNG.")) == ("content", True)


def test_what_is_read_of_a_page_is_its_beginning(server, url):
    """An endless page, dripping: it is given up after some bytes, not after the limit or the time."""
    _, took = failure(f"{url}/endless-page", limits())
    assert took < 1
    assert len(HTML) < 100


def test_a_name_server_that_never_answers_is_under_the_total_time(monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: done.wait(10) and [])
    error, took = failure("http://slow.example/", limits(total_timeout_s=0.3))
    assert (error.reason, took < 1.5) == ("timeout", True)
    assert "within 0.3 s" in str(error)
    done.set()


def test_stalled_lookups_are_bounded_in_number(monkeypatch):
    done, asked = threading.Event(), []
    monkeypatch.setattr(dialling, "LOOKUPS", Places(2))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: asked.append(1) or (done.wait(10) and []))
    reasons = [failure("http://slow.example/", limits(total_timeout_s=0.1))[0].reason for _ in range(4)]
    assert (reasons, len(asked)) == (["timeout"] * 4, 2)
    done.set()
    deadline = time.monotonic() + 2
    while dialling.LOOKUPS.taken and time.monotonic() < deadline:
        time.sleep(0.01)
    assert dialling.LOOKUPS.taken == 0


def test_stalled_lookups_of_one_caller_leave_places_to_others(monkeypatch):
    done = threading.Event()

    def look_up(host, *_, **__):
        if host == "slow.example":
            done.wait(10)
        return []

    monkeypatch.setattr(dialling, "LOOKUPS", Places(4))
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    greedy = asking.set("key greedy")
    for _ in range(6):
        failure("http://slow.example/", limits(total_timeout_s=0.1))
    asking.reset(greedy)
    other = asking.set("key other")
    assert failure("http://quick.example/", limits())[0].reason == "dns"
    asking.reset(other)
    done.set()


def test_the_time_is_shared_by_all_addresses_of_a_name(connections):
    """A thousand permitted addresses that swallow packets (none is routed there) do not take a thousand time-outs."""
    silent = [f"10.255.{n // 250}.{n % 250 + 1}" for n in range(1000)]
    swallowed = limits(connect_timeout_s=0.1, total_timeout_s=0.6)
    _, took = failure("http://many.example/", swallowed, resolve=lambda *_: silent)
    assert took < 2
    assert len(connections) <= 1000


def test_what_is_read_differently_by_two_readers_is_not_dialled(monkeypatch, connections):
    """Whatever requests makes of a URL, only the host that was checked is dialled."""
    monkeypatch.setattr("retrieval.targets.canonical", lambda host: "public.example")
    with pytest.raises(FetchFailed) as caught:
        fetch("http://127.0.0.1/", limits(), resolve=lambda *_: ["127.0.0.1"])
    assert (caught.value.reason, connections) == ("invalid_url", [])


def test_nothing_is_sent_on_beyond_the_request(url, server):
    """No Referer, cookie or the like from hop to hop."""
    location = f"{url}/picture".encode().hex()
    assert fetch(f"{url}/redirect-to?302&{location}", guarded()) == BODY
    sent = [set(headers) for _, headers, _ in server.seen]
    assert sent == [{"Host", "User-Agent", "Accept", "Accept-Encoding"}] * 2


def test_each_refusal_has_its_reason(url):
    def reason(address, **section):
        with pytest.raises((FetchRefused, FetchFailed)) as caught:
            fetch(address, limits(**section))
        return caught.value.reason

    assert reason(f"{url}/picture", enabled=False) == "disabled"
    assert reason(f"{url}/loop") == "redirects"
    assert reason(f"{url}/silent", read_timeout_s=0.1) == "timeout"
    assert reason(url.replace("http:", "https:")) == "tls"
