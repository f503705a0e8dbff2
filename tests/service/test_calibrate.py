"""Calibrating a collection from its own pictures: by job, by command line, with what people have marked."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evaluation.edits import Case
from extractor import load_extractor
from index_store import Catalog, JobBoard
from retrieval import calibrations
from retrieval.bulk import BulkAdder, ImageFile
from retrieval.calibrate import FEWEST, Asker, calibrate, find_out, modes_of
from retrieval.calibration import MarkedPair
from retrieval.calibrations import read_defaults
from retrieval.edited import Queries, Sampling
from retrieval.engine import Engine
from retrieval.errors import CannotCalibrate, NotCalibrated
from retrieval.job_runner import run
from retrieval.settings import Settings
from scripts import calibrate as command
from scripts.measure_calibration import Measured, measure
from tests import chosen
from tests.chosen import settings_of
from tests.corpus import photo
from tests.service.server import ROOT, configuration

pytestmark = chosen.with_thumbnails()

COUNT = 24
NAME = "default"
FEW = Sampling(edits=2, modes=("fast",))


def save(folder: Path, numbers: range, size: tuple[int, int] = (64, 48)) -> list[ImageFile]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number:03}.png" for number in numbers]
    for number, path in zip(numbers, paths, strict=True):
        photo(number, size).save(path)
    return [ImageFile(path.name, path, source=str(path)) for path in paths]


@pytest.fixture
def files(tmp_path: Path) -> list[ImageFile]:
    return save(tmp_path / "pictures", range(COUNT))


@pytest.fixture
def own(settings: Callable[..., Settings]) -> Settings:
    return settings()


@pytest.fixture
def engine(own: Settings) -> Iterator[Engine]:
    own.data_dir.mkdir(parents=True)
    with closing(Catalog(own.catalog_url)) as catalog, Engine.open(own, catalog) as opened:
        yield opened


@pytest.fixture
def add(own: Settings, engine: Engine) -> Callable[[list[ImageFile]], None]:
    def added(files: list[ImageFile]) -> None:
        outcomes = list(BulkAdder(own, engine, NAME, reject=False).add(files))
        assert {outcome.status for outcome in outcomes} == {"added"}

    return added


def test_a_calibration_holds_from_the_moment_it_is_made(own, engine, add, files):
    add(files)
    collection = engine.store.collection(NAME)
    assert engine.judges.known(collection, "fast")[0] is None
    with pytest.raises(NotCalibrated, match=r"scripts/calibrate.py --collection default"):
        _threshold(engine, 0.9)
    done = calibrate(own, engine, NAME, Sampling(edits=2))
    calibration = engine.judges.known(collection, "fast")[0]
    assert calibration == done.calibrations["fast"]
    assert (calibration.copies, calibration.queries) == (2 * COUNT, 3 * COUNT)
    assert calibration.wrong > 3 * COUNT * 13
    assert calibration.references == COUNT
    assert _threshold(engine, 0.5) == calibration.threshold(0.5)
    with pytest.raises(NotCalibrated, match=r"no score is known to give a precision of 0.999"):
        _threshold(engine, 0.999)
    assert engine.judges.known(collection, "thorough")[0] == done.calibrations["thorough"] != calibration


def _threshold(engine, target_precision):
    return engine.judges.of(engine.store.collection(NAME), "fast", target_precision).threshold


def test_the_same_seed_gives_the_same(own, engine, add, files):
    add(files)
    one, same, other = (
        find_out(own, engine, NAME, replace(FEW, seed=seed)).calibrations["fast"].knots for seed in (0, 0, 1)
    )
    assert one == same != other


def test_more_pictures_since_make_a_score_worth_less(own, engine, add, files, tmp_path):
    add(files)
    calibrate(own, engine, NAME, FEW)
    collection = engine.store.collection(NAME)
    before = engine.judges.known(collection, "fast")[0].confidence(1)
    add(save(tmp_path / "more", range(100, 100 + 9 * COUNT)))
    odds = engine.judges.known(engine.store.collection(NAME), "fast")[0].confidence(1)
    assert odds / (1 - odds) == pytest.approx(before / (1 - before) / 10)


def hardest(own: Settings, engine: Engine, *marked: MarkedPair) -> dict[tuple[str, str], float]:
    done = find_out(own, engine, NAME, replace(FEW, edits=1, marked=marked))
    return {pair.ids: pair.score for pair in done.doubtful}


def test_pictures_of_the_same_pixels_are_no_strangers(own, engine, add, files, tmp_path):
    add(files)
    Image.open(files[3].path).save(tmp_path / "twin.bmp")
    add([ImageFile("twin.bmp", tmp_path / "twin.bmp", source=str(tmp_path / "twin.bmp"))])
    assert max(hardest(own, engine).values()) < 0.99


def test_an_edited_copy_that_is_held_is_told_and_counts_until_it_is_marked(own, engine, add, files, tmp_path):
    add(files)
    Image.open(files[3].path).save(tmp_path / "edited.jpg", quality=60)
    add([ImageFile("edited.jpg", tmp_path / "edited.jpg", source=str(tmp_path / "edited.jpg"))])
    pair = ("003.png", "edited.jpg")
    told = hardest(own, engine)
    assert next(iter(told)) == pair
    assert told[pair] > 0.99
    most = find_out(own, engine, NAME, FEW).calibrations["fast"].confidence(1)
    marked = MarkedPair(pair, told[pair], is_duplicate=True)
    assert pair not in hardest(own, engine, marked)
    again = find_out(own, engine, NAME, replace(FEW, marked=(marked,))).calibrations["fast"]
    assert again.copies == 2 * COUNT + 1  # 24 pictures: the 25th has none to be edited with
    assert again.confidence(1) > most


@pytest.fixture
def config(own: Settings, tmp_path: Path) -> str:
    """The path of a file with these settings."""
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(configuration(own.data_dir)))
    return str(path)


class Some(list):
    """Queries, as Asker takes them."""

    pictures, unreadable = 1, 0


def test_what_an_edit_blends_in_is_no_wrong_match(own, engine, add, files):
    """It is of the collection too, and rightly found."""
    add(files)
    (some, *_) = Queries(own, engine.store.catalog, engine.store.collection(NAME), FEW)
    query = replace(next(query for query in some if query.steps), steps=(Case("blend", "strong"),))
    (found,) = engine.store.search(NAME, engine.extractor.embed([query.open()]), 3)
    other = next(match for match in found if match.image.id == query.other.drawn.image.id)
    tally = Asker(engine.store, NAME, modes_of(engine)).ask(Some([[query]]))["fast"]
    assert len(tally.copies) == 1
    assert tally.copies[0] in [match.score for match in found]
    assert max(tally.wrong) < other.score


def test_a_mode_of_many_views_scores_with_the_best_of_them(own, engine, add, files):
    """Views shorter than 1 are trusted less; a stored picture is found once, however many views find it."""
    add(files)

    def views(images: Any) -> list[Any]:
        whole = engine.extractor.embed(images)
        return [np.stack([vector, 0.5 * vector]) for vector in whole]

    few = Queries(own, engine.store.catalog, engine.store.collection(NAME), FEW)
    tallies = Asker(engine.store, NAME, {"fast": modes_of(engine)["fast"], "many": views}).ask(few)
    for one, many in zip(*((tally.copies, tally.wrong) for tally in tallies.values()), strict=True):
        assert sorted(many) == pytest.approx(sorted(max(score, score / 2) for score in one), abs=1e-5)


def test_too_few_pictures_are_an_error_that_says_why(own, engine, add, files):
    add(files)
    for file in files[: COUNT - FEWEST + 1]:
        file.path.unlink()
    with pytest.raises(
        CannotCalibrate, match=r"19 pictures of collection 'default' could be used, 5 could not be read"
    ):
        calibrate(own, engine, NAME, FEW)
    assert engine.store.catalog.calibration(engine.store.collection(NAME), "fast") is None


def test_a_few_that_cannot_be_read_are_passed_over(own, engine, add, files):
    add(files)
    files[0].path.unlink()
    files[1].path.write_bytes(b"another picture")
    done = calibrate(own, engine, NAME, FEW)
    assert (done.pictures, done.unreadable) == (COUNT - 2, 2)


def job(own: Settings, engine: Engine, collection: str) -> Any:
    board = JobBoard(engine.store.catalog)
    asked = board.ask("calibrate", collection)
    run(own, engine.store.catalog, board, asked)
    return board.job(asked.id)


def test_the_job_tells_thresholds_and_doubtful_pairs(own, engine, add, files):
    add(files)
    done = job(own, engine, NAME)
    assert done.state == "done"
    own_data = engine.store.catalog.calibration(engine.store.collection(NAME), "fast")
    assert done.result["modes"]["fast"]["thresholds"] == own_data["thresholds"]
    assert done.result["modes"]["fast"]["copies"] == 8 * COUNT
    assert len(done.result["doubtful"]) == 20
    json.dumps(done.result)


def test_the_job_fails_with_the_reason(own, engine, add, files):
    add(files[:3])
    failed = job(own, engine, NAME)
    assert (failed.state, failed.error[:10]) == ("failed", "3 pictures")


def test_a_job_is_asked_for_by_request(client):
    client.post("/collections", json={"name": "cats"})
    asked = client.post("/jobs", json={"kind": "calibrate", "collection": "cats"})
    assert (asked.status_code, asked.json["kind"], asked.json["collection"]) == (202, "calibrate", "cats")
    assert client.post("/jobs", json={"kind": "calibrate", "collection": "dogs"}).status_code == 404


def test_the_command_line_calibrates_a_collection(engine, add, files, config, capsys):
    add(files)
    assert command.main(["--collection", NAME, "--edits", "2", "--config", config]) == 0
    told = capsys.readouterr().out
    assert f"{COUNT} pictures, 0 could not be read\nfast: 90.0%: " in told
    assert "99.9%: cannot be said; from 48 copies and 72 queries" in told
    assert engine.judges.known(engine.store.collection(NAME), "fast")[0] is not None
    assert command.main(["--collection", "none", "--config", config]) == 2
    assert "calibrate: there is no collection 'none'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--folder", "."], ["--out", "x"], ["--prior", "0"], ["--edits", "0"]])
def test_misuse_is_told(arguments, capsys):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert ": error: " in capsys.readouterr().err


def test_a_folder_makes_a_default_for_its_extractor_on_any_engine(engine, add, files, config, monkeypatch):
    folder = files[0].path.parent
    out = folder.parent / "defaults.json"
    arguments = ["--folder", str(folder), "--out", str(out), "--edits", "2", "--config", config]
    assert [command.main(arguments) for _ in range(2)] == [0, 0]
    (key, calibration), (other_key, _) = read_defaults(out).items()
    assert key == (calibration.fingerprint.rpartition("/")[0], "fast")
    assert other_key == (key[0], "thorough")
    monkeypatch.setattr(calibrations, "_shipped", lambda: read_defaults(out))
    assert calibrations.default(f"{key[0]}/another-engine", "fast") == calibration
    assert calibrations.default(f"other-{key[0]}/engine", "fast") is None
    add(files)
    assert engine.judges.known(engine.store.collection(NAME), "fast")[0] == calibration


def test_an_own_calibration_of_another_version_is_not_used(own, engine, add, files):
    add(files)
    collection = engine.store.collection(NAME)
    engine.store.catalog.set_calibration(collection, "fast", {"version": 99})
    assert engine.judges.known(collection, "fast")[0] is None


def test_what_is_shipped_can_be_read():
    for calibration in read_defaults(calibrations.DEFAULTS).values():
        assert calibration.threshold(0.9) < calibration.threshold(0.99) < calibration.threshold(0.999)


def kept(measured: list[Measured]) -> None:
    """The lowest target can always be told here; whichever can is reached within two points."""
    assert measured[0].threshold is not None
    for each in measured:
        assert each.threshold is None or each.precision > each.target - 0.02, each


@pytest.mark.slow
def test_thresholds_keep_their_word_on_other_edits_and_on_strangers(own, tmp_path):
    files = save(tmp_path / "many", range(120), (96, 72))
    kept(list(measure(own, files, split=0, edits=4, modes=("fast",))))


@pytest.mark.model
@pytest.mark.parametrize("name", ["sscd", "sscd_distilled"])
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_the_models_that_setup_installs_have_defaults(name, engine):
    extractor = load_extractor(settings_of({"name": name, "engine": engine, "model_dir": str(ROOT / ".models")}))
    assert calibrations.default(extractor.fingerprint, "fast") is not None


def test_pictures_without_content_are_neither_asked_for_nor_wrong(own, engine, add, files, tmp_path):
    add(files)
    before = find_out(own, engine, NAME, FEW)
    blanks = []
    for number in range(6):
        path = tmp_path / f"blank{number}.png"
        Image.new("RGB", (64, 48), (40 * number, 10, 10)).save(path)
        blanks.append(ImageFile(path.name, path, source=str(path)))
    add(blanks)
    after = find_out(own, engine, NAME, FEW)
    assert after.pictures == before.pictures
    assert not any("blank" in name for pair in after.doubtful for name in pair.ids)
