"""Ninth stage: what dedup compares pages by, the hash of the normalised text and the MinHash signature."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline.extract.page import Page, PageFunction, process_remaining
from pipeline.extract.page_stage import PageStage
from pipeline.text.minhash import MinHashParams, hash_text, sign_texts

SIGNED_CHARACTERS = 400_000  # of text signed together: some 65,000 words, minhash.BLOCK


def sign_pages(pages: Sequence[Page], params: MinHashParams | None) -> list[Page]:
    """Add the text hash to every page, and the signature by `params` (None: an empty one)."""
    return process_remaining(pages, partial(_sign, params=params))


def _sign(pages: Sequence[Page], params: MinHashParams | None) -> list[Page]:
    """Sign pages that were not rejected before."""
    signed: list[Page] = []
    for some in group_by_characters(pages):
        texts = [page.text or "" for page in some]
        sketches = sign_texts(texts, params) if params else [b""] * len(texts)
        signed += [
            replace(page, text_hash=hash_text(text), minhash=sketch)
            for page, text, sketch in zip(some, texts, sketches, strict=True)
        ]
    return signed


def group_by_characters(pages: Sequence[Page]) -> Iterator[list[Page]]:
    """Yield the pages in their order, each time with SIGNED_CHARACTERS of text or a little more."""
    group: list[Page] = []
    characters = 0
    for page in pages:
        group.append(page)
        characters += len(page.text or "")
        if characters >= SIGNED_CHARACTERS:
            yield group
            group, characters = [], 0
    if group:
        yield group


@dataclass(eq=False)
class SignMinHash(PageStage):
    """PCollection[Page] -> PCollection[Page]: pages with text hash and MinHash signature."""

    params: MinHashParams | None = MinHashParams()  # None: near duplicates are off, and the signature is empty

    def load(self) -> PageFunction:
        """Sign a text, which makes the tables of the signatures: half a second that is no page's time."""
        if self.params:
            sign_texts([""], self.params)
        return partial(sign_pages, params=self.params)
