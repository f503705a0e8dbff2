"""Exports a torch extractor to ONNX, so that it serves without PyTorch: on OpenVINO or ONNX Runtime, often faster.

    python scripts/export_onnx.py --config configs/resnet50_gem.yaml --out .models/resnet50_gem.onnx

The file takes uint8 (N, size, size, 3) and gives unit vectors (N, D): scaling of values, trunk, pooling and projection
are inside. Preprocessing, views and transform stay settings. The lines to put into the configuration are printed.
"""

import argparse
import hashlib
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from extractor import ExtractorError
from extractor.preprocess import Preprocess
from extractor.settings import ExtractorSettings
from retrieval.settings import BadSettings, load_settings

# Their operations depend on what the pictures show, or their channels on a file that ONNX does not know.
NOT_EXPORTED = ("scda", "pwa")


def export(settings: ExtractorSettings, out: Path) -> str:
    """Write the network of the settings to `out`; gives the file's SHA-256. Raises ExtractorError, ValueError."""
    import torch  # noqa: PLC0415  # seconds, which --help need not wait

    from extractor.torchnet import build  # noqa: PLC0415

    if settings.resnet.pooling in NOT_EXPORTED:
        raise ValueError(f"pooling {settings.resnet.pooling} cannot be exported; the others can")
    # A TorchScript model has no Python to export from.
    if settings.resnet.arch == "torchscript":
        raise ValueError("a TorchScript model cannot be exported: take the weights by themselves")
    network, _ = build(settings.model_copy(update={"resnet": settings.resnet.model_copy(update={"precision": "f32"})}))
    # Two pictures: the exporter takes a batch of one for a constant.
    pixels = torch.zeros((2, settings.size, settings.size, 3), dtype=torch.uint8)
    axes = (0, 1, 2) if Preprocess.of(settings.size, settings.preprocess).input_size < 0 else (0,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own making
        program = torch.onnx.export(
            network,
            (pixels,),
            dynamo=True,
            input_names=["pixels"],
            output_names=["vectors"],
            dynamic_shapes={"pixels": dict.fromkeys(axes, torch.export.Dim.DYNAMIC)},
            verbose=False,
        )
    if program is None:  # as its hints allow
        raise ValueError("PyTorch exported nothing")
    program.save(out, include_initializers=True, external_data=False)
    return hashlib.sha256(out.read_bytes()).hexdigest()


def main(argv: Sequence[str] | None = None) -> int:
    """Export what the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings with extractor.name: resnet")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .onnx file to write")
    options = parser.parse_args(argv)
    try:
        settings = load_settings(options.config).extractor
        if settings.name != "resnet":
            raise ValueError(f"extractor.name is {settings.name}; only resnet can be exported")
        sha256 = export(settings, options.out)
    except (BadSettings, ExtractorError, ValueError, ImportError, OSError) as error:
        print(f"export_onnx: {error}", file=sys.stderr)
        return 2
    print(yaml.safe_dump(_lines(settings, options.out, sha256), sort_keys=False), end="")
    return 0


def _lines(settings: ExtractorSettings, out: Path, sha256: str) -> dict[str, object]:
    onnx = {"file": str(out.resolve()), "sha256": sha256}
    preprocess = settings.preprocess.model_dump()
    return {"extractor": {"name": "onnx", "size": settings.size, "preprocess": preprocess, "onnx": onnx}}


if __name__ == "__main__":
    sys.exit(main())
