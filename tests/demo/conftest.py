"""The demo's pages and files, made once for all of its tests."""

import json
from pathlib import Path
from typing import Any

import pytest

from demo.crawl import build_crawl
from demo.site import HERE, Page


@pytest.fixture(scope="session")
def pages() -> list[Page]:
    return build_crawl()


@pytest.fixture(scope="session")
def folder() -> Path:
    return HERE


@pytest.fixture(scope="session")
def facts() -> dict[str, Any]:
    return json.loads((HERE / "expected.json").read_text(encoding="utf-8"))
