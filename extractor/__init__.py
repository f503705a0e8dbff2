"""Pictures -> unit vectors.

    extractor = load_extractor(settings)
    vectors = extractor.embed([image, other])     # float32 (2, D); vectors[0] @ vectors[1] is their cosine

Knows neither Flask nor the index. PyTorch is imported by the torch extractor alone, and only when it is chosen.
"""

import os

from extractor.batching import Batcher, BatchWatch
from extractor.channels import Channels
from extractor.errors import BadModel, BatcherClosed, ExtractorError, ModelCorrupt, ModelMissing, NoEmbedding
from extractor.interface import Extractor, Pixels, Vectors
from extractor.models import MODELS, model_of, read_checkpoint
from extractor.onnx import OnnxExtractor
from extractor.parts import Parts
from extractor.settings import ExtractorSettings
from extractor.thumbnail import Thumbnail
from extractor.transform import Transform, Transformed

__all__ = [
    "BadModel",
    "BatchWatch",
    "Batcher",
    "BatcherClosed",
    "Extractor",
    "ExtractorError",
    "ExtractorSettings",
    "ModelCorrupt",
    "ModelMissing",
    "NoEmbedding",
    "Parts",
    "Pixels",
    "Transform",
    "Vectors",
    "check_model",
    "load_extractor",
    "load_untransformed",
]


def check_model(settings: ExtractorSettings) -> None:
    """Look, without loading them, whether the files that the settings name are there and whole.

    Raises ModelMissing, ModelCorrupt, BadModel.
    """
    if settings.name in (*MODELS, "onnx"):
        model_of(settings).read(settings.model_dir)
    elif settings.name == "resnet" and settings.resnet.names_a_file:
        read_checkpoint(settings.resnet, settings.model_dir)
    for kind, file in ((Transform, settings.transform), (Channels, settings.pwa_channels)):
        if file is not None:
            kind.load(settings.model_dir / file)


def load_extractor(settings: ExtractorSettings) -> Extractor:
    """The extractor that the settings name, ready to serve. Raises ModelMissing, ModelCorrupt, BadModel."""
    extractor = load_untransformed(settings)
    if settings.transform is None:
        return extractor
    return Transformed(extractor, Transform.load(settings.model_dir / settings.transform))


def load_untransformed(settings: ExtractorSettings) -> Extractor:
    """The extractor without `transform`: what a transform is fitted on. Raises as `load_extractor` does."""
    if settings.name == "thumbnail":
        return Thumbnail()
    return _resnet(settings) if settings.name == "resnet" else OnnxExtractor(settings)


def _resnet(settings: ExtractorSettings) -> Extractor:
    # Else PyTorch's threads wait for each other in busy loops, at every layer: beside another busy program a picture
    # took fifty times as long. Read when its libraries are loaded, so it is set here.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from extractor.resnet import ResNet  # noqa: PLC0415  # takes seconds and gigabytes
    except ImportError as error:
        raise ModelMissing(
            f"extractor.name: resnet needs PyTorch ({error}): pip install -r requirements.txt into this environment"
        ) from None
    return ResNet(settings)
