"""The labelled page that the quality classifier learns from, and the set of such pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from classifiers.errors import ClassifierError
from classifiers.hashing import hash_strings
from classifiers.page_files import PageRow, find_page_files, read_page_rows
from classifiers.tokens import MAX_TEXT_CHARACTERS, build_token_line
from pipeline.url.canonical import url_domain

UNKNOWN_LANGUAGE = "und"


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """A page with its label. `site` is "" if the URL is unknown; `length` is in characters."""

    id: str
    site: str
    language: str
    length: int
    line: str  # the tokens of the text
    label: int  # 1 reference, 0 other

    @property
    def site_key(self) -> str:
        """The site; for a page without a URL a key of its own."""
        return self.site or f"page {self.id}"


class TrainingSet(NamedTuple):
    """The pages of both classes, a description of their source, and remarks for the model card."""

    pages: list[LabelledPage]
    source: str
    notes: list[str]


def make_labelled_page(row: PageRow, label: int, max_characters: int = MAX_TEXT_CHARACTERS) -> LabelledPage | None:
    """Return a row as a LabelledPage; None if its text holds no token."""
    text, url = row.get("text") or "", row.get("url") or ""
    line = build_token_line(text, max_characters)
    if not line:
        return None
    identity = row.get("id") or hash_strings(url, text)
    language = row.get("language") or UNKNOWN_LANGUAGE
    return LabelledPage(str(identity), url_domain(url) if url else "", language, len(text), line, label)


def read_labelled_pages(source: str, label: int) -> list[LabelledPage]:
    """Return the pages of a file, folder or glob, all with one label. Raises ClassifierError if there are none."""
    pages = (make_labelled_page(row, label) for path in find_page_files(source) for row in read_page_rows(path))
    found = [page for page in pages if page]
    if not found:
        raise ClassifierError(f"{source}: no page with a text")
    return found


def count_labels(pages: Sequence[LabelledPage]) -> tuple[int, int]:
    """Return how many pages have label 0, and how many have label 1."""
    positives = sum(page.label for page in pages)
    return len(pages) - positives, positives


def remove_repeated_pages(pages: Sequence[LabelledPage]) -> tuple[list[LabelledPage], int]:
    """Return each line of tokens once, and how many pages were removed. A reference is preferred to an other page.

    The order of the result depends on content alone, not on the order of files or rows.
    """
    kept: dict[str, LabelledPage] = {}
    for page in sorted(pages, key=lambda p: (-p.label, p.id, p.site, p.language, p.length)):
        kept.setdefault(page.line, page)
    return sorted(kept.values(), key=lambda p: (hash_strings(p.id, p.line), p.id)), len(pages) - len(kept)
