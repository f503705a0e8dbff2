"""What the operator may set of the extractor; documented in config.yaml, which also holds the defaults."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, model_validator

PROJECT = Path(__file__).resolve().parents[1]
RelaxedPath = Annotated[Path, Strict(False)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PreprocessSettings(_Section):
    """Section `extractor.preprocess` of config.yaml."""

    aspect: Literal["half_crop", "squash", "pad", "centre_crop", "shorter_edge"]
    filter: Literal["box", "bilinear", "bicubic", "lanczos"]
    zoom: float = Field(ge=1, le=2)
    views: Literal["one", "two_flip", "ten_crop"]
    combine: Literal["sum", "concatenate"]

    @model_validator(mode="after")
    def _crops_differ(self) -> Self:
        if self.views == "ten_crop" and self.zoom == 1 and self.aspect != "shorter_edge":
            raise ValueError("ten_crop cuts nothing off a square: set zoom above 1 (1.15, say)")
        return self


class OnnxSettings(_Section):
    """Section `extractor.onnx` of config.yaml."""

    file: RelaxedPath | None
    sha256: Sha256 | None


class ResNetSettings(_Section):
    """Section `extractor.resnet` of config.yaml."""

    arch: str
    weights: str
    weights_sha256: Sha256 | None
    allow_partial: bool
    stage: Literal["layer1", "layer2", "layer3", "layer4", "pool2", "pool3", "pool4", "pool5"]
    pooling: Literal["gap", "gmp", "gem", "spoc", "crow", "rmac", "scda", "pwa"]
    pooling_options: dict[str, float | int]
    pwa_channels: RelaxedPath | None
    projection: bool
    values: Literal["imagenet", "caffe", "unit"]
    device: str = Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")
    precision: Literal["f32", "tf32", "bf16", "f16"]

    @property
    def names_a_file(self) -> bool:
        """Whether `weights` is a file, rather than torchvision's name for some."""
        return re.fullmatch(r"[A-Z][A-Z0-9_]*", self.weights) is None


class PartsSettings(_Section):
    """Section `extractor.parts` of config.yaml."""

    size: int = Field(ge=64, le=1024)
    trust: float = Field(gt=0, le=1)
    enough: float = Field(ge=0, le=1)


class ExtractorSettings(_Section):
    """Section `extractor` of config.yaml."""

    name: Literal["sscd", "sscd_distilled", "onnx", "resnet", "thumbnail"]
    engine: Literal["openvino", "onnxruntime"]
    arithmetic: Literal["portable", "fastest"]
    model_dir: Annotated[RelaxedPath, AfterValidator(lambda folder: PROJECT / folder.expanduser())]
    size: int = Field(ge=64, le=1024)
    threads: int = Field(ge=0, le=1024)
    batch_size: int = Field(ge=1, le=1024)
    batch_wait_ms: float = Field(ge=0, le=1000)
    recent: int = Field(ge=0, le=1_000_000)
    preprocess: PreprocessSettings
    parts: PartsSettings
    transform: RelaxedPath | None
    onnx: OnnxSettings
    resnet: ResNetSettings

    @property
    def pwa_channels(self) -> Path | None:
        """The file of channels, where the extractor takes one."""
        return self.resnet.pwa_channels if self.name == "resnet" and self.resnet.pooling == "pwa" else None

    @property
    def files(self) -> list[Path]:
        """The files of the operator's own that vectors come from."""
        model = {"onnx": self.onnx.file, "resnet": Path(self.resnet.weights) if self.resnet.names_a_file else None}
        named = (model.get(self.name), self.transform, self.pwa_channels)
        return [self.model_dir / file for file in named if file is not None]
