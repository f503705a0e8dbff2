"""What a configuration is called on the command line -> a Descriptor.

default                                  the project's config.yaml
my.yaml                                  what differs from it
default,search.mode=thorough             single settings, after a file, `default` or alone
dhash, phash, pdq                        baselines
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from evaluation.descriptors import BASELINES, Descriptor, Embedding, Thorough, load_baseline
from evaluation.errors import EvaluationError
from retrieval.settings import Settings, load_settings, merge

DEFAULT = "default"


def load_descriptor(spec: str) -> Descriptor:
    """Raises EvaluationError, BadSettings, ExtractorError."""
    return load_baseline(spec) if spec in BASELINES else embedding(spec, settings_of(spec))


def embedding(name: str, settings: Settings) -> Embedding:
    """As `search.mode` says. Raises ExtractorError."""
    kind = Thorough if settings.search.mode == "thorough" else Embedding
    return kind(name, settings.extractor)


def settings_of(spec: str, **changes: Any) -> Settings:
    """The settings that `spec` names, and sections that overrule them. Raises EvaluationError, BadSettings."""
    first, *rest = spec.split(",")
    file = None if first == DEFAULT or "=" in first else Path(first)
    assignments = rest if file or first == DEFAULT else [first, *rest]
    settings = nested(dict(_assignment(part, spec) for part in assignments))
    merge(settings, changes)
    return load_settings(file, **settings)


def nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """{"extractor.size": 224} -> {"extractor": {"size": 224}}. Raises EvaluationError where two keys contradict."""
    tree: dict[str, Any] = {}
    for key, value in dotted.items():
        *path, last = key.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise EvaluationError(f"{key}: {part} is given as a value and as a section")
        place[last] = value
    return tree


def _assignment(part: str, spec: str) -> tuple[str, Any]:
    key, equals, value = part.partition("=")
    if not (key and equals and value):
        raise EvaluationError(f"--config {spec}: {part!r} is not KEY=VALUE")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise EvaluationError(f"--config {spec}: the value of {key} is not valid YAML") from None
