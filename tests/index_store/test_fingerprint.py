"""Promise 6: vectors of different extractors never mix, and the error names the way out."""

from collections.abc import Callable

import pytest

from index_store import FingerprintMismatch, ImageStore, Rules
from tests.index_store.stores import NAME, add_all
from tests.index_store.vectors import new_image, unit_vectors

VECTORS = unit_vectors(3, seed=0)


@pytest.fixture(params=[{"fingerprint": "f2"}, {"dim": 32}], ids=["fingerprint", "dim"])
def stranger(request, store: ImageStore, open_store: Callable) -> ImageStore:
    """A store of another extractor over a collection of the first."""
    add_all(store, VECTORS)
    return open_store(**request.param)


def _vectors_for(store: ImageStore):
    return unit_vectors(1, seed=0, dim=store._binding.dim)


def test_searching_with_another_extractor_names_the_way_out(stranger: ImageStore) -> None:
    with pytest.raises(
        FingerprintMismatch,
        match=r"f1 .*put the `extractor` settings back .*build_index\.py --reembed --collection pictures`",
    ):
        stranger.search(NAME, _vectors_for(stranger), 1)


@pytest.mark.parametrize("near", [None, 0.9])
def test_adding_with_another_extractor_stores_nothing(stranger: ImageStore, store: ImageStore, near) -> None:
    with pytest.raises(FingerprintMismatch, match="or embed its pictures again, with"):
        stranger.add(NAME, [new_image("x", _vectors_for(stranger)[0])], Rules(near))
    assert store.stats(store.collection(NAME)).images == 3


def test_a_collection_of_another_extractor_can_still_be_read_rebuilt_and_deleted(stranger: ImageStore) -> None:
    assert stranger.image(NAME, "1").id == "1"
    assert stranger.rebuild(NAME).count == 3
    stranger.warm_up()
    stranger.delete(NAME, "1")
    stranger.delete_collection(NAME)
    assert stranger.collections() == []


def test_each_extractor_has_its_own_collections_side_by_side(stranger: ImageStore, store: ImageStore) -> None:
    stranger.add("theirs", [new_image("x", _vectors_for(stranger)[0])])
    store.warm_up()
    stranger.warm_up()
    assert set(store._views._views) == {store.collection(NAME).uid}
    assert set(stranger._views._views) == {store.collection("theirs").uid}
