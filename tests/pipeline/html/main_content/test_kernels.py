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
from pipeline.html.main_content.characters import COMMA, DENSE, END, LOWER, SPACE, UPPER, count_characters
from pipeline.html.main_content.classifier import judge_blocks, load_main_content_model

PARTS = (
    "<p>The mill by the river, 17 sacks a day.</p>", "<h2>Prices &amp; hours</h2>", "<li><a href=/a>Menu</a></li>",
    "<p>水車小屋と川の音。</p>", "<p>\U0001f600 Emoji \U0001f600!</p>", "<table><tr><td>Rye<td>$12</tr></table>",
    "<pre>grind(rye)</pre>", "<dl><dt>Stone<dd>Turns all day long, and never stops.</dl>", "<button>Copy</button>",
    "<div class=card><h3>One</h3><p>Grinds much.</p></div>", "<footer>Imprint</footer>", "<ul>", "</ul>", "<div>",
    "</div>", "<section class=comments>", "</section>", "<p>" + "Long words wheelwright " * 20 + "</p>",
)  # fmt: skip


def test_characters_are_counted_by_class() -> None:
    counts, last = count_characters(["Ab, c.", "水\U0001f600", "x"])
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
    for module in compiled:
        plain = load_plain(module)
        for user in [user for name, user in sys.modules.items() if name.startswith("pipeline.html.main_content")]:
            for name in {
                name for name, value in vars(user).items() if user is not module and value is vars(module).get(name)
            }:
                if callable(vars(module)[name]) and hasattr(plain, name) and name.islower():
                    monkeypatch.setattr(user, name, run_both(name, vars(module)[name], getattr(plain, name), calls))
                    expected.add(name)
    draw = random.Random(7)
    for _ in range(30):
        page = "".join(draw.choices(PARTS, k=draw.randrange(1, 60)))
        judge_blocks(f"<title>The mill</title>{page}", "https://a.example/docs/mill", 0.5, load_main_content_model())
    assert calls == expected
