"""TLS against a real server with a certificate of its own authority, and ways through a proxy."""

import contextlib
import select
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import trustme

from retrieval.errors import FetchFailed, FetchRefused
from retrieval.fetch import fetch
from tests.retrieval.web import BODY, guarded, serving

AUTHORITY = trustme.CA()


def context(*names):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*names).configure_cert(made)
    return made


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    file = tmp_path_factory.mktemp("ca") / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(file)
    return str(file)


@pytest.fixture(scope="module")
def secure():
    """A server for photos.example; `asked` has the names by which clients asked for a certificate."""
    tls = context("photos.example")
    asked = []
    tls.sni_callback = lambda _, name, __: asked.append(name)
    with serving(tls) as running:
        running.asked = asked
        yield running


def here(host, port, seconds):
    return ["127.0.0.1"]


def test_the_certificate_is_for_the_name_though_the_address_is_dialled(secure, trusted, connections):
    settings = guarded(ca_file=trusted)
    assert fetch(f"https://photos.example:{secure.server_port}/picture", settings, here) == BODY
    assert (secure.asked[-1], connections) == ("photos.example", ["127.0.0.1"])
    assert secure.seen[-1][1]["Host"] == f"photos.example:{secure.server_port}"


@pytest.mark.parametrize("host", ["others.example", "127.0.0.1", "photos.example.evil.example"])
def test_a_certificate_for_another_name_is_refused(host, secure, trusted):
    secure.seen.clear()
    with pytest.raises(FetchFailed, match="no trusted TLS connection") as caught:
        fetch(f"https://{host}:{secure.server_port}/picture", guarded(ca_file=trusted), here)
    assert (caught.value.reason, secure.seen) == ("tls", [])


def test_a_certificate_of_an_unknown_authority_is_refused(secure, monkeypatch, trusted):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", trusted)  # the environment is not asked
    monkeypatch.setenv("CURL_CA_BUNDLE", trusted)
    with pytest.raises(FetchFailed) as caught:
        fetch(f"https://photos.example:{secure.server_port}/picture", guarded(), here)
    assert caught.value.reason == "tls"


def test_a_redirect_from_https_to_http_is_refused(secure, server, url, trusted, connections):
    location = f"{url}/picture".encode().hex()
    with pytest.raises(FetchRefused) as caught:
        fetch(f"https://photos.example:{secure.server_port}/redirect-to?302&{location}", guarded(ca_file=trusted), here)
    assert (caught.value.reason, len(connections), server.seen) == ("downgrade", 1, [])


def test_a_redirect_from_http_to_https_is_followed(secure, url, trusted):
    location = f"https://photos.example:{secure.server_port}/picture".encode().hex()
    assert fetch(f"{url}/redirect-to?302&{location}", guarded(ca_file=trusted), here) == BODY


class Proxy(BaseHTTPRequestHandler):
    """Leads all names to this machine, as GET of an absolute URL or as CONNECT."""

    def do_GET(self):
        self.server.seen.append(self.path)
        with socket.create_connection(("127.0.0.1", urlsplit(self.path).port)) as onward:
            onward.sendall(f"GET {urlsplit(self.path).path} HTTP/1.0\r\n\r\n".encode())
            while data := onward.recv(65536):
                self.wfile.write(data)

    def do_CONNECT(self):
        self.server.seen.append(self.path)
        with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as onward:
            self.send_response(200)
            self.end_headers()
            pair = {onward: self.connection, self.connection: onward}
            with contextlib.suppress(OSError):
                while (ready := select.select([*pair], [], [], 5)[0]) and all(
                    (data := one.recv(65536)) and pair[one].sendall(data) is None for one in ready
                ):
                    pass

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy():
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as running:
        running.seen = []
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def through(proxy, **section):
    return guarded(proxy=f"http://127.0.0.1:{proxy.server_port}", **section)


def test_a_proxy_is_asked_for_all_and_looks_names_up_itself(proxy, server, secure, trusted):
    settings = through(proxy, ca_file=trusted)
    plain = f"http://a.example:{server.server_port}/picture"
    secret = f"https://photos.example:{secure.server_port}/picture"
    asked = []
    for address in (plain, secret):
        assert fetch(address, settings, lambda *host_and_port: asked.append(host_and_port[:2]) or ["127.0.0.1"]) == BODY
    assert proxy.seen == [plain, f"photos.example:{secure.server_port}"]
    assert asked == [("127.0.0.1", proxy.server_port)] * 2


@pytest.mark.parametrize(
    "address",
    ["http://10.0.0.1/", "http://[::1]/", "http://2130706433/", "http://denied.example/", "http://a.example:22/"],
)
def test_what_is_refused_without_a_lookup_is_refused_with_a_proxy_too(address, proxy):
    with pytest.raises((FetchRefused, FetchFailed)):
        fetch(address, through(proxy, deny_hosts=["denied.example"], allow_networks=[]))
    assert proxy.seen == []


def test_the_name_in_a_certificate_is_checked_through_a_proxy_too(proxy, secure, trusted):
    with pytest.raises(FetchFailed) as caught:
        fetch(f"https://others.example:{secure.server_port}/picture", through(proxy, ca_file=trusted))
    assert caught.value.reason == "tls"


def test_proxies_of_the_environment_are_not_used(url, monkeypatch, proxy):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.server_port}")
    assert fetch(f"{url}/picture", guarded()) == BODY
    assert proxy.seen == []
