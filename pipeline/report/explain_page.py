"""One page, block by block: how likely each is main text, what was kept, and why. The HTML loads nothing."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.html.charset import decode_body
from pipeline.html.engines import MAX_CHARACTERS, EngineOptions
from pipeline.html.main_content.blocks import (
    BUTTON,
    CAPTION,
    DEFINITION,
    ITEM,
    PARAGRAPH,
    PRE,
    ROW,
    TERM,
    remove_marks,
)
from pipeline.html.main_content.class_hints import HINTS
from pipeline.html.main_content.classifier import (
    JudgedBlocks,
    effective_threshold,
    judge_blocks,
    load_main_content_model,
)
from pipeline.html.main_content.render import render_text
from pipeline.report.render import render_template
from pipeline.text.invisible import remove_invisible

KINDS = {PARAGRAPH: "text", ITEM: "list item", PRE: "code", ROW: "table row", TERM: "term", DEFINITION: "definition",
         CAPTION: "caption", BUTTON: "button"}  # fmt: skip
LONGEST_SHOWN = 2000  # characters of a block
MOST_SHOWN = 5000  # blocks
TIMEOUT = 30  # seconds to wait for a server
HEADERS = {"User-Agent": "gristmill (explain-page)", "Accept": "text/html"}


class ExplainError(ValueError):
    """A page that cannot be explained; the text is one line."""


class ShownBlock(NamedTuple):
    """A block as it is shown: `score` from 0 to 1, `link` the share of its characters in links."""

    number: int
    kind: str
    text: str
    score: float
    link: float
    kept: bool
    reason: str
    hints: str


def render_page_explanation(source: str, objective: str, threshold: float) -> tuple[str, str]:
    """Return the explanation of a page as HTML, and what was kept in one line.

    `source` is a file or an http(s) address. Raises ExplainError or OSError, one line.
    """
    body, content_type = read_page_source(source)
    html, encoding = decode_body(body, content_type)
    if len(html) > MAX_CHARACTERS:
        raise ExplainError(f"{source}: {len(html):,} characters are more than an engine is given")
    options = EngineOptions(objective=objective, threshold=threshold)
    url = source if is_address(source) else ""
    effective = effective_threshold(options.threshold, options.objective)
    judged = judge_blocks(html, url, effective, load_main_content_model())
    if judged is None:
        raise ExplainError(f"{source}: the page has no text")
    blocks = list(describe_blocks(judged))
    kept = sum(block.kept for block in blocks)
    text = remove_invisible(render_text(judged.page, judged.kept))
    values = {
        "source": source,
        "url": url,
        "title": judged.page.title,
        "encoding": encoding,
        "objective": objective,
        "threshold": threshold,
        "cut": judged.cut,
        "blocks": blocks[:MOST_SHOWN],
        "left_out": max(0, len(blocks) - MOST_SHOWN),
        "kept": kept,
        "count": len(blocks),
        "text": text,
    }
    return render_template(
        "explain_page.html", values
    ), f"{kept:,} of {len(blocks):,} blocks kept, {len(text):,} characters"


def is_address(source: str) -> bool:
    """Tell whether a source is a web address."""
    return source.lower().startswith(("http://", "https://"))


def read_page_source(source: str) -> tuple[bytes, str]:
    """Return the bytes of a page and its Content-Type, "" for a file. Raises ExplainError or OSError."""
    body, content_type = fetch_page(source) if is_address(source) else (read_page_file(source), "")
    if not body.strip():
        raise ExplainError(f"{source}: the page is empty")
    return body, content_type


def read_page_file(path: str) -> bytes:
    """Return the bytes of a file. Raises ExplainError or OSError."""
    if os.path.isdir(path):
        raise ExplainError(f"{path}: is a folder; name an HTML file or an address")
    if not os.path.exists(path):
        raise ExplainError(f"{path}: no such file; an address begins with http:// or https://")
    size = os.path.getsize(path)
    if size > 4 * MAX_CHARACTERS:
        raise ExplainError(f"{path}: {size:,} bytes are too many for a page")
    body = Path(path).read_bytes()
    if body[:2] == b"\x1f\x8b" or body[:5] in (b"%PDF-", b"WARC/"):
        raise ExplainError(f"{path}: is no HTML file; take the page out of it first")
    return body


def fetch_page(url: str) -> tuple[bytes, str]:
    """Return the body and the Content-Type of an address. Raises ExplainError."""
    import requests

    body = b""
    try:
        with requests.get(url, headers=HEADERS, timeout=TIMEOUT, stream=True) as response:
            if response.status_code != 200:
                raise ExplainError(f"{url}: the server answers {response.status_code}")
            for part in response.iter_content(1 << 16):
                body += part
                if len(body) > 4 * MAX_CHARACTERS:
                    raise ExplainError(f"{url}: more than {4 * MAX_CHARACTERS:,} bytes are too many for a page")
            return body, response.headers.get("Content-Type", "")
    except requests.RequestException as error:
        raise ExplainError(f"{url}: cannot be fetched: {' '.join(str(error).split())[:300]}") from error


def describe_blocks(judged: JudgedBlocks) -> Iterator[ShownBlock]:
    """Yield the blocks of a page as they are shown."""
    page = judged.page
    reasons = find_reasons(judged)
    for number, text in enumerate(page.text):
        kind, container = page.kind[number], page.container[number]
        shown = remove_invisible(remove_marks(text))
        bits = int(judged.layout.path_hints[container])
        yield ShownBlock(
            number=number + 1,
            kind=f"heading {kind}" if 1 <= kind <= 6 else KINDS[kind],
            text=shown[:LONGEST_SHOWN] + ("…" if len(shown) > LONGEST_SHOWN else ""),
            score=float(judged.scores[number]),
            link=min(1.0, page.link_characters[number] / max(1, len(shown))),
            kept=bool(judged.kept[number]),
            reason=reasons[number],
            hints=" ".join(name.removeprefix("tag_") for bit, name in enumerate(HINTS) if bits >> bit & 1),
        )


def find_reasons(judged: JudgedBlocks) -> list[str]:
    """Return for each block why it was kept or left out, in a few words."""
    high = judged.scores > judged.cut
    names = {
        (True, True): "its score",
        (False, True): "kept with what is parallel to it or around it",
        (True, False): "left out with what is parallel to it, or for what it repeats",
        (False, False): "its score",
    }
    return [names[bool(score), bool(kept)] for score, kept in zip(high, np.asarray(judged.kept), strict=True)]
