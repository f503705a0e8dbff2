"""The PyTorch extractor: its trunk is torchvision's, its head is the settings', and its fingerprint says all of it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms import v2

from extractor import BadModel, Extractor, ModelMissing, load_extractor
from extractor.channels import Channels
from extractor.pooling import POOLINGS, gem
from extractor.preprocess import Preprocess
from extractor.resnet import ResNet, chosen_channels
from extractor.torchnet import ALIASES, IMAGENET, STAGES, Network, Pooled, build
from tests.corpus import photo
from tests.extractor.networks import agreement, random_model, random_state, resnet, saved
from tests.extractor.samples import ROOT, settings

pytestmark = pytest.mark.slow  # each loads a network or two
PHOTOS = [photo(seed) for seed in range(4)]
ALIASES_OF = {stage: alias for alias, stage in ALIASES.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights, the channels of PWA, and other random weights."""
    folder = tmp_path_factory.mktemp("models")
    saved(folder, random_state())
    saved(folder, random_state(seed=1), "other.pth")
    Channels(chosen_channels(resnet(folder), PHOTOS, 3)).save(folder / "pwa.npz")
    return folder


def network(folder: Path, **changes: Any) -> ResNet:
    loaded = load_extractor(resnet(folder, **changes))
    assert isinstance(loaded, ResNet)
    return loaded


def trunk_of(module: Network) -> nn.Module:
    assert isinstance(module.embed, Pooled)
    return module.embed.trunk


