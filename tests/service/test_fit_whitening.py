"""`scripts/fit_whitening.py`, as it is typed: from folders, from a collection, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from extractor import Transform, load_extractor
from extractor.channels import Channels
from retrieval.settings import load_settings
from scripts import build_index, fit_whitening
from tests.extractor.networks import random_state, resnet, saved
from tests.service.asking import small

COUNT = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(COUNT):
        (folder / f"{seed}.jpg").write_bytes(small(seed))
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    settings = {"data_dir": str(tmp_path / "data"), "extractor": {"name": "thumbnail"}}
    path.write_text(json.dumps(settings | {"maintenance": {"enabled": False}}))
    return path


def run(*arguments: object) -> int:
    return fit_whitening.main([str(argument) for argument in arguments])


def test_a_folder_gives_a_transform_and_the_lines_to_put_it_to_use(folder, config, tmp_path, capsys):
    out = tmp_path / "models" / "whiten.npz"
    assert run(folder, "--config", config, "--dim", 8, "--out", out) == 0
    told = capsys.readouterr()
    assert "passed over" in told.err
    assert f"fitted on {COUNT} pictures" in told.err
    settings = load_settings(config, **yaml.safe_load(told.out)).extractor
    assert load_extractor(settings).dim == 8


def test_a_collection_gives_what_its_folder_gives(folder, config, tmp_path, capsys):
    assert build_index.main([str(folder), "--config", str(config), "--collection", "mine"]) == 1  # of the broken one
    for what in ((folder,), ("--collection", "mine")):
        assert run(*what, "--config", config, "--kind", "centre", "--out", tmp_path / f"{len(what)}.npz") == 0
    assert run("--collection", "mine", "--config", config, "--sample", 17, "--out", tmp_path / "some.npz") == 0
    assert "fitted on 17 pictures" in capsys.readouterr().err
    one, other = Transform.load(tmp_path / "1.npz"), Transform.load(tmp_path / "2.npz")
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-3)
    assert one.base == other.base


def test_the_sample_is_bounded_and_the_same_each_time(folder, config, tmp_path, capsys):
    (folder / "broken.jpg").unlink()
    names = [tmp_path / name for name in ("one.npz", "again.npz", "other.npz")]
    for out, seed in zip(names, (0, 0, 1), strict=True):
        assert run(folder, "--config", config, "--kind", "pca", "--sample", 10, "--seed", seed, "--out", out) == 0
    assert capsys.readouterr().err.count("fitted on 10 pictures") == 3
    one, again, other = (Transform.load(out).name for out in names)
    assert one == again != other


@pytest.mark.slow
def test_the_channels_of_pwa_are_chosen(folder, tmp_path, capsys):
    saved(tmp_path, random_state())
    config = tmp_path / "torch.yaml"
    config.write_text(yaml.safe_dump({"extractor": resnet(tmp_path).model_dump(mode="json")}))
    out = tmp_path / "pwa.npz"
    assert run(folder, "--config", config, "--kind", "pwa", "--dim", 4, "--out", out) == 0
    assert len(Channels.load(out).numbers) == 4
    settings = load_settings(config, **yaml.safe_load(capsys.readouterr().out)).extractor
    assert load_extractor(settings).dim == 4 * 512


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kind", "pca", "--dim", 40), "30 pictures support 29 dimensions, not 40"),
        (("--kind", "pwa"), "extractor.name: resnet"),
        (("--kind", "centre", "--dim", 5), "centring keeps all 192"),
        (("--dim", 0), "--dim: at least 1"),
        (("--sample", 0), "--sample: at least 1"),
    ],
    ids=str,
)
def test_what_cannot_be_fitted_is_told(folder, config, capsys, arguments, message):
    out = config.parent / "x.npz"
    assert run(folder, "--config", config, *arguments, "--out", out) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_pictures_are_needed_from_one_place(config, tmp_path, folder, capsys):
    out = ("--config", config, "--out", tmp_path / "x.npz")
    assert run(*out) == 2
    assert run(folder, "--collection", "mine", *out) == 2
    assert run(tmp_path / "nowhere", *out) == 2
    told = capsys.readouterr().err
    assert told.count("name folders, or --collection NAME") == 2
    assert "no such folder" in told


@pytest.mark.slow
def test_a_collection_of_another_extractor_is_told(folder, config, tmp_path, capsys):
    build_index.main([str(folder), "--config", str(config), "--collection", "mine"])
    assert run("--collection", "none", "--config", config, "--out", tmp_path / "x.npz") == 2
    assert "no collection 'none'" in capsys.readouterr().err
    saved(tmp_path, random_state())
    other = tmp_path / "torch.yaml"
    made = resnet(tmp_path).model_dump(mode="json")
    other.write_text(yaml.safe_dump({"data_dir": str(tmp_path / "data"), "extractor": made}))
    assert run("--collection", "mine", "--config", other, "--out", tmp_path / "x.npz") == 2
    assert "holds vectors of thumbnail/" in capsys.readouterr().err
