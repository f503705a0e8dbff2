"""Crawls one web site and keeps one of each of its pictures in a collection of the service:

    scrapy runspider integrations/picture_spider.py -a url=https://example.org/ -s DEDUP_COLLECTION=crawl -O kept.jsonl

One item for each picture of each page; those that repeat another are dropped. A start for spiders of one's own.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import scrapy
from scrapy.http import Response
from scrapy.linkextractors import LinkExtractor

sys.path.append(str(Path(__file__).resolve().parents[1]))  # so that the pipeline is found wherever this is run


class PictureSpider(scrapy.Spider):
    """Follows the links of a site to itself; robots.txt is obeyed."""

    name = "pictures"
    custom_settings = {  # noqa: RUF012  # as Scrapy has it
        "ITEM_PIPELINES": {"integrations.scrapy_dedup.DedupPipeline": 1},
        "ROBOTSTXT_OBEY": True,
    }

    def __init__(self, url: str = "", **more: Any) -> None:
        host = urlsplit(url).netloc  # with its port, as the extractor compares it
        if not host:
            raise ValueError("say where to begin: -a url=https://example.org/")
        super().__init__(**more)
        self.start_urls = [url]
        self._links = LinkExtractor(allow_domains=[host])

    def parse(self, response: Response, **_: Any) -> Iterator[Any]:
        """Its pictures, then the pages that it links to."""
        if not isinstance(response, scrapy.http.TextResponse):
            return
        for src in response.css("img::attr(src)").getall():
            yield {"page": response.url, "image_urls": [response.urljoin(src)]}
        for link in self._links.extract_links(response):
            yield response.follow(link)