def values_of(extractor: Extractor) -> torch.Tensor:
    """The pictures as torchvision's own transforms give them to a network."""
    to_values = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(*IMAGENET)])
    pixels = np.stack(extractor.prepare_many(PHOTOS))
    scaled: torch.Tensor = to_values(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    return scaled


@pytest.mark.parametrize("arch", ["resnet18", "resnet50", "resnext50_32x4d"])
@torch.inference_mode()
def test_the_trunk_gives_torchvisions_maps(arch: str, tmp_path: Path) -> None:
    model = random_model(arch)
    saved(tmp_path, model.state_dict())
    module, _ = build(resnet(tmp_path, arch=arch))
    values = torch.rand(2, 3, 64, 96)
    expected = create_feature_extractor(model, ["layer4"])(values)["layer4"]
    torch.testing.assert_close(trunk_of(module)(values), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stage", STAGES)
@torch.inference_mode()
def test_the_trunk_ends_at_the_stage_that_is_named(folder: Path, stage: str) -> None:
    values = torch.rand(2, 3, 64, 96)
    expected = create_feature_extractor(random_model(), [stage])(values)[stage]
    for name in (stage, ALIASES_OF[stage]):
        module, _ = build(resnet(folder, stage=name))
        torch.testing.assert_close(trunk_of(module)(values), expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_average_pooling_gives_what_torchvision_feeds_its_classifier(folder: Path) -> None:
    extractor = network(folder, pooling="gap")
    model = random_model()
    model.fc = nn.Identity()
    expected = nn.functional.normalize(model(values_of(extractor)))
    assert agreement(extractor.embed(PHOTOS), expected.numpy()) > 0.9999


@torch.inference_mode()
def test_a_projection_is_applied_as_sscd_applies_it(tmp_path: Path) -> None:
    model = random_model(classes=32)
    saved(tmp_path, {f"backbone.{key}": value for key, value in model.state_dict().items()})
    extractor = network(tmp_path, projection=True, pooling_options={"p": 3.0})
    maps = create_feature_extractor(model, ["layer4"])(values_of(extractor))["layer4"]
    expected = nn.functional.normalize(model.fc(gem(maps, p=3.0)))
    assert extractor.dim == 32
    assert agreement(extractor.embed(PHOTOS), expected.numpy()) > 0.9999


@torch.inference_mode()
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_torchscript_model_is_taken_whole(tmp_path: Path) -> None:
    model = nn.Sequential(random_model(classes=32))
    torch.jit.trace(model, torch.rand(1, 3, 64, 64)).save(tmp_path / "whole.torchscript.pt")
    extractor = network(tmp_path, arch="torchscript", weights="whole.torchscript.pt")
    expected = nn.functional.normalize(model(values_of(extractor)))
    assert extractor.dim == 32
    assert agreement(extractor.embed(PHOTOS), expected.numpy()) > 0.9999
    assert "/whole-32/" in extractor.fingerprint


@torch.inference_mode()
def test_caffe_networks_see_blue_first_and_the_mean_taken_away(folder: Path) -> None:
    module, _ = build(resnet(folder, values="caffe"))
    pixels = torch.tensor([[[[200, 100, 50]]]], dtype=torch.uint8)
    expected = torch.tensor([50 - 103.939, 100 - 116.779, 200 - 123.68])
    torch.testing.assert_close(module.scaled(pixels)[0, :, 0, 0], expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_serves(folder: Path, pooling: str) -> None:
    extractor = network(folder, pooling=pooling, pwa_channels=folder / "pwa.npz")
    vectors = extractor.embed(PHOTOS)
    assert vectors.shape == (4, {"scda": 1024, "pwa": 3 * 512}.get(pooling, 512))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    one_by_one = np.concatenate([extractor.embed([image]) for image in PHOTOS])
    assert agreement(one_by_one, vectors) > 0.9999


def test_channels_of_pwa_are_those_that_vary_most(folder: Path) -> None:
    extractor = resnet(folder)
    module, _ = build(extractor)
    prepare = Preprocess.of(64, extractor.preprocess).prepare
    with torch.inference_mode():
        maps = [trunk_of(module)(module.scaled(torch.tensor(prepare(image))[None])) for image in PHOTOS]
    variances = torch.cat(maps).sum(dim=(2, 3)).var(dim=0)
    assert chosen_channels(extractor, PHOTOS, 3).tolist() == variances.argsort(descending=True)[:3].tolist()


def test_weights_that_give_no_numbers_are_refused_at_the_start(tmp_path: Path) -> None:
    """Else all pictures would have one vector, and each be taken for a copy of every other."""
    state = random_state()
    state["layer4.1.bn2.weight"][3] = torch.nan
    saved(tmp_path, state)
    with pytest.raises(BadModel, match="no finite numbers"):
        network(tmp_path)


def test_options_that_say_what_is_the_default_change_nothing(folder: Path) -> None:
    made = [network(folder, pooling_options=options).fingerprint for options in ({}, {"p": 3}, {"p": 3.0, "eps": 1e-6})]
    assert len(set(made)) == 1
    assert "/layer4-gem-eps1e-06-p3.0-512/" in made[0]


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_a_low_precision_is_close_and_has_its_own_fingerprint(folder: Path, precision: str) -> None:
    full, low = network(folder), network(folder, precision=precision)
    assert 0.9 < agreement(low.embed(PHOTOS), full.embed(PHOTOS)) < 1
    assert low.fingerprint == full.fingerprint.replace("torch-f32", f"torch-{precision}-cpu")


@pytest.mark.parametrize("views", ["two_flip", "ten_crop"])
def test_views_are_summed_or_laid_end_to_end(folder: Path, views: str) -> None:
    def made(combine: str) -> Extractor:
        preprocess = {"views": views, "zoom": 1.25, "combine": combine}
        return load_extractor(settings(**(resnet(folder).model_dump() | {"preprocess": preprocess})))

    summed, concatenated = made("sum"), made("concatenate")
    count = 2 if views == "two_flip" else 10
    each = concatenated.embed(PHOTOS).reshape(4, count, -1)
    assert each.shape[2] == summed.dim == 512
    expected = each.sum(axis=1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert agreement(summed.embed(PHOTOS), expected) > 0.9999
    assert summed.fingerprint != concatenated.fingerprint


def test_pictures_that_keep_their_shape_are_batched_by_shape(folder: Path) -> None:
    extractor = load_extractor(settings(**(resnet(folder).model_dump() | {"preprocess": {"aspect": "shorter_edge"}})))
    images = [photo(seed, size) for seed, size in enumerate([(320, 240), (240, 320), (320, 240), (900, 100), (64, 64)])]
    assert len({pixels.shape for pixels in extractor.prepare_many(images)}) == 4
    one_by_one = np.concatenate([extractor.embed([image]) for image in images])
    assert agreement(extractor.embed(images), one_by_one) > 0.9999


CHANGES: list[dict[str, Any]] = [
    {},
    {"weights": "other.pth"},
    {"stage": "layer3"},
    {"pooling": "crow"},
    {"pooling_options": {"p": 4}},
    {"pooling_options": {"eps": 1e-5}},
    {"pooling": "pwa", "pwa_channels": "pwa.npz"},
    {"projection": True},
    {"values": "unit"},
    {"values": "caffe"},
    {"precision": "bf16"},
    {"size": 96},
]


def test_whatever_changes_vectors_changes_the_fingerprint(folder: Path) -> None:
    fingerprints = [network(folder, **change).fingerprint for change in CHANGES]
    assert len(set(fingerprints)) == len(CHANGES), fingerprints


def test_what_keeps_vectors_keeps_the_fingerprint(folder: Path) -> None:
    plain = network(folder).fingerprint
    for change in [{"stage": ALIASES_OF["layer4"]}, {"device": "auto"}, {"allow_partial": True}, {"precision": "tf32"}]:
        assert network(folder, **change).fingerprint == plain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arch": "vgg16"}, "arch: 'vgg16' is none of .*resnet50.*torchscript"),
        ({"pooling_options": {"q": 3}}, "gem has no option q; it takes p, eps"),
        ({"pooling_options": {"p": -1}}, "does not work: p must be"),
        ({"pooling": "pwa", "pooling_options": {"channels": 5}}, "pwa has no option channels; it takes alpha, beta"),
        ({"pooling": "rmac", "pooling_options": {"levels": 1.5}}, "rmac .*does not work"),
        ({"pooling_options": {"p": 10**400}}, "gem .*does not work"),
        ({"pooling": "pwa"}, "pooling pwa needs extractor.resnet.pwa_channels"),
        (
            {"pooling": "pwa", "pwa_channels": "weights.pth"},
            "weights.pth was not made by scripts/fit_whitening.py --kind pwa",
        ),
        ({"pooling": "scda", "projection": True}, "scda .*projection True does not work"),
        ({"arch": "torchscript"}, "no TorchScript model: set extractor.resnet.arch"),
        ({"device": "cuda:99"}, "device is cuda:99; PyTorch finds"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_are_named(folder: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadModel, match=message):
        network(folder, **changes)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    ("module", "changes", "message"),
    [
        (nn.Flatten(), {"precision": "bf16"}, "weights is a file and precision f32"),
        (nn.Flatten(), {"weights": "IMAGENET1K_V1"}, "weights is a file and precision f32"),
        (nn.ReLU(), {}, r"whole\.pt does not work: .*one vector for each picture"),
        (nn.Flatten(0), {}, r"whole\.pt does not work: .*one vector for each picture"),
    ],
    ids=["precision", "torchvision's weights", "maps", "one vector for all"],
)
def test_torchscript_models_that_cannot_serve_are_told(
    tmp_path: Path, module: nn.Module, changes: dict[str, Any], message: str
) -> None:
    torch.jit.trace(module, torch.rand(1, 3, 64, 64)).save(tmp_path / "whole.pt")
    with pytest.raises(BadModel, match=message):
        network(tmp_path, **{"arch": "torchscript", "weights": "whole.pt"} | changes)


@pytest.mark.parametrize("numbers", [np.array(5), np.array([0.5, 1.2]), np.array([], np.int64)], ids=str)
def test_channels_that_are_none_are_refused(folder: Path, tmp_path: Path, numbers: Any) -> None:
    np.savez(tmp_path / "pwa.npz", channels=numbers)
    with pytest.raises(BadModel, match="holds no numbers of channels"):
        network(folder, pooling="pwa", pwa_channels=tmp_path / "pwa.npz")


def test_missing_channels_name_the_script(folder: Path) -> None:
    with pytest.raises(ModelMissing, match=r"no\.npz: make it with scripts/fit_whitening\.py --kind pwa"):
        network(folder, pooling="pwa", pwa_channels="no.npz")


def test_without_pytorch_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from tests.extractor.samples import settings\n"
        "from extractor import ModelMissing, load_extractor\n"
        "try: load_extractor(settings(name='resnet'))\n"
        "except ModelMissing as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "needs PyTorch" in run.stdout
    assert "pip install -r requirements.txt" in run.stdout
