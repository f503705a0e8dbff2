"""Names and numbers as pages show them."""

import os
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import text

HOSTILE = [
    ("a\nb.jpg", "a\\nb.jpg"),
    ("bell\x07.jpg", "bell\\x07.jpg"),
    ("photo\u202egpj.exe", "photo\\u202egpj.exe"),
    (os.fsdecode(b"\xff\xe9.jpg"), "\\xff\\xe9.jpg"),
    ("\ud800.jpg", "\\ud800.jpg"),
    (
        "na\u00efve \u4e2d\u6587 \U0001f469\u200d\U0001f680.jpg",
        "na\u00efve \u4e2d\u6587 \U0001f469\u200d\U0001f680.jpg",
    ),
]


@pytest.mark.parametrize(("name", "shown"), HOSTILE)
def test_what_does_not_show_is_escaped(name: str, shown: str) -> None:
    assert text.printable(name) == shown
    assert text.name(f"/some/folder/{name}") == shown


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_every_name_is_shown_in_utf8_and_linked_to_by_its_bytes(name: bytes) -> None:
    path = os.fsdecode(b"/" + name)
    assert text.printable(path).encode()
    url = text.file_url(path)
    assert url.isascii() and unquote_to_bytes(url.removeprefix("file://")) == b"/" + name
    assert not set(url) & set("\"'<>&?# ")


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (5 * 10**15, "5,000.0 TB"),
    ],
)
def test_sizes(count: int, shown: str) -> None:
    assert text.size(count) == shown


@pytest.mark.parametrize("mtime_ns", [10**30, -(10**30), 10**21])
def test_a_moment_that_no_calendar_has_is_left_out(mtime_ns: int) -> None:
    assert text.moment(mtime_ns) == ""


@pytest.mark.parametrize(
    "source",
    ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//host/x", "http://", "http://[", "a.jpg"],
)
def test_only_web_addresses_are_linked_to(source: str) -> None:
    assert text.web_url(source) is None


def test_a_web_address_cannot_leave_its_attribute() -> None:
    assert (
        text.web_url('https://a.example/"><script>\ud800 \u00fc')
        == "https://a.example/%22%3E%3Cscript%3E%ED%A0%80%20%C3%BC"
    )
