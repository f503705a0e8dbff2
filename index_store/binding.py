"""Which extractor a store works for: vectors of two never mix."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from index_store.errors import FingerprintMismatch
from index_store.records import Collection, NewImage


@dataclass(frozen=True)
class Binding:
    """An extractor, as a collection names it."""

    fingerprint: str
    dim: int

    def holds(self, collection: Collection) -> bool:
        """Whether the collection's vectors are of this extractor."""
        return (collection.fingerprint, collection.dim) == (self.fingerprint, self.dim)

    def check(self, collection: Collection) -> None:
        """Raises FingerprintMismatch."""
        if not self.holds(collection):
            raise FingerprintMismatch(
                f"collection {collection.name!r} holds vectors of {collection.fingerprint} ({collection.dim} numbers "
                f"each), this service makes {self.fingerprint} ({self.dim}): put the `extractor` settings back as "
                "they were, or embed its pictures again, with the --config of this service: "
                f"`python scripts/build_index.py --reembed --collection {collection.name}`"
            )

    def check_vectors(self, images: Iterable[NewImage]) -> None:
        """One of another length must not reach the catalog, nor one that is no number. Raises ValueError."""
        for image in images:
            if image.vector.shape != (self.dim,) or not np.isfinite(image.vector).all():
                raise ValueError(f"the vector of {image.id!r} must be {self.dim} finite numbers")
