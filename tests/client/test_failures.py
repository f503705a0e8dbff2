"""Lost answers, busy services, broken connections: what is tried again, and that nothing is done twice."""

import json
import random
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import pytest
import requests

from client import Added, BadReply, Client, Duplicate, Failure, ServiceError, Unreachable, UnreadableFile
from client.decode import decode
from client.forms import FilePart, Form
from client.pictures import blocks
from client.stored import Image, Job
from client.transport import backoff
from tests.client.proxy import between
from tests.service.asking import jpeg, small
from tests.service.server import ROOT, serving


def held(client, home):
    return [image.id for image in client.images(home)]


@pytest.mark.parametrize("action", ["cut", "half", "drop", "503 0", "429 0", "502", "504"])
def test_an_add_that_is_tried_again_is_no_duplicate_of_itself(through, proxy, home, action):
    proxy.actions[:] = [action, action]
    assert isinstance(through.add(jpeg(1), collection=home, on_duplicate="reject"), Added)
    assert len(held(through, home)) == 1
    keys = proxy.keys()
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_a_duplicate_whose_answer_was_lost_stays_one(through, proxy, home):
    through.add(jpeg(1), id="one", collection=home)
    proxy.actions[:] = ["cut"]
    assert through.add(jpeg(1, 50), collection=home, on_duplicate="reject").best.id == "one"
    assert held(through, home) == ["one"]


def test_batches_whose_answers_are_lost_are_added_once(through, proxy, home):
    proxy.actions[:] = ["cut", "pass", "half", "cut", "503 0"]
    results = through.add_many([small(seed) for seed in range(9)], collection=home, on_duplicate="reject", batch=3)
    assert [type(each) for each in results] == [Added] * 9
    assert held(through, home) == [each.id for each in results]


def test_a_call_begun_again_under_its_key_gets_the_same_answers(through, home):
    pictures = [jpeg(1), b"broken", jpeg(1, 50), jpeg(2)]
    options = {"collection": home, "on_duplicate": "reject", "batch": 2, "idempotency_key": "night run, 23 Nov"}
    first = through.add_many(pictures, **options)
    assert [type(each) for each in first] == [Added, Failure, Duplicate, Added]
    assert through.add_many(pictures, **options) == first
    assert len(held(through, home)) == 2
    with pytest.raises(ServiceError, match="422"):
        through.add_many([*pictures[:3], jpeg(3)], **options)


def test_what_was_deleted_or_made_by_a_lost_try_is_no_error(through, proxy, home):
    proxy.actions[:] = ["cut"]
    assert through.collections.create(home, threshold=0.7).threshold == 0.7
    through.add(jpeg(1), id="one", collection=home)
    proxy.actions[:] = ["cut"]
    through.delete("one", home)
    with pytest.raises(ServiceError, match="404"):
        through.delete("one", home)
    proxy.actions[:] = ["503 0"]  # nothing was done, so that it was not there is told
    with pytest.raises(ServiceError, match="404"):
        through.delete("one", home)


def test_retry_after_is_obeyed_in_seconds_and_as_a_date(through, proxy):
    proxy.actions[:] = ["503 1"]
    through.collections.list()
    (first, *_), (second, *_) = proxy.seen
    assert 1.0 <= second - first < 3
    proxy.seen.clear()
    proxy.actions[:] = [f"429 {format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)}"]
    through.collections.list()
    (first, *_), (second, *_) = proxy.seen
    assert 1.5 < second - first < 5


def test_it_does_not_wait_for_hours(through, proxy):
    proxy.actions[:] = ["429 3600"]
    with pytest.raises(ServiceError) as refused:
        through.collections.list()
    assert refused.value.retry_after == 3600
    assert len(proxy.seen) == 1


def test_it_gives_up_after_all_tries(through, proxy):
    proxy.actions[:] = ["503 0"] * 9
    with pytest.raises(ServiceError) as refused:
        through.collections.list()
    assert (refused.value.status, len(proxy.seen)) == (503, 4)
    proxy.actions[:] = ["drop"] * 9
    with pytest.raises(Unreachable):
        through.collections.list()
    assert len(proxy.seen) == 8


def test_what_is_wrong_with_the_request_is_not_tried_again(through, proxy):
    with pytest.raises(ServiceError, match="404"):
        through.collections.get("none")
    assert len(proxy.seen) == 1


def test_pauses_grow_and_differ():
    random.seed(1)
    pauses = [[backoff(number) for _ in range(50)] for number in range(1, 12)]
    assert all(len(set(each)) == 50 for each in pauses)
    assert all(max(one) <= 2 * min(one) for one in pauses)
    assert max(pauses[0]) <= 0.25
    assert [min(other) >= max(one) for one, other in pairwise(pauses[:7])] == [True] * 6
    assert max(max(each) for each in pauses) <= 30


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    began = time.monotonic()
    with Client(f"http://127.0.0.1:{port}", tries=3) as client, pytest.raises(Unreachable, match=str(port)):
        client.search(b"any")
    assert time.monotonic() - began > 0.3


def test_who_accepts_and_says_nothing_is_not_waited_for_for_ever():
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        Client(f"http://127.0.0.1:{deaf.getsockname()[1]}", tries=2, timeout=0.3) as client,
    ):
        began = time.monotonic()
        with pytest.raises(Unreachable, match="timed out"):
            client.collections.list()
        assert time.monotonic() - began < 5


