"""Downloads from a real server: whole, in time, of the right size, or an error that says what it has to."""

import contextlib
import socket
import threading
import time

import pytest

from retrieval.errors import FetchFailed, FetchRefused, InputError, PictureTooLarge
from retrieval.fetch import fetch
from tests.retrieval.web import BODY, LIMIT, limits


@pytest.mark.parametrize(
    "path", ["picture", "chunked", "zipped", "deflated", "hop?0", "hop?2", "announces-nonsense", "negative-length"]
)
def test_the_body_arrives_whole(url, path):
    assert fetch(f"{url}/{path}", limits()) == BODY


def test_who_asks_is_said_and_nothing_else(url, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    fetch(f"{url}/picture?a=b#part", limits())
    ((path, headers, _),) = server.seen
    assert path == "/picture?a=b"
    assert headers["User-Agent"].startswith("ImageRetrieval")
    assert not {"Cookie", "Authorization", "Referer"} & headers.keys()


@pytest.mark.parametrize("path", ["nothing", "error", "empty", "partial", "redirect-nowhere"])
def test_only_status_200_counts(url, path):
    with pytest.raises(FetchFailed, match=r"127\.0\.0\.1 answered with status \d+"):
        fetch(f"{url}/{path}", limits())


@pytest.mark.parametrize("path", ["cut-short", "bad-chunks", "not-zipped", "nonsense", "redirect-in-bytes"])
def test_broken_answers_fail_without_detail(url, path):
    with pytest.raises(FetchFailed) as caught:
        fetch(f"{url}/{path}", limits())
    assert "127.0.0.1" in str(caught.value)
    assert not {"urllib3", "object at", "Error", "Errno", "Traceback"} & set(str(caught.value).split())


def test_a_body_of_the_largest_size_passes(url):
    assert len(fetch(f"{url}/largest", limits())) == LIMIT


@pytest.mark.parametrize("path", ["too-large", "announces-too-much", "endless", "bomb"])
def test_a_larger_body_is_dropped_at_once(url, path):
    started = time.monotonic()
    with pytest.raises(PictureTooLarge, match="100,000 bytes"):
        fetch(f"{url}/{path}", limits(read_timeout_s=10.0, total_timeout_s=20.0))
    assert time.monotonic() - started < 2.5


@pytest.mark.parametrize("path", ["slow-body", "slow-body-without-length", "slow-head"])
def test_dripping_ends_with_the_total_time(url, path):
    started = time.monotonic()
    with pytest.raises(FetchFailed, match=r"within 0\.7 s"):
        fetch(f"{url}/{path}", limits(total_timeout_s=0.7))
    assert 0.6 < time.monotonic() - started < 3


def test_silence_ends_with_the_read_time(url):
    started = time.monotonic()
    with pytest.raises(FetchFailed, match="no answer in time"):
        fetch(f"{url}/silent", limits(read_timeout_s=0.3, total_timeout_s=20.0))
    assert time.monotonic() - started < 2.5


def test_redirects_are_limited(url, server):
    assert fetch(f"{url}/hop?2", limits(max_redirects=3)) == BODY
    server.seen.clear()
    with pytest.raises(FetchFailed, match="more than 2 times"):
        fetch(f"{url}/hop?2", limits(max_redirects=2))
    with pytest.raises(FetchFailed, match="more than 3 times"):
        fetch(f"{url}/loop", limits())
    assert len(server.seen) == 3 + 4
    with pytest.raises(FetchFailed, match="more than 0 times"):
        fetch(f"{url}/loop", limits(max_redirects=0))


def test_the_body_of_a_redirect_is_not_read(url):
    assert fetch(f"{url}/fat-redirect", limits(total_timeout_s=5)) == BODY


def test_nothing_is_fetched_when_fetching_is_off(url, server):
    with pytest.raises(FetchRefused, match="send the picture itself"):
        fetch(f"{url}/picture", limits(enabled=False))
    assert not server.seen


def test_a_closed_port_fails():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(FetchFailed, match=r"could not be fetched from 127\.0\.0\.1\.") as caught:
        fetch(f"http://127.0.0.1:{port}/", limits())
    assert caught.value.reason == "connect"


def test_a_server_without_tls_fails(url):
    with pytest.raises(FetchFailed):
        fetch(url.replace("http:", "https:") + "/picture", limits())


@pytest.mark.parametrize(
    "bad", ["ftp://h/x", "file:///etc/passwd", "", "picture.jpg", "javascript:alert(1)", "//h/x", " "]
)
def test_other_schemes_are_refused(bad):
    with pytest.raises(FetchRefused, match="http:// or https://"):
        fetch(bad, limits())


@pytest.mark.parametrize("bad", ["http://user@h.example/", "http://a:b@h.example/x", "http://:@h.example/"])
def test_urls_with_credentials_are_refused(bad):
    with pytest.raises(FetchRefused, match="password"):
        fetch(bad, limits())


def test_nothing_is_left_running(url):
    before = threading.active_count()
    for path in ("picture", "endless", "slow-head", "hop?2"):
        with contextlib.suppress(InputError):
            fetch(f"{url}/{path}", limits(total_timeout_s=0.5))
    deadline = time.monotonic() + 2
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)  # the server's own threads end a little later
    assert threading.active_count() <= before
