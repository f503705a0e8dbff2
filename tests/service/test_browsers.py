"""What web pages may do through a browser on the same machine or network, and the headers of every reply."""

import pytest
from flask.testing import FlaskClient

from retrieval.browsers import SECURITY_HEADERS
from tests.conftest import MakeClient
from tests.service.asking import body, form, small
from tests.service.keyed import Keyed

pytestmark = pytest.mark.any_extractor

SITE = "https://app.example.org"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def client(make_client: MakeClient) -> FlaskClient:
    client = make_client(testing=False, access={"cors_origins": [SITE, "http://127.0.0.1:3000"]})
    client.application.extensions["service"].wait_until_ready()
    return client


OWN_HOSTS = ["localhost", "localhost:8080", "LOCALHOST", "127.0.0.1:80", "127.0.0.9", "[::1]:8080", "[::1]"]
OTHER_HOSTS = ["rebound.example", "localhost.example", "127.0.0.1.example", "192.168.1.5", "0.0.0.0", "[::", "a@b", ""]


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_the_service_answers_to_its_own_names(client: FlaskClient, host: str) -> None:
    assert client.get("/collections", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_a_name_that_was_made_to_point_here_is_refused(client: FlaskClient, host: str) -> None:
    answer = client.get("/collections", headers={"Host": host, "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 403
    assert "access.allowed_hosts" in answer.json["detail"]


def test_names_that_the_operator_has_listed_are_answered(make_client: MakeClient) -> None:
    client = make_client(access={"allowed_hosts": ["pictures.example.org", ".example.net"]})
    client.application.extensions["service"].wait_until_ready()
    for host in ("pictures.example.org:443", "a.example.net", "localhost"):
        assert client.get("/collections", headers={"Host": host}).status_code == 200
    for host in ("example.org", "a.pictures.example.org", "example.net.evil.example"):
        assert client.get("/collections", headers={"Host": host}).status_code == 403


def test_with_keys_any_name_does_since_pages_have_no_key(make_client: MakeClient) -> None:
    keyed = Keyed(make_client())
    assert keyed.ask(keyed.admin, "GET", "/collections", Host="pictures.example.org").status_code == 200


CROSS = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:9999"},
    {"Origin": "http://["},
    {"Origin": f"{SITE}.evil.example"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "anything"},
]


@pytest.mark.parametrize("headers", CROSS, ids=str)
def test_pages_of_other_sites_can_neither_change_nor_ask(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.get("/collections", headers=headers).status_code == 403
    assert client.post("/collections", data="name=a", content_type=FORM, headers=headers).status_code == 403
    assert client.post("/add", data=form(small(1)), headers=headers).status_code == 403
    assert client.delete("/collections/a", headers=headers).status_code == 403
    assert client.get("/collections").json == {"collections": []}


def test_a_form_of_another_site_is_refused_also_where_it_leads_the_browser_here(client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Origin": "https://evil.example"}
    assert client.post("/collections", data="name=a", content_type=FORM, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "cross-site", "Origin": SITE},
    ],
    ids=str,
)
def test_programs_own_pages_links_and_listed_sites_may_ask(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.get("/collections", headers=headers).status_code == 200


def test_a_listed_site_is_told_that_it_may_ask_and_read(client: FlaskClient) -> None:
    asking = {"Origin": SITE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    leave = client.options("/search", headers=asking)
    assert leave.status_code == 204
    assert leave.headers["Access-Control-Allow-Origin"] == SITE
    assert "POST" in leave.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in leave.headers["Access-Control-Allow-Headers"]
    answer = client.post("/add", json=body(small(1)), headers={"Origin": SITE})
    assert answer.status_code == 201
    assert answer.headers["Access-Control-Allow-Origin"] == SITE
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Location" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Vary"] == "Origin"


def test_a_listed_site_can_read_errors_too(make_client: MakeClient) -> None:
    keyed = Keyed(make_client(access={"cors_origins": [SITE]}))
    asking = {"Origin": SITE, "Access-Control-Request-Method": "DELETE"}
    assert keyed.client.options("/images/1", headers=asking).status_code == 204  # browsers send no key with this
    refused = keyed.client.delete("/images/1", headers={"Origin": SITE})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, SITE)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", SITE.upper(), f"{SITE}:8443", f"{SITE}/"])
def test_no_other_site_gets_leave(client: FlaskClient, origin: str) -> None:
    asking = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    leave = client.options("/search", headers=asking)
    assert leave.status_code == 403
    assert not [name for name, _ in leave.headers if name.startswith("Access-Control")]


def test_cors_is_off_unless_it_is_configured(make_client: MakeClient) -> None:
    client = make_client()
    answer = client.options("/search", headers={"Origin": SITE, "Access-Control-Request-Method": "POST"})
    assert answer.status_code == 403
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


ANSWERS = [
    (200, "GET", "/healthz", {}),
    (200, "GET", "/collections", {}),
    (201, "POST", "/collections", {"json": {"name": "a"}}),
    (400, "POST", "/collections", {"json": {}}),
    (403, "GET", "/collections", {"headers": {"Origin": "null"}}),
    (404, "GET", "/nowhere", {}),
    (404, "GET", "/images/none", {}),
    (405, "PUT", "/search", {}),
    (415, "POST", "/search", {"data": "x", "content_type": "text/plain"}),
    (413, "POST", "/search", {"data": b"x" * 2000, "content_type": "application/json"}),
    (422, "POST", "/search", {"json": {"base64": "AAAA"}}),
    (500, "GET", "/pairs", {}),
]


def test_every_reply_has_the_security_headers_whatever_its_status(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(testing=False, server={"max_request_bytes": 1500})
    service = client.application.extensions["service"].wait_until_ready()
    service.store.create_collection("default")
    monkeypatch.setattr("retrieval.curation_resources.Marks.listing", None)
    for status, method, path, options in ANSWERS:
        answer = client.open(path, method=method, **options)
        assert answer.status_code == status, (path, answer.text)
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS, path
        assert "Python" not in str(answer.headers) and "gunicorn/" not in str(answer.headers)


def test_a_page_may_have_a_policy_of_its_own(make_client: MakeClient) -> None:
    client = make_client()

    @client.application.after_request
    def own(response):
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        return response

    assert client.get("/healthz").headers.getlist("Content-Security-Policy") == ["default-src 'self'"]


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_what_comes_through_a_proxy_without_keys_is_refused_with_the_reason(make_client: MakeClient, name: str) -> None:
    """Behind a proxy on this machine every stranger would seem to be of this machine."""
    client = make_client()
    answer = client.get("/collections", headers={name: "203.0.113.5"})
    assert answer.status_code == 403
    assert "scripts/keys.py" in answer.json["detail"]
    off = make_client(access={"keys": "off"})
    off.application.extensions["service"].wait_until_ready()
    assert off.get("/collections", headers={name: "203.0.113.5"}).status_code == 200
