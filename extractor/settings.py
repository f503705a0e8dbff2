"""What the operator may set of the extractor; documented in config.yaml, which also holds the defaults."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict


class ExtractorSettings(BaseModel):
    """Section `extractor` of config.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Literal["sscd", "sscd_distilled", "thumbnail"]
    engine: Literal["openvino", "onnxruntime"]
    model_dir: Annotated[Path, Strict(False)]
    size: int = Field(ge=64, le=1024)
    threads: int = Field(ge=0, le=1024)
    batch_size: int = Field(ge=1, le=1024)
    batch_wait_ms: float = Field(ge=0, le=1000)
