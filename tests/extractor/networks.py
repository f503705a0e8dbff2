"""Weights for tests: seeded and random, so that nothing is downloaded; files as they come from training code."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import get_model

from extractor import ExtractorSettings
from extractor.interface import Vectors, normalised
from tests.extractor.samples import settings

ARCH = "resnet18"  # the smallest


def random_model(arch: str = ARCH, seed: int = 0, classes: int = 1000) -> nn.Module:
    """A torchvision model whose random weights tell pictures apart.

    Batch statistics are made up too: with torchvision's own (0 and 1), activations of all pictures point one way.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = get_model(arch, weights=None, num_classes=classes)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.5)
                nn.init.normal_(module.running_mean, 0, 0.5)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


def random_state(arch: str = ARCH, seed: int = 0, classes: int = 1000) -> dict[str, Tensor]:
    """Its weights."""
    return random_model(arch, seed, classes).state_dict()


def saved(folder: Path, content: Any, name: str = "weights.pth") -> Path:
    """`content` as a file of PyTorch's."""
    torch.save(content, folder / name)
    return folder / name


def resnet(folder: Path, size: int = 64, weights: str = "weights.pth", **changes: Any) -> ExtractorSettings:
    """Settings of a torch extractor over the files in `folder`; `changes` are of section `resnet`."""
    section = {"arch": ARCH, "weights": weights, "device": "cpu"} | changes
    return settings(name="resnet", model_dir=folder, size=size, resnet=section)


def agreement(found: Vectors, expected: Vectors) -> float:
    """The lowest cosine between rows less the mean of `expected`, in which vectors of random networks hardly differ."""
    mean = expected.mean(axis=0)
    one, other = normalised(found - mean), normalised(expected - mean)
    return float((one * other).sum(axis=1).min())
