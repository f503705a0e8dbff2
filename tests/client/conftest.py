"""A service for all tests of a module, over HTTP and without; each test has a collection of its own."""

import re

import pytest
import requests

from app import create_app
from client import Client
from client.wsgi import WsgiAdapter
from retrieval.settings import load_settings
from tests import chosen
from tests.client.proxy import between
from tests.service.server import serving


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """`python app.py`, that tests share."""
    with serving(tmp_path_factory.mktemp("client") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def application(tmp_path_factory):
    """The same in this process."""
    changes = {"data_dir": tmp_path_factory.mktemp("wsgi") / "data", "extractor": chosen.section()}
    app = create_app(load_settings(environ={}, maintenance={"poll_s": 0.1}, **changes))
    yield app
    app.extensions["service"].close()


@pytest.fixture
def session(application):
    """Of requests, to the application."""
    with requests.Session() as made:
        made.mount("http://", WsgiAdapter(application))
        yield made


@pytest.fixture(params=["http", "wsgi"])
def client(request, monkeypatch):
    """A ready client, over HTTP and over nothing."""
    monkeypatch.delenv("IMAGERETRIEVAL_API_KEY", raising=False)
    if request.param == "http":
        made = Client(request.getfixturevalue("server").url, tries=3)
    else:
        made = Client("http://127.0.0.1", session=request.getfixturevalue("session"), tries=3)
    with made:
        made.wait_until_ready()
        yield made


@pytest.fixture
def proxy(server):
    """A proxy of this test's own."""
    with between(server.url) as made:
        yield made


@pytest.fixture
def through(proxy):
    """A client through the proxy, which waits no longer than tests like."""
    with Client(proxy.url, tries=4, timeout=10) as made:
        yield made


@pytest.fixture
def home(request):
    """The name of a collection of this test's own."""
    return re.sub(r"[^A-Za-z0-9]+", "-", request.node.name).strip("-")[-64:].strip("-")
