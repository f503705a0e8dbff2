"""Extractors and hashes behind one interface."""

import imagehash
import numpy as np
import pytest

from evaluation.configs import load_descriptor, nested, settings_of
from evaluation.descriptors import BASELINES
from tests.corpus import photo

NAMES = [*BASELINES, "extractor.name=thumbnail"]


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_scores_one_to_itself_and_more_than_any_other(name):
    descriptor = load_descriptor(name)
    vectors = descriptor.embed([photo(seed) for seed in range(6)])
    scores = descriptor.scores(vectors, vectors)
    assert vectors.shape == (6, descriptor.dim)
    assert (vectors.dtype, scores.dtype) == (np.float32, np.float32)
    assert np.diag(scores) == pytest.approx(1)
    assert (scores.argmax(axis=1) == np.arange(6)).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (3, 300), (700, 2)])
def test_pictures_of_any_shape_have_a_vector(name, size):
    assert np.isfinite(load_descriptor(name).embed([photo(1).resize(size)])).all()


@pytest.mark.parametrize("name", NAMES)
def test_no_pictures_have_no_vectors(name):
    descriptor = load_descriptor(name)
    assert descriptor.embed([]).shape == (0, descriptor.dim)


@pytest.mark.parametrize("name", ["dhash", "phash"])
def test_the_score_is_the_part_of_bits_that_agree_exactly(name):
    descriptor = load_descriptor(name)
    first, second = photo(1), photo(2)
    function = getattr(imagehash, name)
    vectors = descriptor.embed([first, second])
    assert descriptor.scores(vectors[:1], vectors[1:]).item() == 1 - (function(first) - function(second)) / 64


def test_configurations_come_from_files_and_from_single_settings(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("extractor: {size: 224, name: sscd_distilled}\n")
    assert settings_of(str(file)).extractor.size == 224
    changed = settings_of(f"{file},extractor.size=256").extractor
    assert (changed.name, changed.size) == ("sscd_distilled", 256)
    assert settings_of("default") == settings_of("default,extractor.batch_size=16")
    assert settings_of("extractor.size=320").extractor.size == 320


def test_dotted_keys_are_sections():
    assert nested({"a.b": 1, "a.c.d": 2, "e": 3}) == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}


@pytest.mark.parametrize("name", NAMES)
def test_a_query_is_embedded_as_a_reference_is(name):
    descriptor = load_descriptor(name)
    images = [photo(seed) for seed in range(3)]
    references = descriptor.embed(images)
    rows = descriptor.embed_queries(images, references)
    assert [each.shape for each in rows] == 3 * [(1, descriptor.dim)]
    assert (np.concatenate(rows) == references).all()


def thorough(enough):
    return load_descriptor(f"extractor.name=thumbnail,search.mode=thorough,extractor.parts.enough={enough}")


def test_a_thorough_query_has_rows_for_its_parts_unless_its_whole_is_found():
    descriptor = thorough(0.9)
    known, unknown = photo(1), photo(2)
    references = descriptor.embed([known])
    first, second = descriptor.embed_queries([known, unknown], references)
    assert first.shape == (1, descriptor.dim)
    assert len(second) > 9
    assert (second[0] == descriptor.embed([unknown])[0]).all()
    assert (np.linalg.norm(second[1:], axis=1) < 1).all()


def test_a_thorough_search_among_nothing_has_all_rows():
    descriptor = thorough(0.5)
    (rows,) = descriptor.embed_queries([photo(1)], np.empty((0, descriptor.dim), np.float32))
    assert len(rows) > 9
