"""Pictures -> unit vectors.

    extractor = load_extractor(settings)
    vectors = extractor.embed([image, other])     # float32 (2, D); vectors[0] @ vectors[1] is their cosine

Knows neither Flask nor the index, and never needs PyTorch.
"""

from extractor.batching import Batcher
from extractor.errors import BatcherClosed, ExtractorError, ModelCorrupt, ModelMissing
from extractor.interface import Extractor, Pixels, Vectors
from extractor.models import MODELS
from extractor.settings import ExtractorSettings
from extractor.sscd import Sscd
from extractor.thumbnail import Thumbnail

__all__ = [
    "Batcher",
    "BatcherClosed",
    "Extractor",
    "ExtractorError",
    "ExtractorSettings",
    "ModelCorrupt",
    "ModelMissing",
    "Pixels",
    "Vectors",
    "check_model",
    "load_extractor",
]


def check_model(settings: ExtractorSettings) -> None:
    """Look whether the model that the settings name is there and whole. Raises ModelMissing, ModelCorrupt."""
    if settings.name in MODELS:
        MODELS[settings.name].read(settings.model_dir)


def load_extractor(settings: ExtractorSettings) -> Extractor:
    """The extractor that the settings name, ready to serve. Raises ModelMissing, ModelCorrupt."""
    return Thumbnail() if settings.name == "thumbnail" else Sscd(settings)
