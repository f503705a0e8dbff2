"""Duplicate groups: every member matches its keeper itself, the keeper is the best, and no two kept pictures match."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index_store import Group, Grouping, ImageStore, Marks, Policy, Terms, find_groups
from index_store.policy import DEFAULT, RULES
from index_store.view import Snapshot
from tests.index_store.group_oracle import Oracle, Told, circle, records, same, told
from tests.index_store.stores import NAME, add_all, let_swap, new_store
from tests.index_store.vectors import DIM, near, new_image, unit_vectors

LEAST = 0.94  # the cosine of 20 degrees is 0.93969
OTHER = "other"
FORMATS = ("PNG", "JPEG", "GIF")
STRANGERS = unit_vectors(200, seed=7)  # so that codes can be trained
STRANGERS[:, :2] = 0

facts = st.fixed_dictionaries(
    {
        "degrees": st.integers(0, 120),
        "sha256": st.integers(0, 30),
        "pixels": st.integers(0, 30),
        "width": st.integers(1, 3),
        "size": st.integers(1, 4),
        "format": st.sampled_from(FORMATS),
    }
)
pictures = st.lists(facts, min_size=1, max_size=30)
verdict = st.sampled_from(["duplicates", "not_duplicates"])
said = st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29), verdict), max_size=6)
policies = st.lists(st.sampled_from(sorted(RULES)), min_size=1, max_size=4, unique=True).map(tuple).map(Policy)
quick = settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def digest(kind: str, number: int) -> str:
    return f"{kind}{number:015x}".ljust(64, "0")


def image(number: int, facts: dict):
    same = {"sha256": digest("a", facts["sha256"]), "pixels_sha256": digest("b", facts["pixels"])}
    plain = {name: facts[name] for name in ("width", "size", "format")}
    return new_image(str(number), circle([facts["degrees"]], DIM)[0], **same, **plain)


def stranger(number: int):
    return distinct(f"stranger{number}", STRANGERS[number])


def distinct(image_id: str, vector: np.ndarray, **changes):
    """A picture of bytes and pixels of its own."""
    own = image_id.encode().hex()[::-1].ljust(64, "f")[:64]
    return new_image(image_id, vector, **{"sha256": own, "pixels_sha256": own, **changes})


def in_delta(store: ImageStore, images: list) -> None:
    store.add(NAME, images)


def in_generation(store: ImageStore, images: list) -> None:
    store.add(NAME, images)
    store.rebuild(NAME)
    let_swap(store)


def in_both(store: ImageStore, images: list) -> None:
    in_generation(store, images[: len(images) // 2])
    in_delta(store, images[len(images) // 2 :])


def in_ivf(store: ImageStore, images: list) -> None:
    in_both(store, images + [stranger(number) for number in range(len(STRANGERS))])
    assert not store.moment(NAME).snapshot.is_exact


PLACES = {"delta": in_delta, "generation": in_generation, "both": in_both, "ivf": in_ivf}
# With an index that compares with everything, each way has to find the same.
WAYS = [*((place, False) for place in PLACES), ("both", True)]


@contextmanager
def holding(images: list, place: str = "delta", by_index: bool = False) -> Iterator[ImageStore]:
    """A store that holds them; its searches look at few pictures at a time, so that a few are many."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        # Codes put neighbours in another order; the slack makes up for that.
        looks = {"FIRST_LOOK": 20} if place == "ivf" else {"FIRST_LOOK": 3, "SLACK": 1}
        few = {"MOST_KEEPERS": 5, "FEWEST_KEEPERS": 5, "ROWS": 7, **looks}
        for name, value in few.items():
            stack.enter_context(patch(f"index_store.candidates.{name}", value))
        stack.enter_context(patch("index_store.candidates.ByIndex.batch", 5))
        stack.enter_context(patch("index_store.build.FEWEST", 39))
        if by_index:
            stack.enter_context(patch.object(Snapshot, "is_exact", False))
        exact_below = 0 if place == "ivf" else 1000
        store = stack.enter_context(closing(new_store(Path(folder), exact_below=exact_below, recall_target=1.0)))
        PLACES[place](store, images)
        yield store


def mark_all(store: ImageStore, said: list[tuple[int, int, str]], count: int) -> dict[frozenset[str], str]:
    verdicts = {}
    for one, other, verdict in said:
        if one % count != other % count:
            a, b = str(one % count), str(other % count)
            Marks(store.catalog).mark((NAME, a), (NAME, b), verdict)
            verdicts[frozenset((a, b))] = verdict
    return verdicts


def groups(store: ImageStore, keep: str = DEFAULT, least: float = LEAST, **terms) -> list[Group]:
    return list(find_groups(store, NAME, Terms(least, Policy.parse(keep), **terms)))


