"""A census: the little that finding duplicate groups holds of every picture of a collection, some 80 bytes each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index_store.catalog import Catalog
from index_store.moment import Moment
from index_store.policy import Policy
from index_store.records import ImageRecord, Seqs
from index_store.view import Snapshot

CHUNK = 4096
Places = NDArray[np.intp]
BYTES, PIXELS = 0, 1  # rows of digests
_DIGEST = np.dtype("S16")


@dataclass(frozen=True, eq=False)
class Census:
    """The N pictures of a snapshot, by place: in the order of their `seqs`, ascending.

    `order` has the places in the policy's order. `digests` (2, N) are 128 bits of the SHA-256 of each one's bytes and
    pixels: nobody finds two that are alike. `free` are those that no group has settled yet.
    """

    snapshot: Snapshot
    seqs: Seqs
    order: Places
    digests: NDArray[np.bytes_]
    by_digest: Places
    indeterminate: NDArray[np.bool_]
    free: NDArray[np.bool_]

    @classmethod
    def take(cls, catalog: Catalog, moment: Moment, policy: Policy) -> "Census":
        """Reads every record of the collection, in chunks."""
        keys, digests, indeterminate = [], [], []
        for images in _chunks(catalog, moment):
            keys.append(np.array([policy.key(image) for image in images], dtype=np.int64))
            digests.append(np.array([_digests(image) for image in images], dtype=_DIGEST))
            indeterminate.append(np.array([image.indeterminate for image in images]))
        columns = np.concatenate(keys or [np.empty((0, 1), dtype=np.int64)]).T
        both = np.ascontiguousarray(np.concatenate(digests or [np.empty((0, 2), dtype=_DIGEST)]).T)
        return cls(
            snapshot=moment.snapshot,
            seqs=columns[-1].copy(),  # a policy's last resort
            order=np.lexsort(columns[::-1]),
            digests=both,
            by_digest=both.argsort(axis=1),
            indeterminate=np.concatenate(indeterminate or [np.empty(0, dtype=np.bool_)]),
            free=np.ones(columns.shape[1], dtype=np.bool_),
        )

    def places_of(self, seqs: Seqs) -> Places:
        """Of those of `seqs` that are here."""
        places = np.searchsorted(self.seqs, seqs)
        inside = places < len(self.seqs)
        inside[inside] = self.seqs[places[inside]] == seqs[inside]
        return places[inside]

    def with_digest(self, kind: int, digest: bytes) -> Places:
        """Places of the pictures with this digest of BYTES or PIXELS."""
        order = self.by_digest[kind]
        first, last = (np.searchsorted(self.digests[kind], digest, side, sorter=order) for side in ("left", "right"))
        found: Places = order[first:last]
        return found


def _chunks(catalog: Catalog, moment: Moment) -> Iterator[list[ImageRecord]]:
    """Records of the pictures that the snapshot holds, less those that were deleted since."""
    clock, after = moment.snapshot.clock, 0
    while page := catalog.images(moment.collection, after, CHUNK):
        held = [image for image in page if image.seq <= clock]
        if held:
            yield held
        if len(held) < CHUNK:
            return
        after = held[-1].seq


def _digests(image: ImageRecord) -> tuple[bytes, bytes]:
    return bytes.fromhex(image.sha256[:32]), bytes.fromhex(image.pixels_sha256[:32])
