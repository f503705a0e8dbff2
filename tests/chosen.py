"""Which extractor the tests of the service run with: `pytest tests/service --extractor resnet`, thumbnails by default.

The service must not care. The torch extractor has random weights here, and whitening, without which all their vectors
point one way.
"""

import functools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from extractor import Extractor, load_extractor
from extractor.settings import ExtractorSettings
from scripts.fetch_model import ROOT, default_settings
from tests.corpus import photo

VARIABLE = "TESTS_EXTRACTOR"  # reaches the workers of xdist
FOLDER = ROOT / ".models" / "tests"
VERSION = "2"  # of what is kept in there: its fingerprint has to be the one that the code makes
DIM = 256
SAMPLE = 400


def with_thumbnails() -> pytest.MarkDecorator:
    """Marks what embeds pictures by the thousand, or depends on what a thumbnail sees."""
    return pytest.mark.skipif(section()["name"] != "thumbnail", reason="made for thumbnails")


def choose(name: str) -> None:
    """Called once, as pytest starts."""
    os.environ[VARIABLE] = name
    section()


@functools.cache
def section() -> dict[str, Any]:
    """Section `extractor` of the settings under test."""
    if os.environ.get(VARIABLE, "thumbnail") == "thumbnail":
        return {"name": "thumbnail"}
    if not (FOLDER / VERSION).exists():
        shutil.rmtree(FOLDER, ignore_errors=True)
        _make_resnet(FOLDER)
    return _resnet(FOLDER) | {"transform": "whiten.npz"}


def settings_of(section: dict[str, Any]) -> ExtractorSettings:
    """The settings of config.yaml, those of `section` changed."""
    base = default_settings().model_dump()
    changes = {key: {**base[key], **value} if isinstance(value, dict) else value for key, value in section.items()}
    return ExtractorSettings.model_validate(base | changes)


@functools.cache
def extractor() -> Extractor:
    """The extractor under test, in this process."""
    return load_extractor(settings_of(section()))


def rounding() -> float:
    """By how much a score may differ when a picture is embedded with others: networks then sum in another order."""
    return 2e-6 if section()["name"] == "thumbnail" else 1e-3


def _resnet(folder: Path) -> dict[str, Any]:
    network = {"arch": "resnet18", "weights": "weights.pth", "pooling": "gap", "device": "cpu"}
    return {"name": "resnet", "model_dir": str(folder), "size": 64, "threads": 1, "resnet": network}


def _make_resnet(folder: Path) -> None:
    """All of it or nothing, whoever else is making it."""
    from extractor.transform import fit
    from tests.extractor.networks import random_state, saved

    folder.parent.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent))
    saved(made, random_state())
    plain = load_extractor(settings_of(_resnet(made)))
    vectors = plain.embed([photo(seed, (64, 48)) for seed in range(100_000, 100_000 + SAMPLE)])
    fit(vectors, "pca_whiten", DIM, plain.fingerprint).save(made / "whiten.npz")
    (made / VERSION).touch()
    try:
        made.rename(folder)
    except OSError:
        shutil.rmtree(made)
