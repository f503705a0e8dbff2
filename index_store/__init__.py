"""What is remembered: the catalog, which is the truth, and the vector index, which is a cache of it."""

import os

# Else FAISS's threads wait for each other in busy loops: beside other programs training took five times as long.
# Read when FAISS is loaded, which the imports below do.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from index_store.admission import Rules
from index_store.answers import Once, Recorded
from index_store.build import pending_changes, rebuild, sweep
from index_store.catalog import Catalog
from index_store.errors import (
    AnsweredBefore,
    CatalogUnavailable,
    CollectionExists,
    FingerprintMismatch,
    KeyNameTaken,
    KeyReused,
    SamePicture,
    StorageFull,
    StoreError,
    Superseded,
    UnknownCollection,
    UnknownImage,
    UnknownJob,
    UnknownKey,
    UnknownPair,
)
from index_store.figures import CollectionFigures, Figures
from index_store.grouping import Found, Grouping, Link, Terms
from index_store.groups import Group, Member, described, find_groups, grouping_of
from index_store.integrity import check_catalog
from index_store.jobs import Job, JobBoard, JobTotals
from index_store.keys import SCOPES, ApiKey, KeyRing, Scope
from index_store.marks import MarkedVectors, Marks
from index_store.pairs import Pair, PairVerdict
from index_store.policy import Policy
from index_store.records import (
    AddOutcome,
    AddStatus,
    Collection,
    CollectionStats,
    ImageRecord,
    KeptFacts,
    KeptPicture,
    Match,
    NewImage,
    RebuildReport,
    RefinedMatches,
)
from index_store.reembedding import Reembedding
from index_store.refine import Reciprocal, Refinement
from index_store.relation import DUPLICATE, Facts, PictureFacts, Relation, relation
from index_store.reserve import Reserve
from index_store.scoring import score_of
from index_store.settings import IndexSettings
from index_store.store import ImageStore
from index_store.version import Unchanged

__all__ = [
    "DUPLICATE",
    "SCOPES",
    "AddOutcome",
    "AddStatus",
    "AnsweredBefore",
    "ApiKey",
    "Catalog",
    "CatalogUnavailable",
    "Collection",
    "CollectionExists",
    "CollectionFigures",
    "CollectionStats",
    "Facts",
    "Figures",
    "FingerprintMismatch",
    "Found",
    "Group",
    "Grouping",
    "ImageRecord",
    "ImageStore",
    "IndexSettings",
    "Job",
    "JobBoard",
    "JobTotals",
    "KeptFacts",
    "KeptPicture",
    "KeyNameTaken",
    "KeyReused",
    "KeyRing",
    "Link",
    "MarkedVectors",
    "Marks",
    "Match",
    "Member",
    "NewImage",
    "Once",
    "Pair",
    "PairVerdict",
    "PictureFacts",
    "Policy",
    "RebuildReport",
    "Reciprocal",
    "Recorded",
    "Reembedding",
    "RefinedMatches",
    "Refinement",
    "Relation",
    "Reserve",
    "Rules",
    "SamePicture",
    "Scope",
    "StorageFull",
    "StoreError",
    "Superseded",
    "Terms",
    "Unchanged",
    "UnknownCollection",
    "UnknownImage",
    "UnknownJob",
    "UnknownKey",
    "UnknownPair",
    "check_catalog",
    "described",
    "find_groups",
    "grouping_of",
    "pending_changes",
    "rebuild",
    "relation",
    "score_of",
    "sweep",
]
