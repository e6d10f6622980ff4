"""Compose the content of a page: blocks of text from a stock of sentences."""

from __future__ import annotations

import random
from dataclasses import dataclass

from demo.grammar import Author, Section, Stock, Voice

# Units of a stock per paragraph, at least and at most. A unit is one or two sentences.
PARAGRAPH = (2, 3)


@dataclass(frozen=True)
class Block:
    """A block of a page. `kind` is h2, p, ul, ol, pre, quote, post, faq, table or links.

    `text` is the text of h2, p, pre and quote, and the body of a post. `items` are the entries of a list, the rows of
    a table as `name => value`, the questions of a faq as `question => answer`, or the (author, signature) of a post.
    """

    kind: str
    text: str = ""
    items: tuple[str, ...] = ()


def join_block_texts(blocks: list[Block]) -> str:
    """Return the main text of a page, as a perfect extractor would: one line a paragraph, list entry or row."""
    lines: list[str] = []
    for block in blocks:
        if block.kind in ("ul", "ol"):
            lines += block.items
        elif block.kind in ("faq", "table"):
            lines += [part for item in block.items for part in item.split(" => ")]
        elif block.kind != "links":
            lines.append(block.text)
    return "\n".join(lines)


def compose_page(author: Author, stock: Stock, rng: random.Random, headings: bool = True) -> tuple[str, list[Block]]:
    """Return the title and the blocks of a page. Optional sections of the stock occur with probability .7."""
    voice = author.choose_voice(stock, rng)
    title = author.choose_title(voice)
    blocks: list[Block] = []
    for section in stock.sections:
        if section.optional and rng.random() > 0.7:
            continue
        if headings and section.heading != "-":
            blocks.append(Block("h2", voice.say(section.heading)))
        blocks += _section(author, voice, section, rng)
    return title, blocks


def _section(author: Author, voice: Voice, section: Section, rng: random.Random) -> list[Block]:
    units = author.choose_units(voice, section)
    if section.kind == "p":
        return [Block("p", text) for text in join_paragraphs(units, rng, " " if voice.stock.language != "ja" else "")]
    if section.kind in ("ul", "ol", "faq", "table"):
        return [Block(section.kind, items=tuple(units))]
    if section.kind == "post":
        signature = voice.stock.slots.get("signature", [""])
        return [
            Block("post", unit, (voice.say("[*user]"), voice.say(rng.choice(signature)) if rng.random() < 0.4 else ""))
            for unit in units
        ]
    return [Block(section.kind, unit) for unit in units]


def join_paragraphs(units: list[str], rng: random.Random, join: str = " ") -> list[str]:
    """Join units into paragraphs of PARAGRAPH units each."""
    texts, start = [], 0
    while start < len(units):
        size = rng.randint(*PARAGRAPH)
        if len(units) - start - size == 1:
            size += 1
        texts.append(join.join(units[start : start + size]))
        start += size
    return texts
