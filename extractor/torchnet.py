"""ResNets of torchvision as modules: pixels -> trunk -> feature map -> pooling -> projection -> unit vector."""

import inspect
import io
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torchvision.models import get_model, list_models

from extractor.channels import Channels
from extractor.errors import BadModel, ModelCorrupt
from extractor.models import ModelBytes
from extractor.pooling import POOLINGS
from extractor.settings import ExtractorSettings, ResNetSettings
from extractor.weights import State, fill, first_line, is_torchscript, load_state, read_weights

TORCHSCRIPT = "torchscript"
ARCHES = [name for name in list_models() if name.startswith(("resnet", "resnext", "wide_resnet"))]
STAGES = ("layer1", "layer2", "layer3", "layer4")
ALIASES = {f"pool{number + 1}": stage for number, stage in enumerate(STAGES, 1)}  # as PyRetri counts them
# Of RGB values in [0, 1]: what is taken away from each channel, and what it is divided by.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CAFFE = ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255))
UNIT = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
VALUES = {"imagenet": IMAGENET, "caffe": CAFFE, "unit": UNIT}
LOW = {"bf16": torch.bfloat16, "f16": torch.float16}


class Network(nn.Module):
    """Pixels -> unit vectors, as one module.

    embed:  scaled values, float32 (N, 3, H, W) -> (N, D).
    values: which scaling, a key of VALUES.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, embed: nn.Module, values: str) -> None:
        super().__init__()
        mean, spread = (torch.tensor(three).view(1, 3, 1, 1) for three in VALUES[values])
        self.register_buffer("mean", mean * 255, persistent=False)
        self.register_buffer("spread", spread * 255, persistent=False)
        self._in_bgr = values == "caffe"
        self.embed = embed

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) in RGB order -> float32 (N, D), rows of norm 1, or of 0 where nothing was activated."""
        vectors = self.embed(self.scaled(pixels))
        if not isinstance(vectors, Tensor) or vectors.ndim != 2 or len(vectors) != len(pixels):
            raise ValueError("the network does not give one vector for each picture")
        return normalize(vectors.float())

    def scaled(self, pixels: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) in RGB order -> float32 (N, 3, H, W), as the network was trained to see them."""
        # No copy: pixels lie in memory as channels_last wants them.
        values = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.spread
        return values.flip(1) if self._in_bgr else values


class Pooled(nn.Module):
    """A ResNet up to a stage, pooled, and projected where the settings say so.

    A low `precision` is that of the trunk; what follows is float32 always.
    """

    def __init__(self, settings: ResNetSettings, state: State, name: str, pool: Callable[[Tensor], Tensor]) -> None:
        """Raises BadModel."""
        super().__init__()
        # Seeded: where partial weights are allowed, what they lack must be the same at every start.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            whole = get_model(settings.arch, weights=None)
        self.trunk = _up_to(whole, ALIASES.get(settings.stage, settings.stage))
        fill(self.trunk, state, whole.state_dict(), settings.allow_partial, name)
        self._pool = pool
        self._low = LOW.get(settings.precision)
        self.projection = _projection(state, name) if settings.projection else nn.Identity()

    def forward(self, values: Tensor) -> Tensor:
        """Scaled values, float32 (N, 3, H, W) -> float32 (N, D)."""
        with self._precision(values.device.type):
            maps = self.trunk(values)
        projected: Tensor = self.projection(self._pool(maps.float()))
        return projected

    def _precision(self, device: str) -> AbstractContextManager[object]:
        return torch.autocast(device, self._low) if self._low else nullcontext()


def build(settings: ExtractorSettings) -> tuple[Network, ModelBytes]:
    """The network of the settings, on the CPU, and the file that its weights came from.

    Raises ModelMissing, ModelCorrupt, BadModel.
    """
    resnet = settings.resnet
    if resnet.arch not in (*ARCHES, TORCHSCRIPT):
        raise BadModel(f"extractor.resnet.arch: {resnet.arch!r} is none of {', '.join([*ARCHES, TORCHSCRIPT])}")
    if resnet.arch == TORCHSCRIPT and not (resnet.names_a_file and resnet.precision in ("f32", "tf32")):
        raise BadModel("with extractor.resnet.arch: torchscript, weights is a file and precision f32, or tf32 on CUDA")
    source = read_weights(resnet, settings.model_dir)
    if resnet.arch == TORCHSCRIPT:
        return Network(_scripted(source.data, resnet.weights), resnet.values).eval(), source
    state = load_state(source.data, resnet.weights)
    embed = Pooled(resnet, state, resnet.weights, _pool(resnet, settings.model_dir))
    return Network(embed, resnet.values).eval().requires_grad_(False), source


def _scripted(data: bytes, name: str) -> nn.Module:
    if not is_torchscript(data):
        raise BadModel(f"{name} is no TorchScript model: set extractor.resnet.arch to the architecture of its weights")
    try:
        module: nn.Module = torch.jit.load(io.BytesIO(data), map_location="cpu")  # type: ignore[no-untyped-call]
        return module
    except RuntimeError as error:
        raise ModelCorrupt(f"{name} is a damaged TorchScript model: {first_line(error)}") from None


def _up_to(whole: nn.Module, stage: str) -> nn.Sequential:
    """The layers that come before pooling, up to `stage`, under torchvision's names."""
    layers = OrderedDict(whole.named_children())
    names = list(layers)
    return nn.Sequential(OrderedDict((name, layers[name]) for name in names[: names.index(stage) + 1]))


