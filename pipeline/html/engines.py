"""The main text of a page, by an engine of the user's choice, within limits that hold for native code too.

An engine is a function of (html, url). A broken page is a `PageError` with a stable reason; a broken engine is an
`EngineError` and stops the run. trafilatura always runs in the sandbox process: a page costs it 25 ms, the way there
and back half of one. resiliparse and gristmill (2 to 4 ms) run in this process for pages that `is_small` accepts. The
time that an HTML parser takes grows with the square of the depth of elements and of the attributes of a tag (for each
tag, HTML5 looks through all open elements), so that both are bounded here; larger pages go to the sandbox.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pipeline.html.metadata import extract_metadata
from pipeline.html.sandbox import SandboxEnded, SandboxProcess, serve_requests
from pipeline.html.settings import ENGINE_NAMES, is_own_engine
from pipeline.io.plugins import load_object
from pipeline.settings import ConfigError
from pipeline.text.invisible import remove_invisible, unify_line_breaks

MAX_CHARACTERS = 20_000_000
MEMORY_MB = 2048  # address space of the helper; a 10 MB page takes trafilatura some 250 MB
MANY_TAGS = 4000  # "<" in a page that needs no sandbox; one page in twenty has more
MANY_ATTRIBUTES = 5000  # "=" in it
LONG_TAG = 16_384  # characters without a ">" in it
IN_PROCESS = {"trafilatura": 0, "resiliparse": 100_000, "gristmill": 200_000}  # characters that need no helper
OWN_IN_PROCESS = 200_000  # the same for an engine of the user's own

EMPTY_LINES = re.compile("\n{3,}")
INNER_SPACE = re.compile(r"(?<=\S)[^\S\n]{2,}")

SELF_TEST = """<!DOCTYPE html><html><head><title>Self-test</title></head><body><nav><a href="/">Home</a></nav><article>
<h1>Self-test</h1>{}</article><footer>Imprint</footer></body></html>""".format(
    "<p>A mill grinds what the river turns it for, one sack after another, and the miller counts every one.</p>" * 4
)
SELF_TEST_WORDS = "one sack after another"


class Extraction(NamedTuple):
    """What was found in a page; "" where unknown. `date` is YYYY-MM-DD, `canonical` and `licence` are addresses."""

    text: str
    title: str
    author: str
    date: str
    canonical: str
    licence: str


class EngineError(RuntimeError):
    """The engine is broken or missing: the run must stop, for it is no page's fault."""


class PageError(ValueError):
    """A page that cannot be extracted: "timeout", "memory", "crash", "too-deep", "too-large" or "parse-error"."""

    def __init__(self, reason: str, detail: str = ""):
        """Keep the stable reason, and what the engine said."""
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


Engine = Callable[[str, str], Extraction]


class EngineOptions(NamedTuple):
    """What an engine is asked for. `threshold` is gristmill's alone."""

    objective: str = "balanced"  # or "precision", "recall"
    comments: bool = False
    format: str = "text"  # or "markdown"
    threshold: float = 0.55


def load_engine(
    name: str,
    *,
    objective: str = "balanced",
    comments: bool = False,
    seconds: float = 10.0,
    format: str = "text",
    threshold: float = 0.55,
) -> "LoadedEngine":
    """Return the extractor f(html, url) -> Extraction, tried on a page of its own.

    `name` is one of ENGINE_NAMES, or "package.module:function" for a function (html, url) -> text or Extraction.
    `objective` is "balanced", "precision" or "recall", `format` "text" or "markdown"; `threshold` (gristmill's) is the
    share of the best F1 to be expected of a page that a block must be worth; `seconds` of CPU time are allowed a page.
    f raises PageError, and EngineError when the engine fails whatever the page. Raises EngineError, one line, if the
    engine does not work here, or has no such format.
    """
    if name not in ENGINES and not is_own_engine(name):
        raise EngineError(f"extract.engine: {name!r} is unknown; the engines are {', '.join(ENGINE_NAMES)}")
    if format == "markdown" and name not in WITH_MARKDOWN:
        raise EngineError(f"extract.format: {name} has no markdown; {' and '.join(WITH_MARKDOWN)} have it")
    return LoadedEngine(name, EngineOptions(objective, comments, format, threshold), seconds)


