"""Weights: files of every origin are taken by their names, and what does not fit is told key by key."""

import functools
import hashlib
import http.server
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from extractor import BadModel, ModelCorrupt, ModelMissing
from extractor.torchnet import build
from extractor.weights import load_state
from tests.extractor.networks import random_state, resnet, saved

pytestmark = pytest.mark.slow  # each makes and reads files of 45 MB
STATE = random_state()


def trunk(folder: Path, **changes: Any) -> dict[str, Tensor]:
    """The trunk's weights once loaded."""
    module, _ = build(resnet(folder, **changes))
    return module.embed.trunk.state_dict()  # type: ignore[union-attr, operator]


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {f"module.{key}": value for key, value in STATE.items()},
        {f"backbone.{key}": value for key, value in STATE.items()},
        {"state_dict": {f"module.backbone.{key}": value for key, value in STATE.items()}, "epoch": 7},
        {"model": STATE, "args": None},
        {key: value for key, value in STATE.items() if not key.startswith("fc.")},
        {key: value for key, value in STATE.items() if not key.endswith("num_batches_tracked")},
        {key: torch.nn.Parameter(value) if value.is_floating_point() else value for key, value in STATE.items()},
    ],
    ids=["plain", "parallel", "sscd", "checkpoint", "model", "trunk only", "old", "parameters"],
)
def test_files_of_every_origin_fill_the_trunk(tmp_path: Path, content: Any) -> None:
    saved(tmp_path, content)
    loaded = trunk(tmp_path)
    for key, value in loaded.items():
        if not key.endswith("num_batches_tracked"):
            torch.testing.assert_close(value, STATE[key])


def test_files_from_before_zip_archives_are_read(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "weights.pth", _use_new_zipfile_serialization=False)
    torch.testing.assert_close(trunk(tmp_path)["conv1.weight"], STATE["conv1.weight"])


def without(key: str) -> dict[str, Tensor]:
    return {name: value for name, value in STATE.items() if name != key}


MISFITS = [
    (without("layer1.0.conv1.weight"), "missing: layer1.0.conv1.weight"),
    (STATE | {"conv1.weight": torch.zeros(64, 3, 3, 3)}, r"conv1\.weight \(64, 3, 3, 3\) instead of \(64, 3, 7, 7\)"),
    (STATE | {"head.1.bias": torch.zeros(3)}, "unknown: head.1.bias"),
    (STATE | {"conv1.weight": STATE["conv1.weight"].to_sparse()}, r"another kind: conv1\.weight"),
    (STATE | {"conv1.weight": STATE["conv1.weight"].to(torch.complex64)}, r"conv1\.weight of torch\.complex64"),
    (random_state("resnet34"), "unknown: layer1.2.bn1.bias.* and 84 more"),
]


