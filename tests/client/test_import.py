"""The client needs requests, and nothing of the service."""

import ast
import subprocess
import sys

from tests.service.server import ROOT

ALONE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import client, client.wsgi
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
REFUSED = {
    "flask", "faiss", "pydantic", "numpy", "retrieval", "index_store", "extractor", "PIL", "httpx", "sqlalchemy", "app"
}  # fmt: skip


def test_it_is_imported_without_the_server():
    code = ALONE.format(refused=REFUSED)
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    assert "requests" in done.stdout.split()
    assert not REFUSED & set(done.stdout.split())


def test_every_public_name_is_there():
    import client

    assert sorted(client.__all__) == sorted(set(client.__all__))
    assert all(hasattr(client, name) for name in client.__all__)


def test_it_names_nothing_of_the_service():
    for path in (ROOT / "client").glob("*.py"):
        names = {
            name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert names - set(sys.stdlib_module_names) <= {"client", "requests", "urllib3"}, path
