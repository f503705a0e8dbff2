"""Scrapy keeps one of each picture: `ITEM_PIPELINES = {"integrations.scrapy_dedup.DedupPipeline": 1}`.

See docs/crawlers.md.
"""

from integrations.scrapy_dedup.pipeline import DedupPipeline

__all__ = ["DedupPipeline"]