@pytest.mark.parametrize(
    ("content", "message"), MISFITS, ids=["missing", "shape", "unknown", "sparse", "complex", "another network"]
)
@pytest.mark.filterwarnings("ignore:Validating sparse:UserWarning")
def test_what_does_not_fit_is_listed_unless_allowed(
    tmp_path: Path, content: Any, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    saved(tmp_path, content)
    with pytest.raises(BadModel, match=message):
        trunk(tmp_path)
    with caplog.at_level(logging.WARNING):
        one = trunk(tmp_path, allow_partial=True)
        torch.rand(1)  # another state of PyTorch's generator, as in another process
        again = trunk(tmp_path, allow_partial=True)
    for key, value in one.items():
        torch.testing.assert_close(again[key], value)
    assert "fits in part only" in caplog.text


def test_layers_behind_the_stage_may_be_missing(tmp_path: Path) -> None:
    saved(tmp_path, {key: value for key, value in STATE.items() if not key.startswith(("layer4.", "fc."))})
    assert "layer3.0.conv1.weight" in trunk(tmp_path, stage="layer3")
    with pytest.raises(BadModel, match="missing: layer4"):
        trunk(tmp_path)


def test_a_projection_that_is_not_there_is_told(tmp_path: Path) -> None:
    saved(tmp_path, without("fc.weight"))
    with pytest.raises(BadModel, match="no projection"):
        trunk(tmp_path, projection=True)


class Villain:
    """Makes a folder when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


def test_a_pickle_that_does_something_is_refused_and_does_nothing(tmp_path: Path) -> None:
    saved(tmp_path, {"state_dict": STATE, "extra": Villain(tmp_path / "done")})
    with pytest.raises(ModelCorrupt, match=r"weights\.pth holds no PyTorch weights, or other Python objects besides"):
        trunk(tmp_path)
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("data", [b"", b"nothing", b"PK\x03\x04 broken", bytes(1000)], ids=str)
def test_a_damaged_file_is_told(data: bytes) -> None:
    with pytest.raises(ModelCorrupt, match=r"some\.pth holds no PyTorch weights"):
        load_state(data, "some.pth")


def test_bits_that_have_turned_are_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path, STATE)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4] = bytes(value ^ 0xFF for value in data[middle : middle + 4])
    path.write_bytes(data)
    with pytest.raises(ModelCorrupt, match=r"is damaged: the checksum of \S+ is wrong"):
        trunk(tmp_path)


@pytest.mark.parametrize("broken", [{"fc.weight": torch.zeros(5)}, {"fc.bias": torch.zeros(5)}], ids=["weight", "bias"])
def test_a_projection_that_does_not_fit_itself_is_told(tmp_path: Path, broken: Any) -> None:
    saved(tmp_path, STATE | broken)
    with pytest.raises(BadModel, match="damaged projection"):
        trunk(tmp_path, projection=True)


def test_a_file_of_something_else_is_told(tmp_path: Path) -> None:
    saved(tmp_path, [1, 2])
    with pytest.raises(ModelCorrupt, match="holds a list"):
        trunk(tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_torchscript_file_names_the_setting(tmp_path: Path) -> None:
    torch.jit.trace(torch.nn.ReLU(), torch.zeros(1)).save(tmp_path / "weights.pth")
    with pytest.raises(BadModel, match=r"TorchScript model: set extractor\.resnet\.arch to torchscript"):
        trunk(tmp_path)


def test_a_missing_file_says_where_to_put_it_and_where_there_is_one(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"no model at .*/weights\.pth: put the file there.*sscd_disc_mixup"):
        trunk(tmp_path)


def test_another_hash_than_the_settings_say_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, STATE)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert trunk(tmp_path, weights_sha256=digest)
    with pytest.raises(ModelCorrupt, match=f"has SHA-256 {digest}, not 0000"):
        trunk(tmp_path, weights_sha256="0" * 64)


def test_torchvision_names_that_do_not_exist_list_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="no weights IMAGENET22K for resnet18, but IMAGENET1K_V1"):
        trunk(tmp_path, weights="IMAGENET22K")


def test_without_a_network_the_error_says_what_to_download_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nothing listens
    where = rf"https://\S+/resnet18-f37072fd\.pth cannot be reached .*put it at {tmp_path}/resnet18-f37072fd\.pth"
    with pytest.raises(ModelMissing, match=where):
        trunk(tmp_path, weights="IMAGENET1K_V1")


def test_a_file_under_torchvisions_name_is_taken_only_with_its_hash(tmp_path: Path) -> None:
    saved(tmp_path, STATE, "resnet18-f37072fd.pth")
    with pytest.raises(ModelCorrupt, match=r"not f37072fd\.\.\.: download https://\S+ again"):
        trunk(tmp_path, weights="IMAGENET1K_V1")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[str]:
    """URL of a server of the weights, under a name with their hash."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    path = saved(shelf, STATE)
    name = f"resnet18-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"
    path.rename(shelf / name)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(shelf))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{name}"
        server.shutdown()


def test_torchvisions_weights_are_downloaded_once_and_checked(
    tmp_path: Path, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extractor.weights._torchvision_url", lambda settings: shop)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert trunk(tmp_path, weights="IMAGENET1K_V1")
    file = tmp_path / shop.rpartition("/")[2]
    fetched = file.stat().st_mtime_ns
    assert trunk(tmp_path, weights="IMAGENET1K_V1")
    assert file.stat().st_mtime_ns == fetched
    file.write_bytes(b"damaged")
    with pytest.raises(ModelCorrupt, match="download http"):
        trunk(tmp_path, weights="IMAGENET1K_V1")
