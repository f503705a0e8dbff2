"""The spider that comes with the pipeline, run as its first lines say."""

import json
import subprocess
import sys

import pytest

from client import Client
from tests.integrations.site import files, originals, served
from tests.integrations.test_scrapy import THRESHOLD, paged
from tests.service.server import ROOT, serving

pytestmark = [pytest.mark.slow, pytest.mark.any_extractor]
SPIDER = ROOT / "integrations/picture_spider.py"


def run(folder, *arguments):
    command = [sys.executable, "-m", "scrapy", "runspider", str(SPIDER), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_a_site_is_crawled_and_one_of_each_picture_kept(tmp_path):
    with serving(tmp_path / "service" / "data") as server, served(paged([[name] for name in files()])) as site:
        with Client(server.url) as client:
            client.collections.create("crawl", threshold=THRESHOLD)
        told = run(
            tmp_path, "-a", f"url={site.url}/page/0", "-O", "pictures.jsonl",
            "-s", f"DEDUP_SERVER={server.url}", "-s", "DEDUP_COLLECTION=crawl",
        )  # fmt: skip
        with Client(server.url) as client:
            held = [image.id for image in client.images("crawl")]
    assert told.returncode == 0, told.stderr
    items = [json.loads(line) for line in (tmp_path / "pictures.jsonl").read_text().splitlines()]
    assert sorted(item["dedup"][0]["id"] for item in items) == sorted(held)
    assert len(held) == len(originals())
    assert f"'dedup/items/dropped': {len(files()) - len(originals())}" in told.stderr


def test_without_a_url_it_says_what_to_do(tmp_path):
    told = run(tmp_path)
    assert told.returncode != 0
    assert "-a url=" in told.stderr
