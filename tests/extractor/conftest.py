"""Models are loaded once a session."""

from collections.abc import Callable

import pytest

from extractor import Extractor, load_extractor
from tests.extractor.samples import settings


@pytest.fixture(scope="session")
def loaded() -> Callable[[str, str], Extractor]:
    """Loads a model once a session: (name, engine) -> Extractor."""
    cache: dict[tuple[str, str], Extractor] = {}

    def load(name: str, engine: str) -> Extractor:
        if (name, engine) not in cache:
            cache[name, engine] = load_extractor(settings(name=name, engine=engine))
        return cache[name, engine]

    return load
