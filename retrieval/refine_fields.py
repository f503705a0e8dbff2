"""The field `refine` of POST /search."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from index_store import Reciprocal, Refinement
from retrieval.fields import from_text


class RefineFields(BaseModel):
    """`refine` of POST /search: any of three steps. Meant for finding similar pictures; see docs/search.md."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    expand: Literal["average", "alpha"] | None = None
    expand_k: int = Field(default=5, ge=1, le=100)
    alpha: float = Field(default=3.0, ge=0, le=100)
    augment_k: int | None = Field(default=None, ge=1, le=50)
    rerank: Literal["k-reciprocal"] | None = None
    k1: int = Field(default=20, ge=1, le=100)
    k2: int = Field(default=6, ge=1, le=100)
    lambda_: float = Field(default=0.3, ge=0, le=1, alias="lambda")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.expand or self.augment_k or self.rerank):
            raise ValueError("names nothing to do; give expand, augment_k or rerank, or leave refine out")
        if idle := self.model_fields_set & self._idle():
            names = sorted(name.removesuffix("_") for name in idle)
            raise ValueError(f"{', '.join(names)}: without the step that it belongs to")
        if "k2" in self.model_fields_set and self.k2 > self.k1:
            raise ValueError(f"k2 {self.k2} is more than k1 {self.k1}")
        return self

    def _idle(self) -> set[str]:
        """Parameters that would change nothing: refused, as a misspelt field is."""
        idle = set() if self.expand else {"expand_k"}
        idle |= set() if self.expand == "alpha" else {"alpha"}
        return idle | (set() if self.rerank else {"k1", "k2", "lambda_"})

    def refinement(self, depth: int) -> Refinement:
        """The same as the store takes it; `depth` candidates are refined."""
        return Refinement(
            depth=depth,
            expand_k=self.expand_k if self.expand else 0,
            alpha=self.alpha if self.expand == "alpha" else 0.0,
            augment_k=self.augment_k or 0,
            rerank=Reciprocal(self.k1, min(self.k2, self.k1), self.lambda_) if self.rerank else None,
        )


def _object_from_text(value: Any) -> Any:
    value = from_text(value)
    if not isinstance(value, dict):
        raise ValueError('an object, such as {"expand": "alpha"}')
    return value


Refine = Annotated[RefineFields, BeforeValidator(_object_from_text)]
