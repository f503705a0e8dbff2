"""Vectors of a picture's parts."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from extractor import Parts, load_extractor
from extractor.crops import parts_of
from extractor.thumbnail import Thumbnail
from tests.corpus import photo
from tests.extractor.samples import BASE, settings

THUMBNAIL = Thumbnail()


def section(**changes):
    return BASE["parts"] | changes


def test_rows_are_the_vectors_of_the_parts_as_long_as_they_are_trusted():
    parts = Parts(settings(name="thumbnail", parts=section(trust=0.8)), THUMBNAIL)
    rows = parts.rows(photo(1))
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(0.8)
    assert rows == pytest.approx(0.8 * THUMBNAIL.embed(parts_of(photo(1))))


def test_a_plain_surface_has_no_rows():
    rows = Parts(settings(name="thumbnail"), THUMBNAIL).rows(Image.new("RGB", (80, 60), "white"))
    assert rows.shape == (0, THUMBNAIL.dim)


def test_a_picture_on_a_picture_scores_higher_by_its_part_than_by_the_whole():
    both, top = photo(1, (400, 300)), photo(2, (150, 120))
    both.paste(top, (200, 90))
    wanted = THUMBNAIL.embed([top])[0]
    rows = Parts(settings(name="thumbnail"), THUMBNAIL).rows(both)
    assert (rows @ wanted).max() > 0.9 > THUMBNAIL.embed([both])[0] @ wanted + 0.2


def test_a_whole_is_enough_from_the_score_that_is_set():
    parts = Parts(settings(name="thumbnail", parts=section(enough=0.5)), THUMBNAIL)
    assert [parts.is_enough(score) for score in (-1, 0.49, 0.5, 1)] == [False, False, True, True]


@pytest.mark.parametrize("changes", [{"name": "thumbnail"}, {"name": "sscd_distilled"}, {"transform": "file.npz"}])
def test_without_a_student_in_its_space_an_extractor_embeds_its_parts_itself(changes):
    assert Parts(settings(**changes), THUMBNAIL).load() is THUMBNAIL


def test_the_student_is_loaded_once_and_only_when_it_is_needed(monkeypatch):
    made = []

    def student(given):
        time.sleep(0.05)
        made.append((given.name, given.size, given.arithmetic))
        return THUMBNAIL

    monkeypatch.setattr("extractor.parts.OnnxExtractor", student)
    parts = Parts(settings(name="sscd", parts=section(size=128)), THUMBNAIL)
    assert made == []
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(parts.rows, [photo(1)] * 8))
    assert made == [("sscd_distilled", 128, "fastest")]
    assert all((rows == found[0]).all() for rows in found)


@pytest.mark.model
def test_the_students_parts_find_what_the_teacher_remembers(loaded):
    teacher = loaded("sscd", "openvino")
    parts = Parts(settings(), teacher)
    originals = [photo(seed) for seed in range(12)]
    remembered = teacher.embed(originals)
    for seed in range(4):
        both = photo(100 + seed, (480, 360))
        both.paste(originals[seed].resize((144, 108)), (40 + 60 * seed, 130))
        scores = (parts.rows(both) @ remembered.T).max(axis=0)
        assert scores.argmax() == seed
        assert scores[seed] > teacher.embed([both])[0] @ remembered[seed]


@pytest.mark.model
def test_a_student_for_queries_alone_gives_nearly_the_same_vectors_as_one_for_the_index():
    """Its arithmetic is the fastest that the processor has."""
    kept = load_extractor(settings(name="sscd_distilled", size=192))
    own = Parts(settings(parts=section(size=192)), THUMBNAIL).load()
    assert (kept.embed([photo(3)]) * own.embed([photo(3)])).sum() > 0.99
