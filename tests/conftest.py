"""Settings and services for all tests; no model and no maintenance unless a test asks for them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from flask.testing import FlaskClient

from app import create_app
from retrieval.settings import Settings, load_settings
from tests import chosen
from tests.documented import DocumentedClient

hypothesis.settings.register_profile("untimed", deadline=None)  # how long an example takes says much of the machine
hypothesis.settings.load_profile("untimed")
MakeSettings = Callable[..., Settings]
MakeClient = Callable[..., FlaskClient]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--extractor", choices=("thumbnail", "resnet"), default="thumbnail", help="for tests of the service"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a worker of xdist has it from the environment
        chosen.choose(config.getoption("--extractor"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """How Flask treats errors is tested with one extractor: with another, tests run in one mode."""
    if config.getoption("--extractor") == "thumbnail":
        return
    modes = [each.callspec.params.get("client") if hasattr(each, "callspec") else None for each in items]
    config.hook.pytest_deselected(items=[each for each, testing in zip(items, modes, strict=True) if testing])
    items[:] = [each for each, testing in zip(items, modes, strict=True) if not testing]


@pytest.fixture
def settings(tmp_path: Path) -> MakeSettings:
    """Settings over a data folder of this test's own: `settings(search={"top_k": 3})`."""

    def make(**changes: Any) -> Settings:
        base: dict[str, Any] = {"data_dir": tmp_path / "data", "extractor": chosen.section()}
        base["maintenance"] = {"enabled": False, "inbox_settle_s": 0.0}
        for key, value in changes.items():
            base[key] = {**base.get(key, {}), **value} if isinstance(value, dict) else value
        return load_settings(environ={}, **base)

    return make


@pytest.fixture
def make_client(settings: MakeSettings) -> Iterator[MakeClient]:
    """Makes clients of services in this process, which hold them to the document; closes those services at the end."""
    services = []

    def make(testing: bool = True, **changes: Any) -> FlaskClient:
        app = create_app(settings(**changes))
        app.testing = testing
        app.test_client_class = DocumentedClient
        services.append(app.extensions["service"])
        return app.test_client()

    yield make
    for service in services:
        service.close()


@pytest.fixture(params=[True, False], ids=["testing", "serving"])
def client(make_client: MakeClient, request: pytest.FixtureRequest) -> FlaskClient:
    """A client of a ready service. Flask treats errors differently in tests, so every test runs in both modes."""
    client = make_client(testing=request.param)
    client.application.extensions["service"].wait_until_ready()
    return client
