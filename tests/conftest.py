"""For all tests: property tests draw the same examples in every run, so that a run that passed passes again."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# They run first, so that nothing waits for them at the end.
LONGEST = (
    *("test_whole.py", "test_growth.py", "test_run.py", "test_dedup.py", "test_readme.py", "test_runners.py"),
    *("test_archives.py", "test_prism.py", "test_s3.py"),
)

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# read when gcsfs is imported: else it first asks for each bucket's type over TLS, which no emulator speaks
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"


def pytest_configure() -> None:
    """Stop where a compiled module is older than its source, whose place it takes: what is tested would be another."""
    for compiled in Path(__file__).parents[1].glob("pipeline/**/*.so"):
        module = compiled.with_name(compiled.name.partition(".")[0])
        sources = (module.with_suffix(suffix) for suffix in (".py", ".pxd", ".pyx"))
        if any(source.exists() and source.stat().st_mtime > compiled.stat().st_mtime for source in sources):
            raise pytest.UsageError(f"{compiled.name} is older than its source: run `make compile`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, for two processes to end at one time."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
