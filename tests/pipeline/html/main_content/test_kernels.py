"""The loops that Cython compiles where it can: what they find, and that the plain source finds the same."""

import importlib
import pkgutil
import random
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pipeline.html.main_content import kernels
from pipeline.html.main_content.boosted_trees import find_compiled_sums, sum_leaves_on_arrays
from pipeline.html.main_content.characters import (
    COMMA,
    DENSE,
    END,
    LOWER,
    SPACE,
    UPPER,
    count_units_by_class,
    read_units,
)
from pipeline.html.main_content.classifier import judge_blocks, load_main_content_model

SENTENCE = "The mill by the river, 17 sacks a day."
JSON_LD = f'type="application/ld+json">{{"@type": "Product", "description": "{SENTENCE} {SENTENCE}"}}'
PARTS = (
    f"<p>{SENTENCE}</p>", "<h2>Prices &amp; hours</h2>", "<li><a href=/a>Menu</a></li>",
    "<p>水車小屋と川の音。</p>", "<p>\U0001f600 Emoji \U0001f600!</p>", "<table><tr><td>Rye<td>$12</tr></table>",
    "<pre>grind(rye)</pre>", "<dl><dt>Stone<dd>Turns all day long, and never stops.</dl>", "<button>Copy</button>",
    "<div class=card><h3>One</h3><p>Grinds much.</p></div>", "<footer>Imprint</footer>", "<ul>", "</ul>", "<div>",
    "</div>", "<section class=comments>", "</section>", "<p>" + "Long words wheelwright " * 20 + "</p>",
)  # fmt: skip


def test_characters_are_counted_by_class() -> None:
    texts = ["Ab, c.", "水\U0001f600", "x"]
    counts, last = count_units_by_class(read_units("|".join(texts), texts))
    assert counts[0, [UPPER, LOWER, COMMA, SPACE, END]].tolist() == [1, 2, 1, 1, 1]
    assert counts[1, DENSE] == 1 and counts[2].sum() == 1
    assert last.tolist() == [END, 0, LOWER]


def find_kernels() -> list[ModuleType]:
    """Return the modules of kernels."""
    names = [module.name for module in pkgutil.iter_modules(kernels.__path__, kernels.__name__ + ".")]
    return [importlib.import_module(name) for name in names if not name.endswith(".arrays")]


def load_plain(compiled: ModuleType) -> ModuleType:
    """Return a compiled module as its source runs."""
    name = compiled.__name__.rpartition(".")[2]
    loader = SourceFileLoader("plain_" + name, str(Path(kernels.__path__[0]) / f"{name}.py"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    plain = module_from_spec(spec)
    loader.exec_module(plain)
    return plain


def run_both(name: str, compiled: Callable[..., Any], plain: Callable[..., Any], calls: set[str]) -> Callable[..., Any]:
    """Return a function that runs both on equal arguments, and compares what they return and write."""

    def run(*arguments: Any) -> Any:
        copies = [np.array(given).data if isinstance(given, memoryview) else given for given in arguments]
        found, expected = compiled(*arguments), plain(*copies)
        assert found == expected, name
        for given, copy in zip(arguments, copies, strict=True):
            if isinstance(given, memoryview):
                assert given.tobytes() == copy.tobytes(), name
        calls.add(name)
        return found

    return run


def test_compiled_kernels_find_what_their_source_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = [module for module in find_kernels() if not str(module.__file__).endswith(".py")]
    if not compiled:
        pytest.skip("no kernel is compiled here: there is only the source")
    calls: set[str] = set()
    expected = set()
    users = [user for name, user in sys.modules.items() if name.startswith("pipeline.html.main_content")]
    for module in compiled:
        plain = load_plain(module)
        for name, kernel in list(vars(module).items()):
            if callable(kernel) and getattr(kernel, "__module__", "") == module.__name__:
                checked = run_both(name, kernel, getattr(plain, name), calls)
                for user in [user for user in users if vars(user).get(name) is kernel]:
                    monkeypatch.setattr(user, name, checked)
                expected.add(name)
    draw = random.Random(7)
    for _ in range(30):
        page = "".join(draw.choices(PARTS, k=draw.randrange(1, 60)))
        head = f"<title>The mill, prices</title><meta name=description content='{SENTENCE}'><script {JSON_LD}</script>"
        judge_blocks(head + page, "https://a.example/docs/mill", 0.5, load_main_content_model())
    assert calls == expected and len(calls) >= 20


def test_compiled_trees_give_the_sums_that_arrays_give() -> None:
    compiled = find_compiled_sums()
    if compiled is None:
        pytest.skip("no trees are compiled here: there are only the arrays")
    draw = np.random.default_rng(3)
    for depth in (1, 2, 6, 8):
        for columns in (0, 1, 30):
            rows = draw.integers(0, 4, (5, columns)).astype(np.float32)  # many are equal to a border
            feature, border = draw.integers(0, 5, 20), draw.integers(0, 4, 20).astype(np.float32)
            asked, leaves = draw.integers(0, 20, (depth, 40)), draw.integers(-9, 9, (40, 1 << depth)).astype(np.int32)
            found, expected = np.ones(columns, np.int64), np.ones(columns, np.int64)
            compiled(rows, feature, border, asked, leaves, found)
            sum_leaves_on_arrays(rows, feature, border, asked, leaves, expected)
            assert found.tolist() == expected.tolist()
    with pytest.raises(ValueError, match="leaves"):
        compiled(rows, feature, border, asked, leaves[:, :2].copy(), found)
