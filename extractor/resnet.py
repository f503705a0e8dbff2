"""The PyTorch extractor: torchvision's ResNets with any pooling, on the CPU or on CUDA."""

from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from extractor.errors import BadModel, NoEmbedding
from extractor.interface import Fingerprint, Pixels, Vectors, by_shape, normalised
from extractor.network import NetworkExtractor
from extractor.pooling import channel_sums, select_channels
from extractor.settings import ExtractorSettings, ResNetSettings
from extractor.torchnet import TORCHSCRIPT, Pooled, build, head_name
from extractor.weights import first_line


class ResNet(NetworkExtractor):
    """The network of the settings, on CUDA where there is some and the settings do not say otherwise."""

    def __init__(self, settings: ExtractorSettings) -> None:
        """Loads, checks and warms up the network. Raises ModelMissing, ModelCorrupt, BadModel."""
        super().__init__(settings)
        self.network, source = build(settings)
        self._device = _device(settings.resnet)
        self.network.to(self._device).to(memory_format=torch.channels_last)
        _set_up_torch(settings, self._device)
        self.dim = self._dim_checked(settings.resnet)
        self.made_of = Fingerprint(
            model=f"{settings.resnet.arch}-{settings.resnet.values}-{source.sha256[:12]}",
            preprocess=self._preprocess.name,
            head=self._head(f"{head_name(settings)}-{self.dim}"),
            transform="no-whitening",
            engine=_engine_name(settings.resnet, self._device),
        )

    @torch.inference_mode()
    def _embed_view(self, batch: Pixels) -> Vectors:
        vectors = self.network(torch.from_numpy(batch).to(self._device))
        return normalised(vectors.cpu().numpy())

    @torch.inference_mode()
    def channel_sums(self, pictures: Sequence[Pixels]) -> list[Tensor]:
        """Sums over positions of the maps of all views, each (n, C), in no order. Raises BadModel without a trunk."""
        embed = self.network.embed
        if not isinstance(embed, Pooled):
            raise BadModel("a TorchScript model has a pooling of its own")
        views = [
            view
            for places in by_shape(pictures)
            for view in self._preprocess.views(np.stack([pictures[place] for place in places]))
        ]
        pixels = (torch.from_numpy(np.ascontiguousarray(view)).to(self._device) for view in views)
        return [channel_sums(embed.trunk(self.network.scaled(each))).cpu() for each in pixels]

    def _dim_checked(self, settings: ResNetSettings) -> int:
        try:
            return self._warm_up()
        except (TypeError, ValueError, ArithmeticError, RuntimeError, NoEmbedding) as error:
            pooled = f"pooling {settings.pooling} {settings.pooling_options}, projection {settings.projection}"
            what = settings.weights if settings.arch == TORCHSCRIPT else pooled
            raise BadModel(f"extractor.resnet: {what} does not work: {first_line(error)}") from None


@torch.inference_mode()
def chosen_channels(settings: ExtractorSettings, images: Iterable[Image], count: int) -> NDArray[np.int64]:
    """Numbers (count,) of the channels that vary most over a sample of pictures: the part detectors of PWA pooling.

    Raises ValueError for a sample of fewer than two, or a `count` that the network has not; what `ResNet` raises.
    """
    plain = settings.resnet.model_copy(update={"pooling": "gap", "pooling_options": {}, "projection": False})
    extractor = ResNet(settings.model_copy(update={"resnet": plain}))
    rest = iter(images)
    sums = []
    while batch := list(islice(rest, settings.batch_size)):
        sums += extractor.channel_sums(extractor.prepare_many(batch))
    if not sums:
        raise ValueError("there are no pictures to choose the channels from")
    return np.array(select_channels(torch.cat(sums), count), np.int64)


def _device(settings: ResNetSettings) -> torch.device:
    there = torch.cuda.is_available()
    if settings.device == "auto":
        return torch.device("cuda" if there else "cpu")
    device = torch.device(settings.device)
    if device.type == "cuda" and not (there and (device.index or 0) < torch.cuda.device_count()):
        raise BadModel(f"extractor.resnet.device is {device}; PyTorch finds {torch.cuda.device_count()} CUDA devices")
    return device


def _set_up_torch(settings: ExtractorSettings, device: torch.device) -> None:
    """For the whole process; PyTorch has no narrower place."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if device.type == "cuda":
        # On CUDA, PyTorch rounds the factors of float32 convolutions to 10 bits unless told otherwise; then a GPU's
        # vectors would not be those of a CPU.
        precision = "tf32" if settings.resnet.precision == "tf32" else "ieee"
        torch.backends.cuda.matmul.fp32_precision = precision
        torch.backends.cudnn.conv.fp32_precision = precision  # type: ignore[attr-defined]


def _engine_name(settings: ResNetSettings, device: torch.device) -> str:
    """Full precision agrees between devices to rounding; of a lower one each has its own."""
    if settings.precision == "f32" or (settings.precision == "tf32" and device.type == "cpu"):
        return "torch-f32"
    return f"torch-{settings.precision}-{device.type}"
