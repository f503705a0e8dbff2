"""A grid is measured combination by combination, and never one twice."""

import json

import pytest

from evaluation import grid
from evaluation.configs import nested, settings_of
from evaluation.errors import EvaluationError
from extractor import load_extractor
from extractor.transform import fit
from retrieval.settings import load_settings
from scripts.evaluate import main
from tests.corpus import photo

pytestmark = pytest.mark.slow


def search(folder, tmp_path, *more):
    """Exit status of a search over the grid, which lies in tmp_path."""
    arguments = [folder, "--copies", 12, "--grid", tmp_path / "grid.yaml", "--out", tmp_path / "out", *more]
    return main([str(argument) for argument in arguments])


def lines(tmp_path):
    return (tmp_path / "out/results.jsonl").read_text().splitlines()


@pytest.fixture
def measured(monkeypatch):
    """Names of what is measured from now on, by the real thing."""
    names = []
    real = grid.evaluate

    def evaluate(task, descriptors, batch):
        names.extend(descriptor.name for descriptor in descriptors)
        return real(task, descriptors, batch)

    monkeypatch.setattr(grid, "evaluate", evaluate)
    return names


@pytest.fixture(autouse=True)
def _grid(tmp_path):
    (tmp_path / "grid.yaml").write_text("extractor.name: [thumbnail]\nextractor.batch_size: [1, 0, 4, 8]\n")


def test_every_valid_combination_is_measured_and_the_others_are_named(folder, tmp_path, measured, capsys):
    assert search(folder, tmp_path) == 0
    assert measured == [f"extractor.name=thumbnail,extractor.batch_size={size}" for size in (1, 4, 8)]
    out, err = capsys.readouterr()
    assert out.count("| thumbnail |") == 3
    assert "batch_size=0: passed over: extractor.batch_size: Input should be greater" in err


def test_a_run_that_was_cut_short_goes_on(folder, tmp_path, measured):
    """Killed in the middle of writing the second line."""
    assert search(folder, tmp_path) == 0
    first, second, _ = lines(tmp_path)
    (tmp_path / "out/results.jsonl").write_text(first + "\n" + second[:40])
    measured.clear()
    assert search(folder, tmp_path) == 0
    assert [name[-1] for name in measured] == ["4", "8"]
    whole = [json.loads(lines(tmp_path)[number]) for number in (0, 2, 3)]
    assert [record["changes"]["extractor.batch_size"] for record in whole] == [1, 4, 8]


def test_ctrl_c_keeps_what_is_measured(folder, tmp_path, measured, monkeypatch, capsys):
    real = grid.evaluate

    def interrupted(task, descriptors, batch):
        if measured:
            raise KeyboardInterrupt
        return real(task, descriptors, batch)

    monkeypatch.setattr(grid, "evaluate", interrupted)
    assert search(folder, tmp_path) == 130
    assert "the same command goes on from here" in capsys.readouterr().err
    assert len(lines(tmp_path)) == 1
    monkeypatch.setattr(grid, "evaluate", real)
    measured.clear()
    assert search(folder, tmp_path) == 0
    assert len(measured) == 2


def test_the_second_time_nothing_is_measured_and_the_table_is_the_same(folder, tmp_path, measured, capsys):
    search(folder, tmp_path)
    table = capsys.readouterr().out
    measured.clear()
    assert search(folder, tmp_path) == 0
    assert measured == []
    assert capsys.readouterr().out == table


def test_other_copies_or_other_pictures_are_measured_anew(tmp_path, measured):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(6):
        photo(seed, (80, 60)).save(pictures / f"{seed}.png")
    for count, step in enumerate([[], ["--seed", 1], ["--strangers", 0.5]], 1):
        search(pictures, tmp_path, *step)
        assert len(measured) == 3 * count
    photo(7, (80, 60)).save(pictures / "0.png")
    search(pictures, tmp_path)
    assert len(measured) == 12


def test_another_file_under_the_same_name_is_measured_anew(folder, tmp_path, measured):
    base = load_extractor(load_settings(environ={}, extractor={"name": "thumbnail"}).extractor)
    vectors = base.embed([photo(seed) for seed in range(40)])
    (tmp_path / "grid.yaml").write_text(f"extractor.name: [thumbnail]\nextractor.transform: ['{tmp_path / 't.npz'}']\n")
    for dim in (8, 8, 9):
        fit(vectors, "pca", dim, base.fingerprint).save(tmp_path / "t.npz")
        assert search(folder, tmp_path) == 0
    assert len(measured) == 2


def test_other_labels_of_the_same_pictures_are_measured_anew(tmp_path, measured):
    for seed in range(4):
        photo(seed).save(tmp_path / f"{seed}.png")
    (tmp_path / "grid.yaml").write_text("extractor.name: [thumbnail]\n")
    for first, second in ("23", "32", "23"):
        (tmp_path / "pairs.csv").write_text(f"query,reference\n0.png,{first}.png\n1.png,{second}.png\n")
        arguments = ["--pairs", tmp_path / "pairs.csv", "--grid", tmp_path / "grid.yaml", "--out", tmp_path / "out"]
        assert main([str(argument) for argument in arguments]) == 0
    assert len(measured) == 2


def test_a_model_that_is_not_there_does_not_end_the_search(folder, tmp_path, capsys):
    (tmp_path / "grid.yaml").write_text(
        f"extractor.name: [sscd, thumbnail]\nextractor.model_dir: [{tmp_path / 'absent'}]\n"
    )
    assert search(folder, tmp_path) == 0
    assert "passed over: no model at" in capsys.readouterr().err
    assert len(lines(tmp_path)) == 1


def test_a_grid_of_labelled_classes(tmp_path, capsys):
    for seed in range(4):
        (tmp_path / f"set/{seed}").mkdir(parents=True)
        for quality in (90, 30):
            photo(seed, (80, 60)).save(tmp_path / f"set/{seed}/{quality}.jpg", quality=quality)
    arguments = ["--classes", tmp_path / "set", "--grid", tmp_path / "grid.yaml", "--out", tmp_path]
    for _ in range(2):  # the second time from the log
        assert main([str(argument) for argument in arguments]) == 0
        assert "| thumbnail | 1 | 1.000 |" in capsys.readouterr().out


def test_a_grid_reaches_into_every_section(tmp_path):
    (tmp_path / "grid.yaml").write_text(
        "extractor.preprocess.aspect: [pad, squash]\nextractor.resnet.pooling_options: [{}, {p: 4}]\n"
    )
    combinations = grid.read_grid(tmp_path / "grid.yaml")
    made = [settings_of("default,extractor.preprocess.zoom=1.5", **nested(each)).extractor for each in combinations]
    assert [each.preprocess.aspect for each in made] == ["pad", "pad", "squash", "squash"]
    assert [each.resnet.pooling_options for each in made] == [{}, {"p": 4}] * 2
    assert {each.preprocess.zoom for each in made} == {1.5}


def test_a_grid_without_any_valid_combination(folder, tmp_path, capsys):
    (tmp_path / "grid.yaml").write_text("extractor.size: [1, 2]\n")
    assert search(folder, tmp_path) == 2
    assert "no combination of the grid is valid" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "- 1\n", "extractor.size: []\n", "search.top_k: [1]\n", "a: [\n"])
def test_what_is_no_grid(tmp_path, text):
    (tmp_path / "grid.yaml").write_text(text)
    with pytest.raises(EvaluationError):
        grid.read_grid(tmp_path / "grid.yaml")
