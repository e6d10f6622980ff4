"""A hook of the site: links to files of the repository become their paths, since the site holds docs/ alone."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[([^\]\n]+)\]\(\.\./([^)#\s]+)(?:#[^)\s]*)?\)")


class BrokenLinkError(ValueError):
    """A page links to a file that the repository does not have. The text is one line."""


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return a page in which a link such as `[bench](../bench/RESULTS.md)` reads `bench` (`bench/RESULTS.md`)."""

    def name_file(match: re.Match[str]) -> str:
        text, path = match.groups()
        if not (ROOT / path).exists():
            raise BrokenLinkError(f"docs/{page.file.src_uri}: ../{path}: no such file in the repository")
        return f"`{path}`" if text.strip("`") == path else f"{text} (`{path}`)"

    return LINK.sub(name_file, markdown)
