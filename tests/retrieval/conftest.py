import sys

import pytest

from tests.retrieval.web import serving


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


@pytest.fixture
def url(server):
    server.seen.clear()
    return f"http://127.0.0.1:{server.server_port}"


class Connections:
    """Where this process connects to, as the interpreter itself reports it."""

    def __init__(self):
        self.made = None

    def __call__(self, event, args):
        if self.made is not None and event == "socket.connect":
            self.made.append(args[1][0])


@pytest.fixture(scope="session")
def _auditor():
    auditor = Connections()
    sys.addaudithook(auditor)  # for good: there is no way to take one off
    return auditor


@pytest.fixture
def connections(_auditor):
    """The addresses that connections were tried to during the test."""
    _auditor.made = []
    yield _auditor.made
    _auditor.made = None
