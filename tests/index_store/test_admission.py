"""Check-and-add by what pictures are to each other, in one collection and against others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from index_store import AddOutcome, FingerprintMismatch, ImageStore, NewImage, Rules, UnknownCollection, adding
from index_store.adding import NEAR_TOLD
from index_store.admission import Admission
from tests.index_store.stores import NAME, add_all, ids_of, let_swap
from tests.index_store.vectors import answers, near, new_image, new_images, unit_vectors

VECTORS = unit_vectors(40, seed=0)
REJECT = Rules(0.8, reject=True)
AGAINST = Rules(0.8, reject=True, against=("guarded",))


def picture(image_id: str, number: int, **changes) -> NewImage:
    """One with the vector of that number."""
    return new_image(image_id, VECTORS[number], **changes)


def told(outcome: AddOutcome) -> list[str]:
    return [match.image.id for match in outcome.matches]


def added(store: ImageStore, *images: NewImage, rules: Rules = REJECT, name: str = NAME) -> list[str]:
    return [outcome.status for outcome in store.add(name, images, rules)]


@contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> Iterator[None]:
    """Whatever is added then finds that `change` came between its search and its lock."""

    def admission(*arguments: object) -> Admission:
        monkeypatch.undo()
        change()
        return Admission(*arguments)

    monkeypatch.setattr(adding, "Admission", admission)
    yield
    assert adding.Admission is Admission  # it has come to pass


@pytest.fixture(params=["delta", "generation"])
def place(request: pytest.FixtureRequest) -> Callable[[ImageStore, str], None]:
    """Leaves what a collection holds in its delta, or puts it into a generation."""

    def put(store: ImageStore, name: str = NAME) -> None:
        if request.param == "generation":
            store.rebuild(name)
            let_swap(store, name)

    return put


def test_the_same_bytes_are_rejected_whatever_their_score(store: ImageStore, place: Callable) -> None:
    add_all(store, VECTORS)
    place(store)
    again = picture("again", 5, sha256=store.image(NAME, "4").sha256)
    (outcome,) = store.add(NAME, [again], Rules(0.999999, reject=True))
    assert outcome.status == "duplicate"
    assert dict(answers(list(outcome.matches)))["4"] == pytest.approx(float(VECTORS[4] @ VECTORS[5]), abs=1e-3)


def test_the_same_pixels_in_another_size_are_others(store: ImageStore) -> None:
    add_all(store, VECTORS[:1])
    pixels = store.image(NAME, "0").pixels_sha256
    assert added(store, picture("wide", 1, pixels_sha256=pixels, width=5)) == ["added"]


def test_the_oldest_of_the_same_content_is_told(store: ImageStore, place: Callable) -> None:
    """Each has a vector of its own: only the bytes tell."""
    store.add(NAME, [picture(str(n), n, sha256="same" * 16) for n in range(5)])
    store.delete(NAME, "0")
    place(store)
    (outcome,) = store.add(NAME, [picture("again", 9, sha256="same" * 16)], REJECT)
    assert (outcome.status, told(outcome)) == ("duplicate", ["1"])


def test_of_bytes_and_pixels_both_are_told(store: ImageStore) -> None:
    store.add(NAME, [picture("bytes", 1, sha256="b" * 64), picture("pixels", 3, pixels_sha256="p" * 64)])
    (outcome,) = store.add(NAME, [picture("again", 3, sha256="b" * 64, pixels_sha256="p" * 64)], REJECT)
    assert sorted(told(outcome)) == ["bytes", "pixels"]


@pytest.mark.parametrize(("stored", "new"), [(True, False), (False, True), (True, True)])
def test_a_picture_without_content_is_never_near(store: ImageStore, place: Callable, stored: bool, new: bool) -> None:
    store.add(NAME, [picture("old", 0, indeterminate=stored)])
    place(store)
    (outcome,) = store.add(NAME, [picture("new", 0, indeterminate=new)], REJECT)
    assert (outcome.status, outcome.matches) == ("added", ())


@pytest.mark.parametrize("kind", ["sha256", "pixels_sha256"])
def test_the_same_picture_without_content_is_rejected(store: ImageStore, place: Callable, kind: str) -> None:
    store.add(NAME, [picture(str(n), 0, indeterminate=True) for n in range(30)])
    place(store)
    same = getattr(store.image(NAME, "29"), kind)  # behind more of them than the index is asked for
    (outcome,) = store.add(NAME, [picture("again", 0, indeterminate=True, **{kind: same})], REJECT)
    assert (outcome.status, told(outcome)) == ("duplicate", ["29"])


def test_a_copy_behind_a_crowd_without_content_is_rejected(store: ImageStore, place: Callable) -> None:
    """Tiny pictures score high with much; as many as the index is asked for must not hide a copy."""
    store.add(NAME, [picture(str(n), 0, indeterminate=True) for n in range(5 * NEAR_TOLD)])
    store.add(NAME, [new_image("origin", near(VECTORS[:1], 0.9)[0])])
    place(store)
    (outcome,) = store.add(NAME, [picture("copy", 0)], REJECT)
    assert (outcome.status, told(outcome)) == ("duplicate", ["origin"])


def test_within_a_call_relations_count_as_between_calls(store: ImageStore) -> None:
    same = {"sha256": "s" * 64}
    images = [
        picture("a", 0, **same),
        picture("exact", 1, **same),  # with quite another vector
        picture("identical", 0, pixels_sha256=picture("a", 0).pixels_sha256),
        picture("near", 0),
        picture("blank", 0, indeterminate=True),
        picture("another blank", 0, indeterminate=True),
        picture("blank again", 3, indeterminate=True, sha256=picture("blank", 0).sha256),
        picture("like the refused", 1),
    ]
    outcomes = store.add(NAME, images, REJECT)
    assert [outcome.status for outcome in outcomes] == [
        "added", "duplicate", "duplicate", "duplicate", "added", "added", "duplicate", "added",
    ]  # fmt: skip
    assert [told(outcome) for outcome in outcomes] == [[], ["a"], ["a"], ["a"], [], [], ["blank"], []]


def test_a_call_of_several_and_several_calls_agree(store: ImageStore) -> None:
    random = np.random.default_rng(5)
    images = [
        picture(
            str(n), int(random.integers(4)), sha256=str(random.integers(20)) * 64, indeterminate=random.random() < 0.3
        )
        for n in range(40)
    ]
    together = store.add("together", images, REJECT)
    apart = [store.add("apart", [image], REJECT)[0] for image in images]
    assert [(each.status, told(each)) for each in together] == [(each.status, told(each)) for each in apart]
    assert {each.status for each in together} == {"added", "duplicate"}


def test_the_views_of_an_added_picture_find_what_its_vector_does_not(store: ImageStore, place: Callable) -> None:
    add_all(store, VECTORS[:10])
    place(store)
    collage = picture("collage", 20, views=np.stack([VECTORS[20], 0.95 * VECTORS[3], 0.7 * VECTORS[4]]))
    (outcome,) = store.add(NAME, [replace(collage, views=None)], REJECT)
    assert outcome.status == "added"
    store.delete(NAME, "collage")
    (outcome,) = store.add(NAME, [collage], REJECT)
    assert (outcome.status, answers(list(outcome.matches))) == ("duplicate", [("3", pytest.approx(0.95, abs=1e-4))])


def test_the_views_count_within_a_call_and_only_the_vector_is_remembered(store: ImageStore) -> None:
    views = np.stack([VECTORS[20], VECTORS[3]])
    part, collage, other = picture("part", 3), picture("collage", 20, views=views), picture("like the collage", 20)
    assert added(store, part, collage, other) == ["added", "duplicate", "added"]
    assert added(store, collage, part, name="the other way") == ["added", "added"]  # a part is not looked for in wholes
    assert ids_of([answers(m) for m in store.search("the other way", VECTORS[3:4], 1)]) == [["part"]]


@pytest.fixture
def guarded(store: ImageStore, place: Callable) -> ImageStore:
    """A collection of twenty that others must not repeat, and an empty one."""
    add_all(store, VECTORS[:20], "g", "guarded")
    place(store, "guarded")
    store.create_collection(NAME)
    return store


def test_against_another_collection_its_duplicates_are_rejected_and_told_with_its_name(guarded: ImageStore) -> None:
    copy = new_image("copy", near(VECTORS[3:4], 0.9)[0])
    for rules, status in ((AGAINST, "duplicate"), (replace(AGAINST, reject=False), "added")):
        (outcome,) = guarded.add(NAME, [copy], rules)
        assert outcome.status == status
        assert [(match.image.id, match.collection) for match in outcome.matches] == [("g3", "guarded")]
    assert [image.id for image in guarded.images(NAME)] == ["copy"]
    assert len(guarded.images("guarded")) == 20


def test_matches_of_all_collections_stand_best_first(guarded: ImageStore) -> None:
    guarded.add(NAME, [new_image("own", near(VECTORS[3:4], 0.9)[0])])
    guarded.add("third", [new_image("third", near(VECTORS[3:4], 0.95)[0])])
    (outcome,) = guarded.add(NAME, [picture("new", 3)], Rules(0.8, True, ("guarded", "third")))
    assert [(match.image.id, match.collection) for match in outcome.matches] == [
        ("g3", "guarded"), ("third", "third"), ("own", NAME),
    ]  # fmt: skip


def test_against_another_collection_bytes_tell_too(guarded: ImageStore) -> None:
    same = {"sha256": guarded.image("guarded", "g7").sha256}
    assert added(guarded, picture("again", 30, **same), rules=AGAINST) == ["duplicate"]
    assert added(guarded, picture("again", 30, **same)) == ["added"]


def test_what_came_meanwhile_counts_in_every_collection(guarded: ImageStore, open_store, monkeypatch) -> None:
    other = open_store()
    for name, number in ((NAME, 30), ("guarded", 31)):
        with meanwhile(monkeypatch, lambda name=name, number=number: other.add(name, [picture("late", number)])):
            (outcome,) = guarded.add(NAME, [picture(f"copy{number}", number)], AGAINST)
        assert outcome.status == "duplicate"
        assert [(match.image.id, match.collection) for match in outcome.matches] == [("late", name)]


def test_what_came_meanwhile_is_compared_with_every_view(guarded: ImageStore, open_store, monkeypatch) -> None:
    collage = picture("collage", 30, views=VECTORS[[30, 31]])
    with meanwhile(monkeypatch, lambda: open_store().add("guarded", [picture("part", 31)])):
        (outcome,) = guarded.add(NAME, [collage], AGAINST)
    assert (outcome.status, told(outcome)) == ("duplicate", ["part"])


def test_what_came_meanwhile_without_content_counts_by_its_bytes(guarded: ImageStore, open_store, monkeypatch) -> None:
    blank = picture("blank", 30, indeterminate=True)
    with meanwhile(monkeypatch, lambda: open_store().add("guarded", [blank])):
        again = replace(blank, id="again")
        assert added(guarded, picture("b", 30, indeterminate=True), again, rules=AGAINST) == ["added", "duplicate"]


def test_what_went_meanwhile_counts_no_more(guarded: ImageStore, open_store, monkeypatch) -> None:
    other = open_store()
    with meanwhile(monkeypatch, lambda: other.delete("guarded", "g3")):
        (outcome,) = guarded.add(NAME, [picture("copy", 3)], AGAINST)
    assert (outcome.status, outcome.matches) == ("added", ())


def test_an_unknown_collection_among_those_against_stores_nothing(guarded: ImageStore) -> None:
    with pytest.raises(UnknownCollection, match="'nowhere'"):
        guarded.add(NAME, [picture("new", 30)], Rules(0.8, True, ("guarded", "nowhere")))
    assert guarded.images(NAME) == []


@pytest.mark.parametrize("name", [NAME, "guarded"])
@pytest.mark.parametrize("again", [False, True])
def test_a_collection_that_ends_meanwhile_is_an_error(guarded, open_store, monkeypatch, name, again) -> None:
    def end() -> None:
        other = open_store()
        other.delete_collection(name)
        if again:
            other.create_collection(name)

    with meanwhile(monkeypatch, end), pytest.raises(UnknownCollection, match=repr(name)):
        guarded.add(NAME, [picture("new", 30)], AGAINST)
    left = {each.name for each in guarded.collections()}
    assert NAME not in left or guarded.images(NAME) == []


def test_vectors_of_another_extractor_are_compared_with_none(store: ImageStore, open_store: Callable) -> None:
    add_all(open_store(fingerprint="f2"), VECTORS[:5], name="foreign")
    store.create_collection(NAME)
    with pytest.raises(FingerprintMismatch, match="'foreign'"):
        store.add(NAME, new_images(VECTORS[:1]), Rules(0.8, True, ("foreign",)))
    assert store.images(NAME) == []


def test_without_rules_nothing_is_compared_with_other_collections_either(guarded: ImageStore) -> None:
    (outcome,) = guarded.add(NAME, [picture("copy", 3)], Rules(reject=True, against=("guarded",)))
    assert (outcome.status, outcome.matches) == ("added", ())