class LoadedEngine:
    """An engine within its limits. `cpu` counts the seconds of CPU time that its pages took, here and in the helper."""

    def __init__(self, name: str, options: EngineOptions, seconds: float):
        """Load the engine and try it. Raises EngineError."""
        self.name, self.seconds, self.cpu = name, seconds, 0.0
        self.limit = IN_PROCESS.get(name, OWN_IN_PROCESS)
        self.direct = load_checked_engine(name, options) if self.limit else None
        self.helper = SandboxProcess("pipeline.html.engines", name, str(seconds), json.dumps(options))
        if not self.limit:
            self.ask_helper(b"", "")  # starts it, so that it says now whether the engine works

    def __call__(self, html: str, url: str) -> Extraction:
        """Extract a page. Raises PageError, EngineError."""
        if len(html) > MAX_CHARACTERS:
            raise PageError("too-large", f"{len(html)} characters")
        html, source = encode_page(html)
        if self.direct is None or not is_small(html, source, self.limit):
            return self.ask_helper(source, url)
        start = time.thread_time()
        try:
            return run_guarded(self.direct, html, url)
        finally:
            self.cpu += time.thread_time() - start

    def ask_helper(self, source: bytes, url: str) -> Extraction:
        """Have the helper extract a page, in UTF-8. Raises PageError, EngineError."""
        try:
            answer = json.loads(self.helper.ask(json.dumps(url).encode() + b"\n" + source))
        except SandboxEnded as error:
            if error.reason == "ended":
                raise EngineError(f"extract.engine: {error}") from error
            self.cpu += self.seconds if error.reason == "timeout" else 0.0
            raise PageError(error.reason) from error
        if "engine" in answer:
            raise EngineError(answer["engine"])
        self.cpu += answer["cpu"]
        if "page" in answer:
            raise PageError(*answer["page"])
        return Extraction(*answer["found"])


def is_small(html: str, source: bytes, limit: int) -> bool:
    """Tell whether a page, as text and in UTF-8, can be parsed in this process: the worst that passes takes about two
    seconds.

    True for at most `limit` characters, MANY_TAGS tags and MANY_ATTRIBUTES attributes, with a ">" in every part of
    LONG_TAG characters.
    """
    if len(html) > limit:
        return False
    units = np.frombuffer(source, np.uint8)  # counts two signs in a quarter of the time of str.count
    if np.count_nonzero(units == ord("<")) > MANY_TAGS or np.count_nonzero(units == ord("=")) > MANY_ATTRIBUTES:
        return False
    return all(html.find(">", start, start + LONG_TAG) >= 0 for start in range(0, len(html) - LONG_TAG, LONG_TAG))


def encode_page(html: str) -> tuple[str, bytes]:
    """Return a page without lone surrogates, which native parsers refuse, and the same in UTF-8."""
    try:
        return html, html.encode()
    except UnicodeEncodeError:
        source = html.encode("utf-8", "replace")
        return source.decode(), source


def run_guarded(engine: Engine, html: str, url: str) -> Extraction:
    """Run an engine on a page and turn whatever it raises into PageError or EngineError."""
    try:
        return engine(html, url)
    except EngineError:
        raise
    except ImportError as error:
        raise EngineError(f"extract.engine: a part of it is missing: {error}") from error
    except MemoryError as error:
        raise PageError("memory") from error
    except RecursionError as error:
        raise PageError("too-deep") from error
    except Exception as error:  # an engine may raise anything over a broken page; it is charged to the page, by name
        raise PageError("parse-error", f"{type(error).__name__}: {str(error)[:200]}") from error


def load_checked_engine(name: str, options: EngineOptions) -> Engine:
    """Build an engine and try it, which tells a broken installation from a broken page."""
    if is_own_engine(name):
        return load_own_engine(name)
    try:
        engine = ENGINES[name](options)
        tried = ENGINES[name](options._replace(threshold=EngineOptions().threshold))  # 0 takes all, 1 hardly anything
        text = tried(SELF_TEST, "https://example.org/").text
    except Exception as error:
        message = " ".join(str(error).split())
        raise EngineError(f"extract.engine: {name} does not work here: {type(error).__name__}: {message}") from error
    if SELF_TEST_WORDS not in text or ("Imprint" in text and options.objective != "recall"):  # which takes all text
        raise EngineError(f"extract.engine: {name} does not work here: its self-test page gave {text[:80]!r}")
    return engine


def load_own_engine(use: str) -> Engine:
    """Return the user's function as an engine, tried on a page. Raises EngineError, one line, where it cannot be used.

    A text that it returns is completed by the metadata of the page. Characters that are never text are removed.
    """
    try:
        function = load_object(use, "extract.engine")
    except ConfigError as error:
        raise EngineError(str(error)) from error

    def engine(html: str, url: str) -> Extraction:
        found = function(html, url)
        if isinstance(found, str):
            found = Extraction(found, *extract_metadata(html, url))
        if not isinstance(found, Extraction) or not all(isinstance(value, str) for value in found):
            raise EngineError(
                f"extract.engine: {use} returned {type(found).__name__} {str(found)[:80]!r} for {url or 'a page'}; "
                "it must return a text, or an Extraction of texts"
            )
        return Extraction(*(remove_invisible(value) for value in found))

    try:
        engine(SELF_TEST, "https://example.org/")
    except EngineError:
        raise
    except Exception as error:  # a user's function may raise anything
        message = " ".join(str(error).split())
        raise EngineError(
            f"extract.engine: {use} failed on its self-test page: {type(error).__name__}: {message}"
        ) from error
    return engine


