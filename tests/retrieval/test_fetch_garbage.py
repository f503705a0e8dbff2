"""URLs that are none."""

import socket

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from retrieval.errors import FetchFailed, FetchRefused, InputError
from retrieval.fetch import fetch
from tests.retrieval.web import limits

GARBAGE = [
    *(
        "http://",
        "https://",
        "http:///x",
        "http://[::1",
        "http://[]/",
        "http://[x]/",
        "http://?",
        "http://#",
        "http://:80",
    ),
    *(
        "http://h.invalid:99999/",
        "http://h.invalid:-1/",
        "http://h.invalid:x/",
        "http://h.invalid:/",
        "http://h..invalid/",
    ),
    *("http://a b.invalid/", "http://h.invalid/\r\nX: y", "http://h.invalid/\0", "http://\0/", "http://h.invalid\\@x/"),
    *(
        "http://\u2100.invalid/",
        "http://\ud800.invalid/",
        "http://xn--a.invalid/",
        "http://h.invalid/\ud800",
        "http://%00/",
    ),
    *("http://" + "a" * 64 + ".invalid/", "http://" + "a." * 200 + "invalid/", "http://h.invalid/" + "a" * 100_000),
    *(
        "http://" + "ü" * 300 + ".invalid/",
        "http://*.invalid",
        "http://.invalid/",
        "http://-/",
        "http://%zz/",
        "http://1.2.3/",
    ),
    *("http://h.invalid:0/", "http://" + "9" * 5000 + "/", "http://h.invalid:" + "9" * 5000 + "/"),
]


@pytest.mark.parametrize("rest", ["\r\nX: y", "\n", "\0", "\x7f", "a" * 8192])
def test_line_breaks_and_endless_urls_are_not_even_looked_up(rest):
    with pytest.raises(FetchFailed, match="The URL is invalid"):
        fetch(f"http://h.invalid/{rest}", limits(), resolve=lambda *_: pytest.fail("looked up"))


def no_host(host, port, seconds):
    host.encode("idna")  # as the real one does, with its errors
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("bad", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_a_domain_error_with_a_short_message(bad):
    with pytest.raises((FetchFailed, FetchRefused)) as caught:
        fetch(bad, limits(), resolve=no_host)
    assert len(str(caught.value)) < 400
    str(caught.value).encode()


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(st.text(max_size=40), st.sampled_from(["", "/", ":1", "[", "]", "@", "?", "\\", "%"]), st.text(max_size=10))
@example("[::1]", ":", "")
def test_any_text_is_a_domain_error(host, middle, rest):
    with pytest.raises(InputError):
        fetch(f"http://{host}{middle}{rest}", limits(), resolve=no_host)
