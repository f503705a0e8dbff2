"""A service with three pictures in it, which an attack must leave as they are."""

from collections.abc import Iterator

import pytest

from tests.service.asking import jpeg
from tests.service.server import Server, serving

HELD = {"cats/1.jpg", "cats/2.jpg", "secret"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with three pictures in it."""
    with serving(tmp_path_factory.mktemp("hostile") / "data", maintenance={"enabled": False}) as server:
        for number, image_id in enumerate(sorted(HELD)):
            assert server.add(jpeg(number + 1), id=image_id).status_code == 201
        yield server
        assert "Traceback" not in server.log.read_text()


def untouched(server: Server) -> bool:
    names = [each["name"] for each in server.get("/collections")["collections"]]
    return names == ["default"] and {each["id"] for each in server.get("/images")["images"]} == HELD
