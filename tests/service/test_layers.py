"""Imports point one way, and importing anything starts nothing."""

import ast
import subprocess
import sys

import pytest

from tests.service.server import ROOT


def imported_by(statement: str) -> set[str]:
    """Modules in a fresh interpreter after a statement; its threads are ended or it would not return."""
    code = f"{statement}\nimport sys, threading\nassert threading.active_count() == 1\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return set(done.stdout.split())


def test_importing_the_service_starts_no_thread_and_loads_no_model():
    assert not imported_by("import app") & {"openvino", "onnxruntime", "torch"}


def test_the_settings_need_neither_a_web_server_nor_a_model():
    assert not imported_by("import retrieval.settings") & {"flask", "gunicorn", "openvino", "onnxruntime"}


@pytest.mark.parametrize("package", ["extractor", "index_store"])
def test_no_lower_package_names_a_higher_one(package):
    for path in (ROOT / package).glob("*.py"):
        names = {name for node in ast.walk(ast.parse(path.read_text())) for name in imported_names(node)}
        other = {"extractor": "index_store", "index_store": "extractor"}[package]
        assert not {name.split(".")[0] for name in names} & {"flask", "flask_restful", "retrieval", "app", other}, path


def imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_the_factory_only_wires():
    tree = ast.parse((ROOT / "app.py").read_text())
    (factory,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "create_app")
    assert factory.end_lineno - factory.lineno < 40
