"""The examples in configs/ are valid settings, each listed, each with a line that says what it is."""

import re

import pytest
import torchvision.models

from evaluation.configs import nested, settings_of
from evaluation.grid import read_grid
from extractor.torchnet import ARCHES, TORCHSCRIPT
from retrieval.settings import load_settings
from scripts.fetch_model import ROOT

FOLDER = ROOT / "configs"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.stem != "grid")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_is_valid_and_changes_the_extractor(path):
    settings = load_settings(path, environ={}).extractor
    assert settings != load_settings(environ={}).extractor
    assert path.read_text().startswith("# ")
    if settings.name == "resnet":
        assert settings.resnet.arch in (*ARCHES, TORCHSCRIPT)
        if settings.resnet.weights.startswith("IMAGENET"):
            names = torchvision.models.get_model_weights(settings.resnet.arch).__members__
            assert settings.resnet.weights in names


def test_the_grid_is_valid():
    combinations = read_grid(FOLDER / "grid.yaml")
    assert len(combinations) == 28
    assert {settings_of("default", **nested(each)).extractor.name for each in combinations} == {"resnet"}


def test_every_example_is_listed():
    listed = re.findall(r"\]\((\w+\.yaml)\)", (FOLDER / "README.md").read_text())
    assert sorted(listed) == sorted(path.name for path in FOLDER.glob("*.yaml"))
