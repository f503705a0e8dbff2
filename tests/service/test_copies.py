"""What the service is for: with the real model, over real HTTP, edited copies of photographs are found first."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.edits import REQUIRED
from index_store import Catalog
from retrieval.bulk import BulkAdder, ImageFile
from retrieval.engine import Engine
from retrieval.settings import load_settings
from tests.corpus import encoded
from tests.service.photographs import photographs
from tests.service.server import ROOT, Server, serving

pytestmark = [pytest.mark.model, pytest.mark.slow]
Edit = Callable[[Image.Image], Image.Image]
SAMPLE = 60


@pytest.fixture(scope="module")
def photos() -> list[Path]:
    return photographs()


@pytest.fixture(scope="module")
def server(photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with the default model that remembers all the photographs."""
    data_dir = tmp_path_factory.mktemp("copies") / "data"
    data_dir.mkdir()
    settings = load_settings(environ={}, data_dir=data_dir, extractor={"model_dir": ROOT / ".models"})
    catalog = Catalog(settings.catalog_url)
    with Engine.open(settings, catalog) as engine:
        outcomes = list(BulkAdder(settings, engine, "default").add(ImageFile(path.name, path) for path in photos))
    catalog.close()
    assert {outcome.status for outcome in outcomes} == {"added"}
    with serving(data_dir, extractor={"name": "sscd"}) as server:
        server.run_job("rebuild")
        yield server


@pytest.mark.parametrize("name", REQUIRED)
def test_an_edited_copy_is_found_first(server, photos, name):
    chosen = np.random.default_rng(len(name)).permutation(len(photos))[:SAMPLE]
    missed = []
    for number in chosen:
        path = photos[int(number)]
        copy = REQUIRED[name](Image.open(path).convert("RGB"))
        best = server.search(encoded(copy, "PNG"), top_k=1)[0]
        if best["id"] != path.name:
            missed.append((path.name, best))
    assert missed == []


def test_the_file_itself_is_exact_and_its_pixels_are_identical(server, photos):
    for path in photos[:5]:
        assert server.search(path.read_bytes(), top_k=1)[0]["relation"] == "exact"
        pixels = encoded(Image.open(BytesIO(path.read_bytes())).convert("RGB"), "PNG")
        best = server.search(pixels, top_k=1)[0]
        assert (best["id"], best["relation"]) == (path.name, "identical")
        assert best["score"] == pytest.approx(1, abs=1e-3)
