"""Pictures -> unit vectors.

    extractor = load_extractor(settings)
    vectors = extractor.embed([image, other])     # float32 (2, D); vectors[0] @ vectors[1] is their cosine

Knows neither Flask nor the index. PyTorch is imported by the torch extractor alone, and only when it is chosen.
"""

from extractor.batching import Batcher
from extractor.errors import BadModel, BatcherClosed, ExtractorError, ModelCorrupt, ModelMissing
from extractor.interface import Extractor, Pixels, Vectors
from extractor.models import MODELS
from extractor.onnx import OnnxExtractor
from extractor.settings import ExtractorSettings
from extractor.thumbnail import Thumbnail
from extractor.transform import Transform, Transformed

__all__ = [
    "BadModel",
    "Batcher",
    "BatcherClosed",
    "Extractor",
    "ExtractorError",
    "ExtractorSettings",
    "ModelCorrupt",
    "ModelMissing",
    "Pixels",
    "Transform",
    "Vectors",
    "check_model",
    "load_extractor",
    "load_untransformed",
]


def check_model(settings: ExtractorSettings) -> None:
    """Look whether the model that the settings name is there and whole. Raises ModelMissing, ModelCorrupt."""
    if settings.name in MODELS:
        MODELS[settings.name].read(settings.model_dir)


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
    try:
        from extractor.resnet import ResNet  # noqa: PLC0415  # takes seconds and gigabytes
    except ImportError as error:
        raise ModelMissing(
            f"extractor.name: resnet needs PyTorch ({error}): pip install -r requirements.txt into this environment"
        ) from None
    return ResNet(settings)
