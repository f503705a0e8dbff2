"""The adapter alone, with small applications that do what PEP 3333 allows, and what it does not."""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from client import UnreadableFile
from client.wsgi import WsgiAdapter


@pytest.fixture
def ask():
    """ask(app, method, path, ...) -> Response"""
    with requests.Session() as session:

        def ask(app, method="GET", path="/", **options):
            session.mount("http://", WsgiAdapter(app))
            return session.request(method, f"http://127.0.0.1:8080{path}", **options)

        yield ask


def echo(environ, start_response):
    """What came, as JSON."""
    body = environ["wsgi.input"].read()
    names = [name for name in environ if not name.startswith("wsgi.")]
    answer = json.dumps({**{name: environ[name] for name in names}, "body": body.decode("latin-1")}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


def test_a_request_arrives_as_it_is(ask):
    told = ask(
        echo, "PUT", "/a%20b/%C3%BC?x=1&y=%20", data=b"\x00\xff", headers={"X-Mine": "ü".encode().decode("latin-1")}
    ).json()
    assert told["REQUEST_METHOD"] == "PUT"
    assert told["PATH_INFO"].encode("latin-1").decode() == "/a b/ü"
    assert told["QUERY_STRING"] == "x=1&y=%20"
    assert (told["CONTENT_LENGTH"], told["body"]) == ("2", "\x00\xff")
    assert "HTTP_CONTENT_LENGTH" not in told
    assert told["HTTP_X_MINE"].encode("latin-1").decode() == "ü"
    assert (told["HTTP_HOST"], told["SERVER_PORT"], told["REMOTE_ADDR"]) == ("127.0.0.1:8080", "8080", "127.0.0.1")


def test_bodies_of_all_kinds(ask):
    for body in (None, "text ü", b"bytes", iter([b"some", b"", b" pieces"])):
        given = ask(echo, "POST", data=body).json()
        assert given["body"].encode("latin-1") in (b"", "text ü".encode(), b"bytes", b"some pieces")
    assert ask(echo, "POST", data=iter([b"some", b"", b" pieces"])).json()["body"] == "some pieces"


def test_a_body_is_read_only_as_far_as_the_application_asks(ask):
    sent = []

    def pieces():
        for number in range(100):
            sent.append(number)
            yield bytes(100_000)

    def app(environ, start_response):
        environ["wsgi.input"].read(10)
        start_response("413 Too Large", [])
        return [b""]

    answer = ask(app, "POST", data=pieces())
    assert (answer.status_code, answer.reason) == (413, "Too Large")
    assert len(sent) < 5


def test_answers_are_streamed_and_closed(ask):
    class Body:
        made, closed = 0, False

        def __iter__(self):
            for _ in range(10):
                self.made += 1
                yield b"x" * 1000

        def close(self):
            self.closed = True

    body = Body()

    def app(environ, start_response):
        start_response("200 OK", [("X-A", "1"), ("X-A", "2")])
        return body

    answer = ask(app, stream=True)
    assert answer.headers["X-A"] == "1, 2"
    assert answer.raw.read(500) == b"x" * 500
    assert body.made < 3
    assert len(answer.raw.read()) == 9500
    answer.close()
    assert body.closed


def test_write_and_a_late_start_response(ask):
    def app(environ, start_response):
        write = start_response("200 OK", [])
        write(b"first ")
        yield b"second"

    assert ask(app).content == b"second"  # a generator begins when it is asked for: `write` comes to nothing before

    def plain(environ, start_response):
        start_response("200 OK", [])(b"first ")
        return [b"second"]

    assert ask(plain).content == b"first second"

    def repaired(environ, start_response):
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError:
            start_response("500 Oh", [], sys.exc_info())
        return [b"sorry"]

    assert ask(repaired).status_code == 500


def test_an_application_that_fails_is_answered_for(ask, caplog):
    def fails(environ, start_response):
        raise ValueError("inside")

    def fails_late(environ, start_response):
        start_response("200 OK", [])
        yield b"some"
        raise ValueError("later")

    assert ask(fails).status_code == 500
    assert "inside" in caplog.text
    with pytest.raises(requests.RequestException):
        ask(fails_late)
    assert "later" in caplog.text
    assert ask(lambda environ, start_response: []).status_code == 500


def test_what_reading_the_body_raises_comes_out(ask):
    def broken():
        yield b"some"
        raise UnreadableFile("a.jpg", "gone")

    def app(environ, start_response):
        try:
            environ["wsgi.input"].read()
        except UnreadableFile:
            start_response("500 Oh", [])
            return [b"swallowed"]

    for each in (app, echo):  # one that makes an answer of it, one that lets it pass
        with pytest.raises(UnreadableFile, match="gone"):
            ask(each, "POST", data=broken())


def test_threads_do_not_wait_for_each_other(ask):
    barrier = threading.Barrier(4, timeout=10)

    def app(environ, start_response):
        barrier.wait()
        start_response("200 OK", [])
        return [environ["QUERY_STRING"].encode()]

    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda number: ask(app, path=f"/?{number}").text, range(4))
    assert list(answers) == list("0123")