def ids(found: Told) -> list[tuple[str, set[str]]]:
    return [(keeper, set(members)) for keeper, members in found]


def _equals_brute_force(pictures: list[dict], said: list, policy: Policy, place: str, by_index: bool) -> None:
    images = [image(number, facts) for number, facts in enumerate(pictures)]
    with holding(images, place, by_index) as store:
        verdicts = mark_all(store, said, len(images))
        held = {each.id: each.vector for each in [*images, *map(stranger, range(len(STRANGERS)))]}
        oracle = Oracle(held, verdicts, LEAST)
        found = told(find_groups(store, NAME, Terms(LEAST, policy)))
        assert same(found, oracle.groups(records(store, NAME), policy))


@pytest.mark.parametrize(("place", "by_index"), WAYS)
@quick
@given(pictures, said, policies)
def test_groups_are_those_of_brute_force(place, by_index, pictures, said, policy) -> None:
    _equals_brute_force(pictures, said, policy, place, by_index)


@pytest.mark.slow
@pytest.mark.parametrize(("place", "by_index"), WAYS)
@thorough
@given(pictures, said, policies)
def test_groups_are_those_of_brute_force_in_more_cases(place, by_index, pictures, said, policy) -> None:
    _equals_brute_force(pictures, said, policy, place, by_index)


@quick
@given(pictures, said, policies)
def test_what_groups_promise(pictures, said, policy) -> None:
    images = [image(number, facts) for number, facts in enumerate(pictures)]
    with holding(images) as store:
        verdicts = mark_all(store, said, len(images))
        oracle = Oracle({each.id: each.vector for each in images}, verdicts, LEAST)
        found = list(find_groups(store, NAME, Terms(LEAST, policy)))
        members = [member.image for group in found for member in group.members]
        removed = {image.id for image in members}
        assert len(removed) == len(members)  # in one group each
        assert not removed & {group.keeper.id for group in found}
        for group in found:
            assert all(oracle.matches(group.keeper, member.image) for member in group.members)
            assert all(policy.key(group.keeper) < policy.key(member.image) for member in group.members)
            assert group.min_score == min(member.score for member in group.members)
            assert group.saves_bytes == sum(member.image.size for member in group.members)
        left = [image for image in records(store, NAME) if image.id not in removed]
        assert not any(oracle.matches(a, b) for a in left for b in left if a.id < b.id)


@quick
@given(st.permutations(range(12)), st.lists(st.integers(0, 90), min_size=12, max_size=12))
def test_the_order_of_adding_does_not_matter_to_a_policy_that_knows_no_ties(order, degrees) -> None:
    images = [distinct(str(n), circle([degree], DIM)[0], size=n + 1) for n, degree in enumerate(degrees)]
    with holding(images) as store, holding([images[n] for n in order]) as shuffled:
        assert told(groups(store, "biggest_file")) == told(groups(shuffled, "biggest_file"))


def chain() -> list:
    """Each 15 degrees from the next: neighbours match, and nobody else."""
    return [distinct(name, vector) for name, vector in zip("abcde", circle([0, 15, 30, 45, 60], DIM), strict=True)]


def test_a_chain_is_not_one_group() -> None:
    with holding(chain()) as store:
        assert ids(told(groups(store, "oldest"))) == [("a", {"b"}), ("c", {"d"})]
        assert ids(told(groups(store, "newest"))) == [("e", {"d"}), ("c", {"b"})]


def test_a_keeper_in_the_middle_takes_both_sides() -> None:
    middle = distinct("keeper", circle([15], DIM)[0], size=99)
    with holding([*chain()[::2], middle]) as store:
        assert ids(told(groups(store, "biggest_file"))) == [("keeper", {"a", "c"})]


@pytest.mark.parametrize("place", ["delta", "generation", "both"])
@pytest.mark.parametrize("by_index", [False, True])
def test_a_crowd_is_one_group_however_deep_it_has_to_be_looked_for(place: str, by_index: bool) -> None:
    crowd = near(np.repeat(STRANGERS[:1], 150, axis=0), 0.99)
    images = [distinct(f"{number:03}", vector) for number, vector in enumerate(crowd)]
    with holding(images, place, by_index) as store:
        assert ids(told(groups(store, "oldest"))) == [("000", {f"{n:03}" for n in range(1, 150)})]


def test_a_keeper_of_very_many_has_several_groups(monkeypatch) -> None:
    monkeypatch.setattr("index_store.grouping.MOST_MEMBERS", 4)
    with holding([distinct(str(n), STRANGERS[0]) for n in range(11)]) as store:
        found = groups(store)
    assert [(group.keeper.id, len(group.members)) for group in found] == [("0", 4), ("0", 4), ("0", 2)]
    assert len({member.image.id for group in found for member in group.members}) == 10