def _projection(state: State, name: str) -> nn.Linear:
    """The linear layer `fc` of a descriptor such as SSCD, whose weights (D, C) say what it takes and gives."""
    if "fc.weight" not in state:
        raise BadModel(f"{name} has no projection (no key fc.weight): set extractor.resnet.projection to false")
    weight, bias = state["fc.weight"], state.get("fc.bias")
    if weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]):
        raise BadModel(f"{name} has a damaged projection: its layer fc is no matrix with a bias to match")
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.load_state_dict({key.removeprefix("fc."): state[key] for key in ("fc.weight", "fc.bias") if key in state})
    return layer


def _pool(settings: ResNetSettings, folder: Path) -> Callable[[Tensor], Tensor]:
    """The pooling of the settings with its options filled in. Raises BadModel, ModelMissing."""
    options: dict[str, Any] = dict(_options(settings))
    if settings.pooling == "pwa":
        options["channels"] = tuple(_channels(settings, folder).numbers.tolist())
    return partial(POOLINGS[settings.pooling], **options)


def _options(settings: ResNetSettings) -> dict[str, float]:
    """All options of the pooling by name, with their defaults where nothing is set. Raises BadModel."""
    known = inspect.signature(POOLINGS[settings.pooling]).parameters.values()
    defaults = {each.name: each.default for each in known if each.default is not inspect.Parameter.empty}
    if unknown := settings.pooling_options.keys() - defaults.keys():
        raise BadModel(
            f"extractor.resnet.pooling_options: {settings.pooling} has no option {', '.join(sorted(unknown))}; "
            f"it takes {', '.join(defaults) or 'none'}"
        )
    return defaults | settings.pooling_options


def _channels(settings: ResNetSettings, folder: Path) -> Channels:
    if settings.pwa_channels is None:
        raise BadModel("pooling pwa needs extractor.resnet.pwa_channels: make a file with scripts/fit_whitening.py")
    return Channels.load(folder / settings.pwa_channels)


def head_name(settings: ExtractorSettings) -> str:
    """The part of a fingerprint that stands for stage, pooling and projection."""
    resnet = settings.resnet
    if resnet.arch == TORCHSCRIPT:
        return "whole"
    options = "".join(f"-{name}{float(value)!r}" for name, value in sorted(_options(resnet).items()))
    channels = f"-{_channels(resnet, settings.model_dir).digest[:12]}" if resnet.pooling == "pwa" else ""
    stage = ALIASES.get(resnet.stage, resnet.stage)
    return f"{stage}-{resnet.pooling}{options}{channels}{'-fc' if resnet.projection else ''}"
