"""`python -m tests.integrations.crawl URL FOLDER SETTINGS`: a Scrapy crawl, as people run them.

SETTINGS is JSON. Items go to FOLDER/items.jsonl, statistics with the longest pause of the reactor to FOLDER/stats.json.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import scrapy
from scrapy import signals
from scrapy.crawler import AsyncCrawlerProcess, Crawler, CrawlerProcess
from scrapy.utils.asyncio import create_looping_call

BEAT_S = 0.02


class Gallery(scrapy.Spider):
    """One item for each article of a page; on to the next page."""

    name = "gallery"

    def parse(self, response: Any) -> Any:
        for article in response.css("article"):
            yield {
                "page": response.url,
                "image_urls": [response.urljoin(src) for src in article.css("img::attr(src)").getall()],
            }
        yield from response.follow_all(css="a.next")


class Heart:
    """An extension that notes the longest time between two beats of the reactor."""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Heart":
        heart = cls()
        heart.stats = crawler.stats
        crawler.signals.connect(heart.begin, signals.spider_opened)
        return heart

    def begin(self) -> None:
        self.last = time.monotonic()
        create_looping_call(self.beat).start(BEAT_S)

    def beat(self) -> None:
        now = time.monotonic()
        self.stats.max_value("longest_pause_s", now - self.last)
        self.last = now


def main(url: str, folder: str, settings: str) -> None:
    home = Path(folder)
    base = {
        "ITEM_PIPELINES": {"integrations.scrapy_dedup.DedupPipeline": 1},
        "EXTENSIONS": {"tests.integrations.crawl.Heart": 1},
        "FEEDS": {str(home / "items.jsonl"): {"format": "jsonlines", "overwrite": False}},
        "TELNETCONSOLE_ENABLED": False,
        "DOWNLOAD_DELAY": 0,
        "AUTOTHROTTLE_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 16,
    }
    given = json.loads(settings)
    kind = CrawlerProcess if given.get("TWISTED_REACTOR_ENABLED", True) else AsyncCrawlerProcess
    process = kind(base | given)
    crawler = process.create_crawler(Gallery)
    process.crawl(crawler, start_urls=[f"{url}/page/0"])
    process.start()
    (home / "stats.json").write_text(json.dumps(crawler.stats.get_stats(), default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
