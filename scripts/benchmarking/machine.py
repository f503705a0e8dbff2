"""What a run was measured on. No name of a host or a folder is in it."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from retrieval import VERSION

FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "asimddp",
    "i8mm",
)
LIBRARIES = ("faiss-cpu", "ImageHash", "numpy", "onnxruntime", "openvino", "pillow", "usearch")


def machine() -> dict[str, Any]:
    """Processor, memory, and versions of what does the work."""
    found = _processor()
    return {
        "processor": found.get("model name", platform.machine()),
        "flags": [flag for flag in FLAGS if flag in found.get("flags", found.get("Features", "")).split()],
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "imageretrieval": VERSION,
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
    }


def in_words(described: dict[str, Any]) -> str:
    """In a line."""
    flags = ", ".join(described["flags"]) or "none of the flags looked for"
    cores, memory = described["cores"], described["memory_gib"]
    return f"{described['processor']} ({flags}), {cores} cores, {memory} GiB, Python {described['python']}"


def _processor() -> dict[str, str]:
    """The first one's entry in /proc/cpuinfo, where there is one."""
    path = Path("/proc/cpuinfo")
    first = path.read_text().split("\n\n", 1)[0] if path.exists() else ""
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