def test_the_same_bytes_and_pixels_belong_together_whatever_they_score(monkeypatch) -> None:
    a, b, c, d = (distinct(name, STRANGERS[n]) for n, name in enumerate("abcd"))
    b = distinct("b", b.vector, sha256=a.sha256)
    c = distinct("c", c.vector, pixels_sha256=a.pixels_sha256)
    with holding([a, b, c, d]) as store:
        (group,) = groups(store, "oldest")
        assert {member.image.id: member.relation for member in group.members} == {"b": "exact", "c": "identical"}
        assert ids(told(groups(store, "oldest", kind="identical"))) == [("a", {"b", "c"})]
        assert ids(told(groups(store, "oldest", kind="exact"))) == [("a", {"b"})]


def test_only_copies_are_found_where_only_those_are_asked_for() -> None:
    a, b = (distinct(name, STRANGERS[0]) for name in "ab")
    with holding([a, b]) as store:
        assert ids(told(groups(store))) == [("a", {"b"})]
        Marks(store.catalog).mark((NAME, "a"), (NAME, "b"), "duplicates")
        assert groups(store, kind="identical") == groups(store, kind="exact") == []


def test_digests_that_only_begin_alike_are_not_the_same() -> None:
    a, b = (distinct(name, STRANGERS[n]) for n, name in enumerate("ab"))
    alike = dict.fromkeys(("sha256", "pixels_sha256"), "c" * 63 + "d")
    with holding(
        [distinct("a", a.vector, **dict.fromkeys(alike, "c" * 64)), distinct("b", b.vector, **alike)]
    ) as store:
        assert groups(store) == groups(store, kind="identical") == groups(store, kind="exact") == []


def test_an_indeterminate_picture_is_grouped_by_bytes_pixels_and_marks_alone() -> None:
    blank = [distinct(f"blank{n}", STRANGERS[0], indeterminate=True) for n in range(4)]
    blank[2] = replace(blank[2], pixels_sha256=blank[0].pixels_sha256)
    with holding([distinct("a", STRANGERS[0]), *blank, distinct("b", STRANGERS[0])]) as store:
        assert ids(told(groups(store, "oldest"))) == [("a", {"b"}), ("blank0", {"blank2"})]
        Marks(store.catalog).mark((NAME, "blank1"), (NAME, "blank3"), "duplicates")
        assert ids(told(groups(store, "oldest"))) == [("a", {"b"}), ("blank0", {"blank2"}), ("blank1", {"blank3"})]
        assert ids(told(groups(store, "newest"))) == [("b", {"a"}), ("blank3", {"blank1"}), ("blank2", {"blank0"})]


