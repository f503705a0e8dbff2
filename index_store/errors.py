"""What can go wrong with what is remembered. No HTTP here: a table in `retrieval` turns these into statuses."""


class StoreError(Exception):
    """Base of all errors of this package."""


class UnknownCollection(StoreError):
    """There is no collection of that name."""


class CollectionExists(StoreError):
    """A collection of that name exists already."""


class UnknownImage(StoreError):
    """There is no image of that id in the collection."""


class UnknownPair(StoreError):
    """The two images are not marked."""


class SamePicture(StoreError):
    """A picture cannot be marked with itself."""


class UnknownJob(StoreError):
    """There is no job of that id."""


class FingerprintMismatch(StoreError):
    """The collection's vectors were made by another extractor; vectors of two extractors never mix."""


class Superseded(StoreError):
    """A collection that was being embedded again was deleted, or another such run has taken its place."""


class CatalogUnavailable(StoreError):
    """The catalog cannot be opened, read or written."""

    def __init__(self, what: str, where: object = None) -> None:
        # Without its place, which is not for clients.
        self.told = what if where is None else f"the catalog {what}"
        super().__init__(what if where is None else f"the catalog {where} {what}")


class StorageFull(StoreError):
    """The disk has no room for what is to be written; nothing of it was. What is there can be read and searched."""


class BrokenGeneration(StoreError):
    """Files of an index generation are missing, damaged or not of this collection."""


class UnknownKey(StoreError):
    """There is no API key of that id or name that is not revoked."""


class KeyNameTaken(StoreError):
    """An API key that is not revoked has this name."""


class KeyReused(StoreError):
    """A key that stands for one request came with another."""


class AnsweredBefore(Exception):
    """The request was carried out before, and this is the answer that it got; no error, but the end of the matter."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("answered before")
        self.answer = answer
