"""Many files at once: one outcome each, in order, durable batch by batch."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from extractor import NoEmbedding
from index_store import Catalog
from retrieval.bulk import BulkAdder, ImageFile
from retrieval.engine import Engine
from retrieval.settings import Settings
from tests import chosen
from tests.conftest import MakeSettings
from tests.service.asking import Exact, jpeg, small

BATCH = 4


@pytest.fixture
def own(settings: MakeSettings) -> Settings:
    return settings(extractor={"batch_size": BATCH})


@pytest.fixture
def engine(own: Settings) -> Iterator[Engine]:
    """An engine over an empty catalog."""
    own.data_dir.mkdir()
    catalog = Catalog(own.catalog_url)
    with Engine.open(own, catalog) as opened:
        yield opened
    catalog.close()


@pytest.fixture
def files(tmp_path: Path) -> list[ImageFile]:
    """Thirty pictures."""
    made = [ImageFile(f"{seed}.jpg", tmp_path / f"{seed}.jpg", "album", {"n": seed}) for seed in range(30)]
    for seed, file in enumerate(made):
        file.path.write_bytes(small(seed))
    return made


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def test_every_file_has_its_outcome_in_order_and_all_are_found(own, engine, files):
    outcomes = list(BulkAdder(own, engine, "default").add(files))
    assert [outcome.file for outcome in outcomes] == files
    assert set(statuses(outcomes)) == {"added"}
    held = {image.id: image for image in engine.store.images("default")}
    assert list(held) == [file.id for file in files]
    assert {(image.source, image.metadata["n"]) for image in held.values()} == {("album", n) for n in range(30)}


def test_vectors_do_not_depend_on_the_batch(own, engine, files):
    list(BulkAdder(own, engine, "default").add(files))
    oracle = Exact({file.id: file.path.read_bytes() for file in files})
    query = engine.extractor.embed([Image.open(BytesIO(small(7))).convert("RGB")])
    (matches,) = engine.store.search("default", query, 30)
    exact = oracle.search(small(7), 30)
    assert {match.image.id: match.score for match in matches} == pytest.approx(dict(exact), abs=chosen.rounding())


def test_broken_missing_large_and_misnamed_files_are_outcomes_and_the_rest_goes_on(own, engine, files, tmp_path):
    files[3].path.write_bytes(b"no picture")
    files[5].path.unlink()
    files[9].path.write_bytes(bytes(own.input.max_bytes + 1))
    files[11] = ImageFile("../up.jpg", files[11].path)
    outcomes = list(BulkAdder(own, engine, "default").add(files))
    failed = {place: outcome.detail for place, outcome in enumerate(outcomes) if outcome.status == "failed"}
    assert failed.keys() == {3, 5, 9, 11}
    assert all(failed.values())
    assert statuses(outcomes).count("added") == 26


def test_a_second_run_passes_over_what_is_there(own, engine, files):
    list(BulkAdder(own, engine, "default").add(files[:20]))
    outcomes = list(BulkAdder(own, engine, "default").add(files))
    assert statuses(outcomes) == ["known"] * 20 + ["added"] * 10
    assert len(engine.store.images("default")) == 30


def test_a_changed_file_under_a_known_id_is_told_from_the_same(own, engine, files):
    list(BulkAdder(own, engine, "default").add(files))
    files[0].path.write_bytes(jpeg(99))
    outcomes = list(BulkAdder(own, engine, "default").add(files))
    assert statuses(outcomes) == ["failed"] + ["known"] * 29
    assert "in use by another picture" in outcomes[0].detail


def test_namesakes_in_one_run_are_told_apart(own, engine, files):
    same, other = ImageFile("0.jpg", files[0].path), ImageFile("0.jpg", files[1].path)
    assert statuses(BulkAdder(own, engine, "default").add([files[0], same, other])) == ["added", "known", "failed"]


def test_reject_leaves_out_duplicates_of_the_collection_of_the_run_and_of_the_batch(own, engine, files, tmp_path):
    list(BulkAdder(own, engine, "default").add(files[:1]))
    copies = []
    for number, seed in enumerate((0, 1, 1, 2, 3, 4, 2)):  # the last is in the second batch
        path = tmp_path / f"copy-{number}.jpg"
        path.write_bytes(small(seed))
        copies.append(ImageFile(f"copy-{number}", path))
    outcomes = list(BulkAdder(own, engine, "default", reject=True).add(copies))
    assert statuses(outcomes) == ["duplicate", "added", "duplicate", "added", "added", "added", "duplicate"]
    assert [outcomes[place].detail.split("'")[1] for place in (0, 2, 6)] == ["0.jpg", "copy-1", "copy-3"]


def test_reject_leaves_out_what_a_protected_collection_holds(own, engine, files):
    list(BulkAdder(own, engine, "masters").add(files[:2]))
    outcomes = list(BulkAdder(own, engine, "default", reject=True, against=["masters"]).add(files[:4]))
    assert statuses(outcomes) == ["duplicate", "duplicate", "added", "added"]
    assert outcomes[1].detail.startswith("duplicate of '1.jpg' in 'masters' (score 1.000)")


def test_keep_takes_duplicates(own, engine, files):
    twice = [*files[:3], *(ImageFile(f"again-{file.id}", file.path) for file in files[:3])]
    assert set(statuses(BulkAdder(own, engine, "default").add(twice))) == {"added"}


def test_what_was_yielded_is_kept_when_a_run_is_interrupted(own, engine, files):
    outcomes = BulkAdder(own, engine, "default").add(files)
    seen = [next(outcomes).file.id for _ in range(BATCH + 1)]
    outcomes.close()  # as by an exception in whoever reads them
    held = [image.id for image in engine.store.images("default")]
    assert held[: len(seen)] == seen
    assert len(held) == 2 * BATCH  # the batch of the last outcome, and none beyond it
    assert statuses(BulkAdder(own, engine, "default").add(files)) == ["known"] * 8 + ["added"] * 22


def test_no_files_are_no_trouble(own, engine):
    assert list(BulkAdder(own, engine, "default").add([])) == []
    assert engine.store.collections() == []


def test_a_picture_without_an_embedding_fails_alone(own, engine, files, monkeypatch):
    """As where a network overflows on it; the others of its batch are added."""
    whole = type(engine.extractor)._infer
    bad = engine.extractor.prepare(Image.open(files[3].path).convert("RGB"))

    def infer(self, batch):
        if any(np.array_equal(each, bad) for each in batch):
            raise NoEmbedding("no finite numbers")
        return whole(self, batch)

    monkeypatch.setattr(type(engine.extractor), "_infer", infer)
    outcomes = list(BulkAdder(own, engine, "default").add(files))
    assert [outcome.status for outcome in outcomes if outcome.file is files[3]] == ["failed"]
    assert {outcome.status for outcome in outcomes if outcome.file is not files[3]} == {"added"}