def test_marks_weigh_more_than_scores_and_bytes() -> None:
    same = {"sha256": "a" * 64, "pixels_sha256": "b" * 64}
    with holding([distinct(n, STRANGERS[i // 3], **(same if i < 3 else {})) for i, n in enumerate("abcxy")]) as store:
        assert ids(told(groups(store, "oldest"))) == [("a", {"b", "c"}), ("x", {"y"})]
        marks = Marks(store.catalog)
        marks.mark((NAME, "a"), (NAME, "b"), "not_duplicates")
        marks.mark((NAME, "c"), (NAME, "x"), "duplicates")
        marks.mark((NAME, "b"), (NAME, "y"), "duplicates")
        found = groups(store, "oldest")
        assert ids(told(found)) == [("a", {"c"}), ("b", {"y"})]  # a takes c before x could
        assert [member.relation for group in found for member in group.members] == ["exact", "marked"]


def test_groups_against_another_collection_are_kept_by_it_alone() -> None:
    with holding(chain()) as store:
        store.add(OTHER, [distinct(n, v) for n, v in zip("pqr", circle([20, 25, 170], DIM), strict=True)])
        Marks(store.catalog).mark((NAME, "e"), (OTHER, "r"), "duplicates")
        Marks(store.catalog).mark((NAME, "b"), (OTHER, "p"), "not_duplicates")
        found = groups(store, "oldest", against=OTHER)
        assert ids(told(found)) == [("p", {"c"}), ("q", {"b"}), ("r", {"e"})]
        assert {group.kept_for for group in found} == {"protected"}
        assert all(store.image(OTHER, group.keeper.id).seq == group.keeper.seq for group in found)


@pytest.mark.parametrize("place", ["both", "ivf"])
@quick
@given(ours=pictures, theirs=pictures)
def test_groups_against_another_collection_are_those_of_brute_force(place, ours, theirs) -> None:
    mine = [image(number, facts) for number, facts in enumerate(ours)]
    with holding(mine, place) as store:
        store.add(OTHER, [image(1000 + number, facts) for number, facts in enumerate(theirs)])
        vectors = {each.id: each.vector for each in mine}
        vectors |= {str(1000 + number): image(number, facts).vector for number, facts in enumerate(theirs)}
        policy, expected, taken = Policy.parse(DEFAULT), [], set()
        oracle = Oracle(vectors, {}, LEAST)
        candidates = [each for each in records(store, NAME) if not each.id.startswith("stranger")]
        for keeper in sorted(records(store, OTHER), key=policy.key):
            own = {m.id: oracle.score(keeper, m) for m in candidates if m.id not in taken and oracle.matches(keeper, m)}
            taken |= own.keys()
            expected += [(keeper.id, own)] if own else []
        assert same(told(groups(store, against=OTHER)), expected)


def test_deleted_pictures_are_in_no_group() -> None:
    with holding([distinct(str(n), STRANGERS[0]) for n in range(4)], "both") as store:
        store.delete(NAME, "0")
        store.delete(NAME, "3")
        assert ids(told(groups(store))) == [("1", {"2"})]


@pytest.mark.parametrize("by_index", [False, True])
def test_a_moment_is_gone_through_as_it_was_less_what_was_deleted(by_index: bool) -> None:
    with holding([distinct(str(n), STRANGERS[0]) for n in range(5)], "both", by_index) as store:
        moment, terms = store.moment(NAME), Terms(LEAST, Policy.parse("newest"))
        store.delete(NAME, "1")
        store.delete(NAME, "4")
        store.add(NAME, [distinct("later", STRANGERS[0])])
        ((found,),) = [found for _, found in Grouping(store.catalog, terms, moment).groups() if found]
        seqs = [found.keeper, *(link.seq for link in found.links)]
        assert [store.catalog.images_by_seq([seq])[seq].id for seq in seqs] == ["3", "0", "2"]


def test_what_changes_while_groups_are_told_is_left_out() -> None:
    images = [distinct(f"{n}{which}", STRANGERS[n]) for n in range(20) for which in "abc"]
    with holding(images) as store:
        found = find_groups(store, NAME, Terms(LEAST, Policy.parse("oldest")))
        assert ids(told([next(found)])) == [("0a", {"0b", "0c"})]
        for image_id in ("10a", "11b", "12b", "12c"):
            store.delete(NAME, image_id)
        Marks(store.catalog).mark((NAME, "13a"), (NAME, "13b"), "not_duplicates")
        rest = dict(ids(told(found)))
        assert ("10a" in rest, rest["11a"], "12a" in rest, rest["13a"]) == (False, {"11c"}, False, {"13c"})


def test_collections_without_duplicates_have_no_groups() -> None:
    with holding([stranger(n) for n in range(20)]) as store:
        assert groups(store) == []
        store.create_collection(OTHER)
        assert groups(store, against=OTHER) == []
        assert list(find_groups(store, OTHER, Terms(-1.0, Policy.parse(DEFAULT)))) == []


RULED = {
    "largest": {"width": 9},
    "best_format": {"format": "PNG"},
    "biggest_file": {"size": 99},
    "smallest_file": {"size": 1},
    "shortest_id": {"id": "s"},
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_keeps_what_it_says_and_is_the_reason(store: ImageStore, rule: str) -> None:
    add_all(store, STRANGERS[:1], "first")
    plain = {"width": 4, "size": 12, "format": "JPEG"}
    best = {"id": "middle", **plain, **RULED.get(rule, {})}
    middle = distinct(best.pop("id"), STRANGERS[1], **best)
    images = [distinct("earlier", STRANGERS[1], **plain), middle, distinct("last-of-all", STRANGERS[1], **plain)]
    store.add(NAME, images)
    (group,) = groups(store, rule)
    expected = {"oldest": "earlier", "newest": "last-of-all"}.get(rule, middle.id)
    assert (group.keeper.id, group.kept_for) == (expected, rule)


def test_rules_count_in_their_order_and_the_last_tie_is_decided_by_age(store: ImageStore) -> None:
    sizes = {"small": (4, 50), "older": (8, 10), "newer": (8, 10)}
    store.add(NAME, [distinct(n, STRANGERS[0], width=w, size=s) for n, (w, s) in sizes.items()])
    for keep, keeper, reason in (
        ("largest,biggest_file", "older", "oldest"),
        ("biggest_file,largest", "small", "biggest_file"),
        ("largest,newest", "newer", "newest"),
    ):
        (group,) = groups(store, keep)
        assert (group.keeper.id, group.kept_for) == (keeper, reason)


@pytest.mark.parametrize(
    ("text", "wrong"), [("", "''"), ("best", "'best'"), ("oldest,", "''"), ("oldest,oldest", "twice")]
)
def test_a_policy_that_makes_no_sense_is_told(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Policy.parse(text)
