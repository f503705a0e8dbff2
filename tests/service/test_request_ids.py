"""Every reply has a request id, the client's own where it is a decent one, and what failed can be found by it."""

import re

import pytest
from flask.testing import FlaskClient

from tests.service.asking import body, jpeg

pytestmark = pytest.mark.any_extractor

MADE = re.compile(r"[0-9a-f]{32}")


@pytest.mark.parametrize("given", ["a", "Trace-1.2_3", "x" * 64])
def test_the_client_may_give_it(client, given):
    assert client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "two words", "a\tb", "ü", 'a"b', "a;b", "<script>"])
def test_or_else_it_is_made(client, given):
    made = client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert MADE.fullmatch(made)
    assert client.get("/healthz").headers["X-Request-ID"] != made


@pytest.mark.parametrize(
    ("method", "path", "json", "status"),
    [
        ("POST", "/search", body(jpeg(1), collection="none"), 404),
        ("GET", "/nowhere", None, 404),
        ("DELETE", "/add", None, 405),
        ("POST", "/add", {}, 400),
        ("DELETE", "/images/a", None, 404),
    ],
)
def test_errors_have_it_too(client, method, path, json, status):
    answer = client.open(path, method=method, json=json, headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, "mine")


def test_a_defect_of_ours_names_the_id_under_which_the_log_tells_it(make_client, monkeypatch):
    app = make_client(testing=False).application
    service = app.extensions["service"].wait_until_ready()
    client = FlaskClient(app, app.response_class)  # the one of the other tests refuses a 500
    monkeypatch.setattr(service.jobs, "newest", lambda: 1 / 0)
    answer = client.get("/jobs", headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (500, "mine")
    assert "mine" in answer.json["detail"]
