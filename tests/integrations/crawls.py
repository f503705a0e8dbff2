"""Crawls in processes of their own, and what came of them."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.service.server import PATIENCE_S, ROOT


class Crawl:
    """A crawl of a site, under way or done."""

    def __init__(self, url: str, folder: Path, server: str, **settings: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        given = {"DEDUP_SERVER": server, "DEDUP_BATCH_WAIT": 0.1, **settings}
        environ = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        self.log = folder / "log.txt"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integrations.crawl", url, str(folder), json.dumps(given)],
                cwd=ROOT, env=environ, stdout=log, stderr=log,
            )  # fmt: skip

    def __enter__(self) -> "Crawl":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def wait(self) -> "Crawl":
        """Until it has ended, without an error in its log."""
        assert self.process.wait(PATIENCE_S) == 0, self.text()
        return self

    def text(self) -> str:
        """The log."""
        return self.log.read_text()

    @property
    def items(self) -> list[dict[str, Any]]:
        """What came through."""
        path = self.folder / "items.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def stats(self) -> dict[str, Any]:
        """Those of dedup without the prefix, and the rest."""
        stats = json.loads((self.folder / "stats.json").read_text())
        return {name.removeprefix("dedup/"): value for name, value in stats.items()}

    def kept(self) -> Counter[str]:
        """How often each original came through, as itself or as any copy."""
        urls = [url for item in self.items for url in item["image_urls"]]
        return Counter(url.rpartition("/")[2].partition(".")[0] for url in urls)
