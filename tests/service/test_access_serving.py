"""Access as operators and attackers meet it: real processes, several workers, raw sockets."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.service.asking import body, small
from tests.service.keyed import bearer, script
from tests.service.server import ROOT, Server, configuration, launched, serving, start, until
from tests.service.wire import dial

pytestmark = [pytest.mark.slow, pytest.mark.any_extractor]


REFUSED: list[dict[str, Any]] = [
    {"server": {"host": "0.0.0.0"}},
    {"server": {"host": "::"}},
    {"server": {"trusted_proxies": 1}},
    {"access": {"keys": "required"}},
]


def test_the_start_is_refused_without_keys_where_others_can_connect(tmp_path: Path) -> None:
    running = []
    for number, changes in enumerate(REFUSED):
        config = tmp_path / f"{number}.yaml"
        config.write_text(json.dumps(configuration(tmp_path / f"data{number}", **changes)))
        output = subprocess.PIPE
        running.append(start("--config", str(config), stdout=output, stderr=subprocess.STDOUT))
    for process in running:
        printed = process.communicate(timeout=60)[0].decode()
        assert process.returncode == 1, printed
        assert printed.startswith("cannot start: ") and "Traceback" not in printed
        assert "scripts/keys.py create" in printed and "access: {keys: off}" in printed


def test_who_says_off_may_listen_anywhere_without_keys(tmp_path: Path) -> None:
    with launched(tmp_path / "data", server={"host": "0.0.0.0", "port": 0}, access={"keys": "off"}) as server:
        server.wait_until_listening()
        assert server.ask("GET", "/healthz").status_code == 200


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("access") / "data"


@pytest.fixture(scope="module")
def admin(data: Path) -> str:
    return script(data, "create", "admin", "--scope", "admin")


@pytest.fixture(scope="module")
def server(data: Path, admin: str) -> Iterator[Server]:
    """Two workers on an address that others could reach, were there any."""
    changes = {"server": {"host": "0.0.0.0", "port": 0, "workers": 2, "threads": 8}}
    with serving(data, **changes, access={"requests_per_minute": 300}) as server:
        yield server


def test_a_key_made_while_the_service_runs_opens_and_revoked_it_does_not_on_any_worker(
    server: Server, data: Path
) -> None:
    key = script(data, "create", "guest", "--scope", "search")
    for _ in range(10):  # each on a connection of its own, so both workers answer
        assert server.ask("GET", "/collections", headers=bearer(key)).status_code == 200
    script(data, "revoke", "guest")
    for _ in range(10):
        assert server.ask("GET", "/collections", headers=bearer(key)).status_code == 401


def test_workers_count_together(server: Server, data: Path) -> None:
    key = script(data, "create", "eager", "--scope", "search")
    began, answered = monotonic(), 0
    while server.ask("GET", "/collections", headers=bearer(key)).status_code == 200:
        answered += 1
        # One more every fifth of a second; counted apart, two workers would answer 300 more.
        assert answered <= 301 + 5 * (monotonic() - began)
    assert answered >= 300


def test_health_is_open_and_pictures_are_not(server: Server, admin: str) -> None:
    assert server.ask("GET", "/healthz").status_code == 200
    assert server.ask("POST", "/search", json=body(small(1))).status_code == 401
    assert server.ask("POST", "/add", json=body(small(1)), headers=bearer(admin)).status_code == 201


@pytest.mark.parametrize("framing", [b"Content-Length: 30000000", b"Transfer-Encoding: chunked"])
def test_a_stranger_is_answered_before_the_body_is_read(server: Server, framing: bytes) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    head = b"POST /add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + framing + b"\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(4000).startswith(b"HTTP/1.1 401 ")


def test_a_stranger_behind_another_request_is_answered_after_it_and_both_once(server: Server) -> None:
    ahead = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 5
    head = b"POST /add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 30000000\r\n\r\n"
    with dial(server.url) as connection:
        connection.sendall(ahead + head)
        with connection.makefile("rb") as answers:
            assert re.findall(rb"HTTP/1.1 (\d+) ", answers.read()) == [b"200"] * 5 + [b"401"]


def test_the_log_has_no_key(server: Server, admin: str) -> None:
    server.ask("GET", "/jobs", headers=bearer(admin))
    server.ask("GET", "/jobs", headers=bearer(f"{admin}0"))
    assert admin.split("_")[2] not in server.log.read_text()


def test_the_client_sends_the_key_of_its_environment(server: Server, admin: str, tmp_path: Path) -> None:
    picture = tmp_path / "one.jpg"
    picture.write_bytes(small(3))
    command = [sys.executable, str(ROOT / "test_script/link_flask.py"), "add", str(picture), "--server", server.url]
    outcomes = []
    for key in ("", admin):
        environment = os.environ | {"IMAGERETRIEVAL_API_KEY": key}
        outcomes.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=False))
    assert [each.returncode for each in outcomes] == [1, 0]
    assert outcomes[0].stdout.startswith("401 Unauthorized: ")


def test_huge_and_many_headers_are_refused_by_the_server(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    for headers in (b"X-API-Key: " + b"a" * 100_000, b"\r\n".join(b"X-%d: a" % n for n in range(5000))):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n")
            assert connection.recv(4000).split(b" ")[1] in (b"400", b"431")


@pytest.mark.parametrize("header", [b"SCRIPT_NAME: /x", b"PATH_INFO: /x", b"X-Forwarded-Proto: https"])
def test_headers_that_only_a_proxy_may_send_change_nothing(server: Server, header: bytes) -> None:
    """The server would believe them of this machine, and answer some with 500."""
    _, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n" * 2)
        assert connection.recv(4000).startswith(b"HTTP/1.1 200 ")


def test_a_service_that_runs_without_keys_asks_for_them_once_there_is_one(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        assert server.ask("GET", "/collections").status_code == 200
        script(tmp_path / "data", "create", "first", "--scope", "search")
        until(lambda: server.ask("GET", "/collections").status_code == 401, "the door to close", server)
