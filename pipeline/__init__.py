"""Gristmill's pipeline: web crawls in, a pretraining corpus out, every page accounted for.

The parts that a program of your own may use are here by name, and imported when they are first used:

    import pipeline as gm

    for page in gm.extract_pages("crawl.warc.gz", {"languages": ["en"]}): ...
    pages = p | gm.ReadCrawl("crawl.warc.gz", output="out") | gm.ExtractText() | MyStage() | gm.WriteSplit("out")
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.config import build_config as build_config
    from pipeline.config import load_config as load_config
    from pipeline.extract.extract_text import AddMetadata as AddMetadata
    from pipeline.extract.extract_text import ExtractText as ExtractText
    from pipeline.extract.filter_quality import FilterQuality as FilterQuality
    from pipeline.extract.identify_language import IdentifyLanguage as IdentifyLanguage
    from pipeline.extract.job import extract_pages as extract_pages
    from pipeline.extract.mask_pii import MaskPii as MaskPii
    from pipeline.extract.page import Page as Page
    from pipeline.extract.page import Rejection as Rejection
    from pipeline.extract.page_stage import PageStage as PageStage
    from pipeline.extract.prefilter_language import PrefilterLanguage as PrefilterLanguage
    from pipeline.extract.read_crawl import ReadCrawl as ReadCrawl
    from pipeline.extract.score_quality import ScoreQuality as ScoreQuality
    from pipeline.extract.sign_minhash import SignMinHash as SignMinHash
    from pipeline.extract.write_split import WriteSplit as WriteSplit
    from pipeline.filters.base import Filter as Filter
    from pipeline.filters.base import Threshold as Threshold
    from pipeline.filters.statistics import TextStatistics as TextStatistics
    from pipeline.html.engines import Extraction as Extraction

__version__ = "0.1.0"

# Where each part is defined.
PARTS = {
    "build_config": "pipeline.config",
    "load_config": "pipeline.config",
    "AddMetadata": "pipeline.extract.extract_text",
    "ExtractText": "pipeline.extract.extract_text",
    "FilterQuality": "pipeline.extract.filter_quality",
    "IdentifyLanguage": "pipeline.extract.identify_language",
    "extract_pages": "pipeline.extract.job",
    "MaskPii": "pipeline.extract.mask_pii",
    "Page": "pipeline.extract.page",
    "Rejection": "pipeline.extract.page",
    "PageStage": "pipeline.extract.page_stage",
    "PrefilterLanguage": "pipeline.extract.prefilter_language",
    "ReadCrawl": "pipeline.extract.read_crawl",
    "ScoreQuality": "pipeline.extract.score_quality",
    "SignMinHash": "pipeline.extract.sign_minhash",
    "WriteSplit": "pipeline.extract.write_split",
    "Filter": "pipeline.filters.base",
    "Threshold": "pipeline.filters.base",
    "TextStatistics": "pipeline.filters.statistics",
    "Extraction": "pipeline.html.engines",
}


def __getattr__(name: str) -> Any:
    """Import a part when it is first used."""
    if name not in PARTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(PARTS[name]), name)


def __dir__() -> list[str]:
    """Return the names of all parts."""
    return sorted([*globals(), *PARTS])
