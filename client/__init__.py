"""A Python client of ImageRetrieval; it needs nothing but `requests`. See docs/client.md."""

from client.batches import BATCH
from client.errors import BadReply, ClientError, JobFailed, ServiceError, TookTooLong, Unreachable, UnreadableFile
from client.pictures import Picture, Stored, Url
from client.results import Added, Comparison, Duplicate, Failure, Found, Match, Queued, Repeat
from client.service import Client
from client.stored import Calibration, Collection, CollectionInfo, Group, Image, Job, Keeper, Member, Pair

__all__ = [
    "BATCH",
    "Added",
    "BadReply",
    "Calibration",
    "Client",
    "ClientError",
    "Collection",
    "CollectionInfo",
    "Comparison",
    "Duplicate",
    "Failure",
    "Found",
    "Group",
    "Image",
    "Job",
    "JobFailed",
    "Keeper",
    "Match",
    "Member",
    "Pair",
    "Picture",
    "Queued",
    "Repeat",
    "ServiceError",
    "Stored",
    "TookTooLong",
    "Unreachable",
    "UnreadableFile",
    "Url",
]
