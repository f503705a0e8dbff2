"""Weights of torchvision's ResNets, from wherever they come: torchvision's own, a checkpoint, Meta's SSCD files."""

import io
import logging
import pickle
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor
from torch.hub import download_url_to_file
from torchvision.models import get_model_weights

from extractor.errors import BadModel, ModelCorrupt, ModelMissing
from extractor.models import ModelBytes, read_checkpoint, read_model
from extractor.settings import ResNetSettings

log = logging.getLogger(__name__)
HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.")  # torchvision's files carry the start of their SHA-256
# What checkpoints wrap the state dict in, and what training code (SSCD's Model, DataParallel) puts before each key.
WRAPPERS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "model.", "backbone.")
LISTED = 12  # keys in an error message

State = dict[str, Tensor]


def read_weights(settings: ResNetSettings, folder: Path) -> ModelBytes:
    """The file that `weights` names, checked; fetched first if it is torchvision's and missing.

    Raises ModelMissing, which says what to download and where to put it, ModelCorrupt and BadModel.
    """
    if settings.names_a_file:
        return read_checkpoint(settings, folder)
    url = _torchvision_url(settings)
    file = folder / url.rpartition("/")[2]
    start = HASH_IN_NAME.search(file.name)
    if not file.exists():
        _download(url, file, start[1] if start else None)
    found = read_model(file, settings.weights_sha256, f"download {url} again")
    if start and not found.sha256.startswith(start[1]):
        raise ModelCorrupt(f"{file} has SHA-256 {found.sha256}, not {start[1]}...: download {url} again")
    return found


def load_state(data: bytes, name: str) -> State:
    """Tensors of a state dict or checkpoint by torchvision's keys. Nothing but tensors and containers is unpickled.

    Raises ModelCorrupt; BadModel for a TorchScript file, which holds a whole model.
    """
    if is_torchscript(data):
        raise BadModel(f"{name} is a whole TorchScript model: set extractor.resnet.arch to torchscript")
    try:
        _check_archive(data)
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # whose text advises to load it nonetheless
        raise ModelCorrupt(
            f"{name} holds no PyTorch weights, or other Python objects besides; save its state_dict()"
        ) from None
    except (RuntimeError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelCorrupt(f"{name} holds no PyTorch weights, or is damaged: {first_line(error)}") from None
    for wrapper in WRAPPERS:
        content = content.get(wrapper, content) if isinstance(content, Mapping) else content
    if not isinstance(content, Mapping):
        raise ModelCorrupt(f"{name} holds a {type(content).__name__}, not the weights of a network by name")
    return {_bare(str(key)): value for key, value in content.items() if isinstance(value, Tensor)}


def _check_archive(data: bytes) -> None:
    """PyTorch reads numbers without looking at their checksums. Raises ValueError, BadZipFile."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"the checksum of {damaged} is wrong")


def first_line(error: Exception) -> str:
    """PyTorch explains at length what nobody here can use."""
    return (str(error) or type(error).__name__).splitlines()[0]


def is_torchscript(data: bytes) -> bool:
    """Whether a file is a TorchScript archive, rather than one of tensors alone."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(re.fullmatch(r"[^/]+/constants\.pkl", name) for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def fill(module: torch.nn.Module, state: State, known: Iterable[str], allow_partial: bool, name: str) -> None:
    """Load into `module` what it has of `state`; `known` are keys of the whole architecture, which may be left over.

    Raises BadModel with the keys that are missing, of another shape, or of another architecture, unless allowed.
    """
    wanted = module.state_dict()
    # Counts of batches, which training alone looks at, are not in files of PyTorch before 0.4.1.
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    misfits = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ]
    misfits += [f"{key} of {state[key].dtype}" for key in wanted if key in state and not _is_weight(key, state[key])]
    foreign = sorted(state.keys() - set(known) - wanted.keys())
    problems = _listed("missing", missing) + _listed("of another kind", misfits) + _listed("unknown", foreign)
    if problems and not allow_partial:
        raise BadModel(
            f"{name} does not fit extractor.resnet.arch: {'; '.join(problems)}. Set the architecture that the file was "
            "made for, or allow_partial: true to leave what is missing at random"
        )
    if problems:
        log.warning("%s fits in part only: %s", name, "; ".join(problems))
    fitting = {
        key: state[key]
        for key in wanted
        if key in state and state[key].shape == wanted[key].shape and _is_weight(key, state[key])
    }
    module.load_state_dict(fitting, strict=False)


def _is_weight(key: str, value: Tensor) -> bool:
    """Real numbers that are there, one by one; counts may be whole."""
    dense = value.layout == torch.strided and value.device.type != "meta"
    return dense and (value.is_floating_point() or key.endswith("num_batches_tracked"))


def _bare(key: str) -> str:
    while found := next((prefix for prefix in PREFIXES if key.startswith(prefix)), None):
        key = key.removeprefix(found)
    return key


def _listed(what: str, keys: list[str]) -> list[str]:
    if not keys:
        return []
    more = f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
    return [f"{what}: {', '.join(keys[:LISTED])}{more}"]


def _torchvision_url(settings: ResNetSettings) -> str:
    named = get_model_weights(settings.arch).__members__
    if settings.weights not in named:
        raise BadModel(
            f"torchvision has no weights {settings.weights} for {settings.arch}, but {', '.join(named)}; a file's name "
            "has an ending, such as .pth"
        )
    url: str = named[settings.weights].url
    return url


def _download(url: str, file: Path, sha256_prefix: str | None) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    log.warning("downloading %s to %s", url, file)
    try:
        download_url_to_file(url, str(file), sha256_prefix, progress=False)
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise ModelMissing(f"{url} cannot be reached ({reason}): download it elsewhere and put it at {file}") from None
    except RuntimeError as error:  # another hash
        raise ModelCorrupt(f"the download of {url} was damaged: {error}") from None
