"""How a suite is made up, and that it is the same each time."""

import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from evaluation.edits import CASES, EDITS
from evaluation.errors import EvaluationError
from evaluation.pictures import Photo, Reader, look_through
from evaluation.suite import Plan
from retrieval.settings import load_settings
from scripts.build_index import pictures
from tests.corpus import photo
from tests.evaluation.conftest import COUNT

READER = Reader(load_settings(environ={}).input, longest=1024)


def found_in(folder, reader=READER):
    return look_through([Photo(file.id, file.path, reader) for file in pictures([folder])])


def suite(folder, copies=40, strangers=0.3, seed=0):
    return Plan(copies, strangers, seed).suite(found_in(folder))


def digests(task, numbers):
    return [hashlib.sha256(task.queries[number].open().tobytes()).hexdigest() for number in numbers]


def test_the_same_seed_gives_the_same_pixels_in_any_order(folder):
    numbers = list(range(0, 60, 7))
    assert digests(suite(folder), numbers) == digests(suite(folder), reversed(numbers))[::-1]


def test_another_seed_gives_other_copies(folder):
    assert digests(suite(folder), range(5)) != digests(suite(folder, seed=1), range(5))


def test_the_seed_settles_the_pixels_of_each_copy(folder):
    copies = [item for item in suite(folder).queries if "noise" in item.edits or "crop" in item.edits][:3]
    for copy in copies:
        again, other = replace(copy, seed=copy.seed), replace(copy, seed=(1, copy.seed[1]))
        assert again.open().tobytes() == copy.open().tobytes() != other.open().tobytes()


def test_strangers_are_in_no_reference_and_in_no_pair(folder):
    task = suite(folder)
    references = {item.name for item in task.references}
    strangers = {item.name for item in task.queries[40:]}
    assert len(references) == COUNT - 4
    assert len(strangers) == 4
    assert not references & strangers
    assert task.strangers == 20


def test_every_copy_belongs_to_its_source_and_takes_turns(folder):
    task = suite(folder)
    assert [task.queries[query].name for query, _ in task.pairs] == [task.references[at].name for _, at in task.pairs]
    assert set(Counter(item.name for item in task.queries[:40]).values()) == {4}


def test_other_pictures_are_strangers_and_never_the_picture_itself(folder):
    task = suite(folder)
    references = {item.name for item in task.references}
    for item in task.queries:
        assert item.other.name not in references
        assert item.other.name != item.source.name


def test_half_of_the_copies_have_one_edit_and_every_case_takes_its_turn(folder):
    task = suite(folder, copies=4 * len(CASES))
    lengths = Counter(item.chain for item in task.queries[: 4 * len(CASES)])
    assert lengths == {1: 2 * len(CASES), 2: len(CASES), 3: len(CASES)}
    singles = Counter(item.edits for item in task.queries[: 4 * len(CASES)] if item.chain == 1)
    assert singles == {str(case): 2 for case in CASES}


def test_a_chain_has_different_edits(folder):
    for item in suite(folder, copies=200).queries:
        assert len({step.edit for step in item.steps}) == item.chain
        assert {step.edit for step in item.steps} <= set(EDITS)


@pytest.mark.parametrize("part", [0.001, 0.999])
def test_there_are_always_references_and_two_strangers(folder, part):
    task = suite(folder, strangers=part)
    assert len(task.references) >= 1
    assert len({item.name for item in task.queries[40:]}) >= 2


def test_too_few_pictures(tmp_path):
    photo(1).save(tmp_path / "one.png")
    with pytest.raises(EvaluationError, match="1 different pictures could be read; at least 4"):
        suite(tmp_path)


def test_what_cannot_be_read_and_what_repeats_is_left_out_and_said_so(tmp_path):
    for seed in range(5):
        photo(seed).save(tmp_path / f"{seed}.png")
    photo(0).save(tmp_path / "again.bmp")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    found = found_in(tmp_path)
    assert [item.name for item in found.photos] == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    repeat, broken = found.problems
    assert "again.bmp: the same picture as " in repeat
    assert "broken.jpg: " in broken


def test_the_digest_changes_with_names_and_pixels(tmp_path):
    def digest(name, seed):
        for old in tmp_path.iterdir():
            old.unlink()
        photo(seed).save(tmp_path / name)
        return found_in(tmp_path).digest

    assert digest("a.png", 1) == digest("a.png", 1)
    assert len({digest("a.png", 1), digest("b.png", 1), digest("a.png", 2)}) == 3


def test_large_pictures_are_scaled_down(tmp_path):
    photo(1, (400, 200)).save(tmp_path / "a.png")
    (item,) = found_in(tmp_path, Reader(READER.limits, longest=100)).photos
    assert item.open().size == (100, 50)


def test_all_strengths_are_the_suite_without_a_choice(folder):
    chosen = Plan(40, 0.3, 0, ("weak", "medium", "strong")).suite(found_in(folder))
    assert [item.steps for item in chosen.queries] == [item.steps for item in suite(folder).queries]


def test_only_the_strengths_that_are_chosen_are_drawn_and_all_of_them(folder):
    task = Plan(400, 0.3, 0, ("weak",)).suite(found_in(folder))
    steps = {step for item in task.queries for step in item.steps}
    assert steps == {case for case in CASES if case.strength in ("weak", "only")}
    assert task.parameters["strengths"] == ["weak"]
