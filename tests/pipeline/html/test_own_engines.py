"""An engine of one's own: small pages in this process, large ones in the sandbox, and errors of one line."""

from pathlib import Path

import pytest

from pipeline.config import build_config
from pipeline.html.engines import EngineError, Extraction, PageError, load_engine
from pipeline.settings import ConfigError

ENGINES = """
from pipeline.html.engines import Extraction

def first_words(html, url):
    return f"{len(html)} characters of {url}\\x00"

def own_title(html, url):
    return Extraction("text", "Own title", "", "", "", "")

def raise_on_pages(html, url):
    if "Self-test" in html:
        return "fine"
    raise KeyError("body")

def return_number(html, url):
    return 7

def return_number_later(html, url):
    return "fine" if "Self-test" in html else 7

def raise_always(html, url):
    raise RuntimeError("no licence\\nfound")

not_a_function = 3
"""


@pytest.fixture(autouse=True)
def own_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_engines.py").write_text(ENGINES)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_small_and_large_pages_go_through_the_same_function() -> None:
    extract = load_engine("own_engines:first_words")
    small = "<html><head><title>Small</title></head><body>text</body></html>"
    large = small + " " * 300_000
    assert extract(small, "http://a.example/") == Extraction(
        f"{len(small)} characters of http://a.example/", "Small", "", "", "", ""
    )
    assert extract(large, "http://a.example/").text == f"{len(large)} characters of http://a.example/"
    assert load_engine("own_engines:own_title")(small, "").title == "Own title"


def test_what_it_raises_over_a_page_is_that_pages_reason() -> None:
    with pytest.raises(PageError, match="KeyError") as caught:
        load_engine("own_engines:raise_on_pages")("<p>x</p>", "http://a.example/")
    assert caught.value.reason == "parse-error"


@pytest.mark.parametrize(
    "name, needle",
    [
        ("own_engines:no_such", "own_engines has no 'no_such'"),
        ("no_such_module:engine", "there is no module 'no_such_module'"),
        ("own_engines:return_number", "returned int '7' for https://example.org/"),
        ("own_engines:raise_always", "failed on its self-test page: RuntimeError: no licence found"),
        ("own_engines:not_a_function", "failed on its self-test page: TypeError"),
    ],
)
def test_a_function_that_cannot_be_used_is_one_line(name: str, needle: str) -> None:
    with pytest.raises(EngineError) as caught:
        load_engine(name)
    assert str(caught.value).startswith("extract.engine: ") and needle in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [10, 300_000])
def test_nonsense_for_a_page_stops_the_run_and_names_the_page(size: int) -> None:
    extract = load_engine("own_engines:return_number_later")
    with pytest.raises(EngineError, match=r"own_engines:return_number_later returned int '7' for http://a\.example/"):
        extract("x" * size, "http://a.example/")


@pytest.mark.parametrize(
    "settings, needle",
    [
        ({"engine": "resiliprse"}, "no such engine; did you mean 'resiliparse'?"),
        ({"engine": "own_engines:first_words", "comments": True}, "is not asked for extract.comments"),
        ({"engine": "own_engines:first_words", "objective": "recall"}, "is not asked for extract.objective"),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(settings: dict[str, object], needle: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_config({"inputs": ["x"], "output": "out", "extract": settings})
    assert needle in str(caught.value) and "\n" not in str(caught.value)
