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

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic")


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
        for url in pictures_of(response):
            yield {"page": response.url, "image_urls": [url]}
        for link in self._links.extract_links(response):
            yield response.follow(link)


def pictures_of(response: scrapy.http.TextResponse) -> list[str]:
    """URLs of the pictures on a page, each once: those that it links to, which are often larger; then what it shows."""
    linked = [href for href in response.css("a::attr(href)").getall() if _ends_like_one(href)]
    largest = [_largest(srcset) for srcset in response.css("img::attr(srcset), source::attr(srcset)").getall()]
    shown = response.css("img::attr(data-src), img::attr(src)").getall()
    urls = (response.urljoin(each) for each in [*linked, *largest, *shown] if each and not each.startswith("data:"))
    return list(dict.fromkeys(urls))


def _ends_like_one(href: str) -> bool:
    return urlsplit(href).path.lower().endswith(ENDINGS)


def _largest(srcset: str) -> str:
    """Of `small.jpg 480w, large.jpg 2x`: widths and densities are never mixed."""
    candidates = [each.split() for each in srcset.split(", ") if each.strip()]
    return max(candidates, key=lambda each: float(each[1][:-1]) if _has_size(each) else 1.0, default=[""])[0].rstrip(
        ","
    )


def _has_size(candidate: list[str]) -> bool:
    return len(candidate) > 1 and candidate[1][:-1].replace(".", "", 1).isdigit()
