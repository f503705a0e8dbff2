"""Models are loaded once a session."""

from collections.abc import Callable

import pytest

from extractor import Extractor, ExtractorSettings, load_extractor
from tests.extractor.networks import random_state, resnet, saved
from tests.extractor.samples import settings


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Extractor]:
    """Loads a model once a session: (name, engine) -> Extractor. `resnet` has random weights."""
    cache: dict[tuple[str, str], Extractor] = {}

    def settings_of(name: str, engine: str) -> ExtractorSettings:
        if name != "resnet":
            return settings(name=name, engine=engine)
        folder = tmp_path_factory.mktemp("resnet")
        saved(folder, random_state())
        return resnet(folder)

    def load(name: str, engine: str) -> Extractor:
        if (name, engine) not in cache:
            cache[name, engine] = load_extractor(settings_of(name, engine))
        return cache[name, engine]

    return load