def test_the_service_is_killed_and_comes_back(tmp_path):
    """The proxy keeps the address while the service changes its own."""
    with serving(tmp_path / "data") as first, between(first.url) as proxy, Client(proxy.url, tries=12) as client:
        client.add(jpeg(0), id="zero")
        first.kill()
        results = []
        asking = threading.Thread(
            target=lambda: results.extend(client.add_many([jpeg(1), jpeg(0, 40)], on_duplicate="reject"))
        )
        asking.start()
        with serving(tmp_path / "data") as second:
            proxy.target = second.url
            asking.join(60)
            assert [type(each) for each in results] == [Added, Duplicate]
            assert len(list(client.images())) == 2


class Answering(BaseHTTPRequestHandler):
    """A server that is not the service."""

    def do_GET(self):
        self.send_response(self.server.status)
        for name, value in self.server.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        """Nothing is printed."""


@pytest.fixture
def other():
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        server.status, server.headers, server.body = 200, [], b"{}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        with Client(f"http://127.0.0.1:{server.server_address[1]}", tries=1) as server.client:
            yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, [], b"<html>hello</html>"),
        (200, [], b"[]"),
        (200, [], b'{"id": 7}'),
        (200, [], b'{"id": "a", "kind": "rebuild", "state": "done", "created_at": "yesterday"}'),
        (302, [("Location", "https://login.example.org/")], b""),
    ],
)
def test_who_is_not_the_service_is_told_apart(other, status, headers, body):
    other.status, other.headers, other.body = status, headers, body
    with pytest.raises(BadReply):
        other.client.jobs.get(1)


@pytest.mark.parametrize(
    "body", [b"{}", b'{"results": []}', b'{"results": [7]}', b'{"results": [{"status": 200, "body": {}}]}']
)
def test_results_that_are_not_of_this_request(other, body):
    other.body = body
    with pytest.raises(BadReply):
        other.client.search(b"any")


def test_an_error_without_a_document_is_an_error_still(other):
    other.status, other.body = 500, b"<h1>Oh</h1>"
    with pytest.raises(ServiceError, match="<h1>Oh") as refused:
        other.client.collections.list()
    assert refused.value.type == "about:blank"


def test_members_that_a_later_service_adds_do_no_harm():
    job = {"id": 1, "kind": "new kind", "state": "dreaming", "created_at": "2026-11-23T08:30:00Z", "colour": {"a": [1]}}
    assert decode(Job, job).state == "dreaming"
    with pytest.raises(BadReply, match="Image"):
        decode(Image, job)


def test_a_form_is_as_long_as_it_says_and_fresh_on_each_try(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(bytes(200_000))
    for files in ([], [FilePart("images", path, 200_000), FilePart("images", b"", 0), FilePart("images", b"x", 1)]):
        for fields in ({}, {"a": "ü", "b": ""}):
            assert len(Form(fields, files).read()) == len(Form(fields, files))
            form, pieces = Form(fields, files), []
            while piece := form.read(1000):
                pieces.append(piece)
            assert sum(map(len, pieces)) == len(form)


def test_a_file_that_changes_while_it_is_sent_harms_no_other(through, home, tmp_path, monkeypatch):
    path = tmp_path / "growing.jpg"
    path.write_bytes(jpeg(1))
    with pytest.raises(UnreadableFile, match="has changed"):
        list(blocks(path, 10))
    monkeypatch.setattr("client.batches.size_of", lambda picture: 300_000 if picture == path else len(picture))
    results = through.add_many([jpeg(2), path, jpeg(3)], collection=home)
    assert [type(each) for each in results] == [Added, Failure, Added]
    assert results[1].slug == "unreadable-file"
    assert len(held(through, home)) == 2


MEMORY = """
import json, resource, sys
from client import Client
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
with Client(sys.argv[1], tries=2) as client:
    client.add_many([b"x"])
    before = peak()
    failure, = client.add_many([sys.argv[2]])
print(json.dumps([peak() - before, failure.status]))
"""


def test_a_large_file_is_not_read_into_memory(tmp_path):
    """200 MB go to a server that reads all of it; on the second try, since its first answer is 503."""
    large = tmp_path / "large.tif"
    with large.open("wb") as file:
        file.truncate(200 * 2**20)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        got = []
        thread = threading.Thread(target=swallow, args=(listening, got), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        done = subprocess.run([sys.executable, "-c", MEMORY, url, large], cwd=ROOT, capture_output=True, check=True)
        thread.join()
    grown, status = json.loads(done.stdout)
    assert status == 422
    assert min(got[1:]) > 200 * 2**20
    assert grown < 20 * 2**20


def swallow(listening, got):
    """Reads three requests in small pieces, and tells how long their bodies were."""
    document = b'{"results": [{"status": 422, "body": {"type": "urn:x:bad-image", "detail": "d"}}]}'
    for status, body in ((b"200 OK", document), (b"503 No", b"{}"), (b"200 OK", document)):
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as stream:
            headers = {}
            stream.readline()
            while (line := stream.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            left = int(headers[b"content-length"])
            got.append(left)
            while left:
                left -= len(stream.read(min(left, 65536)))
            connection.sendall(
                b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
            )


def test_a_session_that_was_given_is_used(proxy):
    with requests.Session() as session:
        session.headers["X-Mine"] = "yes"
        Client(proxy.url, session=session).collections.list()
    assert proxy.seen[0][3]["X-Mine"] == "yes"
