"""What the operator may set of the index; documented in config.yaml, which also holds the defaults."""

from pydantic import BaseModel, ConfigDict, Field


class IndexSettings(BaseModel):
    """Section `index` of config.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    exact_below: int = Field(ge=0)
    recall_target: float = Field(gt=0, le=1)
