"""Loading: fingerprints, missing and corrupt models, and what is imported on the way."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import openvino
import pytest

from extractor import ModelCorrupt, ModelMissing, load_extractor
from extractor.engines import OpenVino
from extractor.models import MODELS
from tests.corpus import photo
from tests.extractor.samples import ROOT, settings

OTHER_VECTORS = [{"size": 256}, {"engine": "onnxruntime"}, {"name": "sscd_distilled"}]
SAME_VECTORS = [{"threads": 1}, {"batch_size": 1}, {"batch_wait_ms": 9.0}, {"recent": 0}]


@pytest.fixture(scope="module")
def fingerprint() -> str:
    return load_extractor(settings()).fingerprint


@pytest.mark.model
@pytest.mark.parametrize("change", OTHER_VECTORS, ids=str)
def test_what_changes_vectors_changes_the_fingerprint(fingerprint: str, change: dict[str, object]) -> None:
    assert load_extractor(settings(**change)).fingerprint != fingerprint


@pytest.mark.model
@pytest.mark.parametrize("change", SAME_VECTORS, ids=str)
def test_what_keeps_vectors_keeps_the_fingerprint(fingerprint: str, change: dict[str, object]) -> None:
    assert load_extractor(settings(**change)).fingerprint == fingerprint


@pytest.mark.model
def test_the_fingerprint_is_readable(fingerprint: str) -> None:
    model, preprocessing, pooling, whitening, engine = fingerprint.split("/")
    assert model == f"sscd-{MODELS['sscd'].sha256[:12]}"
    assert preprocessing.startswith("224x224-halfcrop-")
    assert (pooling, whitening, engine) == ("gem3-512", "no-whitening", "openvino-int8")


@pytest.mark.model
@pytest.mark.parametrize("has_bf16", [True, False])
def test_the_fastest_arithmetic_is_named_where_it_is_another(monkeypatch: pytest.MonkeyPatch, has_bf16: bool) -> None:
    """OpenVINO can also do bf16 on processors without it, slowly."""
    portable = load_extractor(settings(name="sscd_distilled"))
    hint = {"INFERENCE_PRECISION_HINT": "bf16" if has_bf16 else "f32"}
    options = staticmethod(lambda threads, portable: {"INFERENCE_NUM_THREADS": threads} | hint)
    monkeypatch.setattr(OpenVino, "_options", options)
    fastest = load_extractor(settings(name="sscd_distilled", arithmetic="fastest"))
    assert fastest.fingerprint == portable.fingerprint + ("-bf16" if has_bf16 else "")
    photos = [photo(seed) for seed in range(8)]
    cosines = np.vecdot(portable.embed(photos), fastest.embed(photos))
    assert np.median(cosines) >= 0.99
    assert (cosines < 1 - 1e-5).all() == has_bf16


@pytest.mark.model
def test_the_fastest_arithmetic_is_what_openvino_chooses() -> None:
    core = openvino.Core()
    usual = "-bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else ""
    made = load_extractor(settings(name="sscd_distilled", arithmetic="fastest"))
    assert made.fingerprint.endswith(f"/openvino-f32{usual}")


@pytest.mark.model
def test_loading_makes_the_first_calls_one_after_the_other() -> None:
    """Two threads that make them together can deadlock in OpenVINO's bindings, once in some hundred starts."""
    before = threading.active_count()
    extractor = load_extractor(settings())
    assert threading.active_count() == before
    extractor.embed_prepared([np.zeros((224, 224, 3), np.uint8)] * 2)
    assert threading.active_count() > before


def test_the_thumbnail_has_its_own_fingerprint_whatever_the_size() -> None:
    one, other = (load_extractor(settings(name="thumbnail", size=size)).fingerprint for size in (224, 288))
    assert one == other
    assert one.startswith("thumbnail/8x8-")


def test_a_missing_model_names_its_path_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"sscd\.onnx: run `make setup`"):
        load_extractor(settings(model_dir=tmp_path))


@pytest.mark.parametrize("name", MODELS)
def test_a_corrupt_model_is_refused_by_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / MODELS[name].path
    file.parent.mkdir()
    file.write_bytes(b"not the model")
    with pytest.raises(ModelCorrupt, match=rf"{name}\.onnx has SHA-256"):
        load_extractor(settings(name=name, model_dir=tmp_path))


def loaded_modules(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running `code`."""
    script = f"{code}\nimport sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_the_package_imports_neither_what_is_above_nor_an_engine() -> None:
    above_or_heavy = {"flask", "flask_restful", "index_store", "retrieval", "torch", "openvino", "onnxruntime"}
    assert not loaded_modules("import extractor") & above_or_heavy


@pytest.mark.model
def test_openvino_reports_its_use_to_nobody() -> None:
    load = f"from extractor.engines import OpenVino; OpenVino(open({str(model_path())!r}, 'rb').read(), 64, 1)"
    modules = loaded_modules(load)
    assert "openvino" in modules
    assert not modules & {"openvino_telemetry", "torch"}


def model_path() -> Path:
    return settings().model_dir / MODELS["sscd_distilled"].path
