"""ONNX files of one's own: a torch extractor, exported, gives the same vectors on either engine and without PyTorch."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from extractor import BadModel, ExtractorSettings, ModelCorrupt, ModelMissing, load_extractor
from scripts import export_onnx
from tests.corpus import photo
from tests.extractor.networks import agreement, random_state, resnet, saved
from tests.extractor.samples import settings

pytestmark = pytest.mark.slow
PHOTOS = [photo(seed) for seed in range(5)]
ENGINES = ["openvino", "onnxruntime"]


def config(folder: Path, made: ExtractorSettings) -> Path:
    """A configuration file with these settings."""
    path = folder / "torch.yaml"
    path.write_text(yaml.safe_dump({"extractor": made.model_dump(mode="json")}))
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExtractorSettings, ExtractorSettings]:
    """A ResNet50 with random weights as a torch extractor, and its settings once exported, as the script prints."""
    folder = tmp_path_factory.mktemp("export")
    saved(folder, random_state("resnet50", classes=128))
    made = resnet(folder, size=96, arch="resnet50", projection=True)
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("builtins.print", lambda text, **_: printed.append(text))
        assert export_onnx.main(["--config", str(config(folder, made)), "--out", str(folder / "r50.onnx")]) == 0
    lines = yaml.safe_load(printed[-1])["extractor"]
    return made, settings(**lines)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_exported_network_gives_the_same_vectors(
    exported: tuple[ExtractorSettings, ExtractorSettings], engine: str
) -> None:
    torch_extractor = load_extractor(exported[0])
    onnx_extractor = load_extractor(exported[1].model_copy(update={"engine": engine}))
    expected, found = torch_extractor.embed(PHOTOS), onnx_extractor.embed(PHOTOS)
    assert (expected * found).sum(axis=1).min() > 0.9999
    assert agreement(found, expected) > 0.9999
    assert onnx_extractor.dim == 128
    assert onnx_extractor.fingerprint.startswith("onnx-")
    assert onnx_extractor.fingerprint != torch_extractor.fingerprint


@pytest.mark.parametrize("engine", ENGINES)
def test_views_and_transforms_work_on_it_too(
    exported: tuple[ExtractorSettings, ExtractorSettings], engine: str
) -> None:
    views = {"views": "ten_crop", "zoom": 1.2, "combine": "concatenate"}
    both = [
        made.model_copy(update={"engine": engine, "preprocess": made.preprocess.model_copy(update=views)})
        for made in exported
    ]
    expected, found = (load_extractor(made).embed(PHOTOS[:2]) for made in both)
    assert found.shape == (2, 1280)
    assert (expected * found).sum(axis=1).min() > 0.9999


def test_another_hash_than_the_settings_say_is_refused(
    exported: tuple[ExtractorSettings, ExtractorSettings],
) -> None:
    wrong = exported[1].model_copy(update={"onnx": exported[1].onnx.model_copy(update={"sha256": "0" * 64})})
    with pytest.raises(ModelCorrupt, match="not 0000"):
        load_extractor(wrong)


def test_pictures_that_keep_their_shape_can_be_exported_too(tmp_path: Path) -> None:
    saved(tmp_path, random_state())
    plain = resnet(tmp_path)
    made = plain.model_copy(update={"preprocess": plain.preprocess.model_copy(update={"aspect": "shorter_edge"})})
    export_onnx.export(made, tmp_path / "any.onnx")
    images = [photo(1, (320, 240)), photo(2, (100, 300)), photo(3, (64, 64))]
    for engine in ENGINES:
        update = {"name": "onnx", "engine": engine, "onnx": made.onnx.model_copy(update={"file": Path("any.onnx")})}
        found = load_extractor(made.model_copy(update=update)).embed(images)
        assert agreement(found, load_extractor(made).embed(images)) > 0.9999


@pytest.mark.model
@pytest.mark.parametrize("engine", ENGINES)
def test_the_default_model_takes_pictures_in_their_own_shape(engine: str) -> None:
    images = [photo(1, (320, 240)), photo(2, (240, 320)), photo(3, (900, 100)), photo(4, (320, 240))]
    plain = load_extractor(settings(engine=engine))
    shaped = load_extractor(settings(engine=engine, preprocess={"aspect": "shorter_edge"}))
    one_by_one = np.concatenate([shaped.embed([image]) for image in images])
    assert (shaped.embed(images) * one_by_one).sum(axis=1).min() > 0.999
    assert (plain.embed(images) * one_by_one).sum(axis=1).min() > 0.5
    assert shaped.fingerprint != plain.fingerprint


@pytest.mark.parametrize("pooling", ["scda", "pwa"])
def test_what_cannot_be_exported_is_told(tmp_path: Path, pooling: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path, resnet(tmp_path, pooling=pooling))
    assert export_onnx.main(["--config", str(path), "--out", str(tmp_path / "x.onnx")]) == 2
    assert f"pooling {pooling} cannot be exported" in capsys.readouterr().err


def test_other_extractors_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export_onnx.main(["--out", str(tmp_path / "x.onnx")]) == 2
    assert "extractor.name is sscd; only resnet can be exported" in capsys.readouterr().err


def test_no_file_or_a_missing_or_broken_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"extractor\.onnx\.file is not set"):
        load_extractor(settings(name="onnx"))
    with pytest.raises(ModelMissing, match=r"no model at .*some\.onnx"):
        load_extractor(settings(name="onnx", model_dir=tmp_path, onnx={"file": "some.onnx"}))
    (tmp_path / "some.onnx").write_bytes(b"not a model")
    for engine in ENGINES:
        with pytest.raises(BadModel, match=r"some\.onnx"):
            load_extractor(settings(name="onnx", engine=engine, model_dir=tmp_path, onnx={"file": "some.onnx"}))
