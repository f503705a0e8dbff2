"""The nginx example: its syntax by nginx itself, and what it does in front of a service."""

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
import requests

from tests.deployment.files import run, tool
from tests.deployment.proxied import NAME, Proxy, configure, proxying, tls_changes
from tests.service.asking import body, small
from tests.service.server import ROOT, launched

KEYS = [sys.executable, str(ROOT / "scripts/keys.py"), "create", "admin", "--scope", "admin"]
DATA = "IMAGERETRIEVAL__DATA_DIR"


@pytest.mark.parametrize("site", ["site.conf", "compose.conf"])
def test_nginx_understands_it(tmp_path: Path, site: str) -> None:
    if site == "site.conf":
        changes = tls_changes(tmp_path, "127.0.0.1:8080", 8443, 8180)
    else:
        changes = {"retrieval:8080": "127.0.0.1:8080"}
    main = configure(tmp_path, site, changes)
    status, printed = run(tool("nginx"), "-t", "-e", tmp_path / "error.log", "-c", main)
    assert status == 0 and "warn" not in printed, printed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proxied")


@pytest.fixture(scope="module")
def key(folder: Path) -> dict[str, str]:
    made = subprocess.run(KEYS, check=True, capture_output=True, text=True, env={DATA: str(folder / "data")})
    return {"X-API-Key": made.stdout.strip()}


@pytest.fixture(scope="module")
def proxy(folder: Path, key: dict[str, str]) -> Iterator[Proxy]:
    tool("nginx")
    access = {"requests_per_minute": 5, "allowed_hosts": [NAME]}
    with launched(folder / "data", server={"trusted_proxies": 1}, access=access) as service:
        service.wait_until_ready()
        with proxying(folder, service.url.removeprefix("http://")) as proxy:
            yield proxy


@pytest.mark.slow
def test_an_add_and_a_search_go_through(proxy: Proxy, key: dict[str, str]) -> None:
    assert proxy.ask("POST", "/add", json=body(small(1), id="one"), headers=key).status_code == 201
    answer = proxy.ask("POST", "/search", json=body(small(1)), headers=key)
    assert [each["id"] for each in answer.json()["matches"]] == ["one"]
    assert answer.headers["Strict-Transport-Security"] and answer.headers["X-Request-ID"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.slow
def test_each_client_has_limits_of_its_own_and_cannot_pretend_to_be_another(proxy: Proxy) -> None:
    def statuses(client: str) -> list[int]:
        told = [{"X-Forwarded-For": f"198.51.100.{n}", "X-Real-IP": "::1", "Forwarded": "for=_x"} for n in range(7)]
        return [proxy.ask("GET", "/images", client, headers=each).status_code for each in told]

    assert statuses("192.0.2.7") == [401] * 5 + [429] * 2
    assert proxy.ask("GET", "/images", "192.0.2.8").status_code == 401


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/metrics", "//metrics", "/x/../metrics", "/%6detrics", "/metrics?a=1", "/.//metrics"]
)
def test_metrics_are_not_shown(proxy: Proxy, key: dict[str, str], path: str) -> None:
    with dial(proxy) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nX-API-Key: {key['X-API-Key']}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 404")


@pytest.mark.slow
def test_the_service_says_what_is_too_large(proxy: Proxy, key: dict[str, str]) -> None:
    too_large = bytes(32 * 1024 * 1024 + 4096)
    answer = proxy.ask("POST", "/search", "192.0.2.9", files={"image": too_large}, headers=key)
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.slow
def test_no_key_is_taken_in_clear_text(proxy: Proxy, key: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{proxy.plain_port}/readyz"
    assert requests.get(url, headers=key, timeout=60, allow_redirects=False).status_code == 403


@pytest.mark.slow
def test_clients_that_stall_are_nobody_elses_concern(proxy: Proxy) -> None:
    stalled = [dial(proxy) for _ in range(40)]
    try:
        for number, connection in enumerate(stalled):
            half = "POST /search HTTP/1.1\r\nContent-Length: 1000\r\n" + ("\r\n{" if number % 2 else "X-A: ")
            connection.sendall(half.replace("\r\n", f"\r\nHost: {NAME}\r\n", 1).encode())
        began = monotonic()
        assert proxy.ask("GET", "/readyz").status_code == 200
        assert monotonic() - began < 2
    finally:
        for connection in stalled:
            connection.close()


def dial(proxy: Proxy) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(proxy.authority))
    return context.wrap_socket(socket.create_connection(("127.0.0.1", proxy.port), 30), server_hostname="localhost")
