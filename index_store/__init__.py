"""What is remembered: the catalog, which is the truth, and the vector index, which is a cache of it."""

from .catalog import Catalog
from .errors import (
    CatalogUnavailable,
    CollectionExists,
    FingerprintMismatch,
    StoreError,
    UnknownCollection,
    UnknownImage,
    UnknownJob,
)
from .jobs import Job, JobBoard
from .records import AddOutcome, Collection, CollectionStats, ImageRecord, Match, NewImage, RebuildReport
from .settings import IndexSettings
from .store import ImageStore

__all__ = [
    "AddOutcome",
    "Catalog",
    "CatalogUnavailable",
    "Collection",
    "CollectionExists",
    "CollectionStats",
    "FingerprintMismatch",
    "ImageRecord",
    "ImageStore",
    "IndexSettings",
    "Job",
    "JobBoard",
    "Match",
    "NewImage",
    "RebuildReport",
    "StoreError",
    "UnknownCollection",
    "UnknownImage",
    "UnknownJob",
]