def _build_trafilatura(options: EngineOptions) -> Engine:
    """Build the trafilatura engine: no deduplication across pages, no metadata (htmldate's result depends on today)."""
    import logging

    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # it logs every page it finds nothing in
    markdown = options.format == "markdown"

    def engine(html: str, url: str) -> Extraction:
        text = trafilatura.extract(
            html,
            url=url or None,
            favor_precision=options.objective == "precision",
            favor_recall=options.objective == "recall",
            include_comments=options.comments,
            output_format="markdown" if markdown else "txt",
            deduplicate=False,
            with_metadata=False,
        )
        return Extraction((tidy_markdown if markdown else tidy_lines)(text or ""), *extract_metadata(html, url))

    return engine


def _build_resiliparse(options: EngineOptions) -> Engine:
    """Build the resiliparse engine: main content by its rules; with objective "recall", all visible text."""
    from resiliparse.extract.html2text import extract_plain_text

    def engine(html: str, url: str) -> Extraction:
        text = extract_plain_text(
            html,
            preserve_formatting=True,
            main_content=options.objective != "recall",
            list_bullets=True,
            alt_texts=False,
            links=False,
            form_fields=False,
            noscript=False,
            comments=options.comments,
        )
        return Extraction(tidy_lines(text), *extract_metadata(html, url))

    return engine


def _build_gristmill(options: EngineOptions) -> Engine:
    """Build our own engine: blocks of the page, scored by a small trained model."""
    from pipeline.html.main_content.classifier import effective_threshold, extract_main_content, load_main_content_model

    model, markdown = load_main_content_model(), options.format == "markdown"
    threshold = effective_threshold(options.threshold, options.objective)

    def engine(html: str, url: str) -> Extraction:
        text = extract_main_content(html, url, threshold, options.comments, markdown, model)
        return Extraction(remove_invisible(text), *extract_metadata(html, url))

    return engine


ENGINES: dict[str, Callable[[EngineOptions], Engine]] = {
    "trafilatura": _build_trafilatura,
    "resiliparse": _build_resiliparse,
    "gristmill": _build_gristmill,
}
WITH_MARKDOWN = ("trafilatura", "gristmill")


def tidy_lines(text: str) -> str:
    """Return text as lines: one a paragraph, heading, list item or row; no empty ones, no controls, single spaces.

    The space at a line's start stays, which is code's; that before a list's bullet goes.
    """
    text = remove_invisible(unify_line_breaks(text))
    lines = (INNER_SPACE.sub(" ", line.rstrip()) for line in text.split("\n"))
    return "\n".join(line.lstrip() if line.lstrip()[:1] in "•-*" else line for line in lines if line)


def tidy_markdown(text: str) -> str:
    """Return Markdown without controls, with no more than one empty line between blocks; code keeps its white space."""
    lines = (line.rstrip() for line in remove_invisible(unify_line_breaks(text)).split("\n"))
    return EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


def run_sandbox(arguments: list[str]) -> None:
    """Be the helper process: answer pages for `ENGINE SECONDS OPTIONS`, these as JSON, from standard input."""
    name, seconds, options = arguments
    try:
        engine = load_checked_engine(name, EngineOptions(*json.loads(options)))
        broken = ""
    except EngineError as error:
        broken = str(error)

    def answer(request: bytes) -> bytes:
        if broken:
            return json.dumps({"engine": broken}).encode()
        url, _, html = request.partition(b"\n")
        start = time.process_time()
        try:
            found = run_guarded(engine, html.decode("utf-8"), json.loads(url)) if html else [""] * 6
            made = {"found": found, "cpu": time.process_time() - start}
            return json.dumps(made, ensure_ascii=False).encode("utf-8", "replace")
        except EngineError as error:
            return json.dumps({"engine": str(error)}).encode()
        except PageError as error:
            return json.dumps({"page": [error.reason, error.detail], "cpu": time.process_time() - start}).encode()

    serve_requests(answer, float(seconds), MEMORY_MB)


if __name__ == "__main__":
    run_sandbox(sys.argv[1:])
