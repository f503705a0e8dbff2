"""The log of a real service: JSON throughout, a line a request, and nothing in it that is nobody's business."""

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.service.asking import small
from tests.service.server import Server, serving, until

pytestmark = pytest.mark.any_extractor

SECRET = "s3cr3t-9f"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that logs JSON, all that it can."""
    told = {"log_format": "json", "log_level": "debug"}
    reached = {"fetch": {"allow_private_addresses": True}}
    with serving(Path(tmp_path_factory.mktemp("log")) / "data", server=told, input=reached) as it:
        yield it


def lines(server: Server) -> list[dict[str, Any]]:
    """Every line so far; the last may be half written."""
    return [json.loads(line) for line in server.log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def of_request(server: Server, request_id: str) -> list[dict[str, Any]]:
    """The lines of one request, once its access line is there."""

    def found() -> list[dict[str, Any]]:
        mine = [line for line in lines(server) if line.get("request_id") == request_id]
        return mine if any(line["logger"] == "access" for line in mine) else []

    return until(found, "the line of a request", server)


def raw(server: Server, request: bytes) -> bytes:
    """What a service answers to bytes that no client library would send."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(65536)


def test_a_request_is_a_line(server):
    answer = server.add(small(1), id="one")
    (line,) = of_request(server, answer.headers["X-Request-ID"])
    assert {name: line[name] for name in ("level", "logger", "method", "route", "path", "status", "client")} == {
        "level": "info",
        "logger": "access",
        "method": "POST",
        "route": "add",
        "path": "/add",
        "status": 201,
        "client": "127.0.0.1",
    }
    assert 0 < line["duration_ms"] < 60_000
    assert line["bytes_in"] == int(answer.request.headers["Content-Length"])
    assert line["bytes_out"] == len(answer.content)
    assert line["time"].endswith("Z")
    assert "caller" in line


def test_no_secret_and_no_picture_is_logged(server):
    picture = b64encode(small(2)).decode()
    headers = {"Authorization": f"Bearer {SECRET}", "X-API-Key": SECRET, "Idempotency-Key": SECRET, "Cookie": SECRET}
    server.add(small(3))  # so that there is a collection to search
    asked = [
        server.ask("POST", "/add", json={"base64": picture, "id": "two"}, headers=headers),
        server.ask("POST", "/search", json={"url": f"http://127.0.0.1:1/x?token={SECRET}"}),
        server.ask("POST", "/search", json={"url": f"{server.url}/healthz?token={SECRET}"}),
        server.ask("POST", "/search", json={"url": f"http://{SECRET}:{SECRET}@example.org/x"}),
        server.ask("POST", "/search", json={"url": f"http://no-such.invalid/{SECRET}"}),
        server.ask("POST", "/search", json={"images": [{"url": f"ftp://{SECRET}/"}, {"base64": picture}]}),
        server.ask("GET", f"/images/one?key={SECRET}"),
        server.ask("GET", f"/images/https%3A%2F%2Fa.example%2Fx.jpg%3Ftoken={SECRET}"),
        server.ask("POST", "/search", data=picture, headers={"Content-Type": "application/json"}),
    ]
    assert all(answer.status_code < 500 for answer in asked)
    assert b"400" in raw(server, f"GET /x?key={SECRET}\r\nAuthorization Bearer {SECRET}\r\n\r\n".encode())
    assert b"400" in raw(server, f"GET / HTTP/1.1\r\nAuthorization Bearer {SECRET}\r\n\r\n".encode())
    of_request(server, asked[-1].headers["X-Request-ID"])
    log = server.log.read_text()
    assert SECRET not in log
    assert picture[:40] not in log
    assert picture[-40:] not in log


def test_a_client_cannot_forge_a_line(server):
    forged = "%0a%7b%22message%22%3a%22forged%22%7d%0d%0a"
    answer = server.ask("GET", f"/images/x{forged}", headers={"X-Request-ID": "a b", "User-Agent": "forged"})
    (line,) = of_request(server, answer.headers["X-Request-ID"])
    assert line["path"] == '/images/x\n{"message":"forged"}\r\n'
    assert not [each for each in lines(server) if each["message"] == "forged"]


def test_a_job_logs_the_same_way_under_its_number(server):
    number = server.start_job("rebuild")
    assert server.job(number)["state"] == "done"
    mine = until(lambda: [line for line in lines(server) if line.get("job_id") == number], "the job's lines", server)
    assert any(f"job {number} (rebuild) done" in line["message"] for line in mine)


def test_probes_are_quiet_while_all_is_well(server):
    for path in ("/healthz", "/readyz", "/metrics"):
        (line,) = of_request(server, server.ask("GET", path).headers["X-Request-ID"])
        assert line["level"] == "debug"
