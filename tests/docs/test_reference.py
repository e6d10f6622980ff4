"""The reference pages say what the code says."""

import ast
import dataclasses

import pytest

from docs.generate import FOLDER, FOLDERS, PAGES, walk_sections
from pipeline.config import Config, config_values
from pipeline.io import schemas
from pipeline.report.reasons import REJECTION_REASONS, describe_filter_reasons
from tests.shared import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name):
    """`python -m docs.generate` writes the pages anew."""
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name]()


def test_every_key_of_the_config_is_on_the_page():
    def keys(values, prefix=""):
        for key, value in values.items():
            nested = isinstance(value, dict) and value
            yield from keys(value, f"{prefix}{key}.") if nested else [f"{prefix}{key}"]

    listed = {setting.key for section in walk_sections(Config) for setting in section.settings}
    sections = {section.name for section in walk_sections(Config)}
    effective = set(keys(config_values(Config(inputs=("a",), output="b"))))
    assert effective - listed - sections == set()


def test_every_setting_says_what_it_means():
    silent = [s.key for section in walk_sections(Config) for s in section.settings if not s.meaning]
    assert not silent, f"no comment beside {silent}"


def test_every_reason_that_the_code_gives_is_described():
    """Reasons are literals in the code; the demo's sample and the museum of broken files meet most of them."""
    described = set(REJECTION_REASONS) | set(describe_filter_reasons())
    given = set()
    for path in (ROOT / "pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Rejection":
                words = [part.value for part in node.args[:2] if isinstance(part, ast.Constant)]
                given |= {"/".join(words)} if len(words) == 2 else set()
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "PageError":
                given |= {f"extract/{part.value}" for part in node.args[:1] if isinstance(part, ast.Constant)}
    assert len(given) > 10
    assert given <= described


def test_every_schema_has_its_folder():
    names = {name for name, value in vars(schemas).items() if hasattr(value, "names") and name.isupper()}
    assert {name for name, _ in FOLDERS.values()} <= names
    assert dataclasses.fields(Config)
