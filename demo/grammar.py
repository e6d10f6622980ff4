"""A small text grammar. Stock files hold hand-written sentences with alternatives and slots.

The lines of a stock file (lines that start with `#` are comments):

    @title The River [name]                 one of several titles
    @slot name: Harrow; Ansel; Wend         a pool of values, which may be templates
    @num length: 18 240 2                   a pool of numbers: low, high, step
    @columns mineral formula                a table of facts; each page uses one @row
    @row Quartz | SiO2
    == p 3-5? Course and {valley|basin}     a section: kind, units a page, `?` if optional, heading or `-`
    The [name] rises {on|high on} [moor].   a unit: one or more sentences that belong together
    ! The [name] is a river.                a unit that every page has, at the beginning

`{a|b}` is a choice. `[slot]` is a value that stays the same on a page, `[slot2]` another value of the same pool, and
`[*slot]` a new value every time. `⟨ ⟩` and `⟦ ⟧` stand for literal braces and brackets, `\\n` for a line break.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

TEXT = Path(__file__).parent / "text"
KINDS = ("p", "ul", "ol", "pre", "post", "faq", "table", "quote")

_CHOICE = re.compile(r"\{([^{}]*)\}")
_SLOT = re.compile(r"\[(\*?)(\w+)\]")
_SECTION = re.compile(r"== (\w+) (\d+)-(\d+)(\??) (.+)")
_START = re.compile(r"^\w|(?<=[a-z0-9][.!?] )[a-z]")
_LITERAL = str.maketrans("⟨⟩⟦⟧", "{}[]")
_THOUSANDS = {"en": ",", "de": ".", "es": ".", "fr": "\u202f", "ru": "\u00a0", "ja": ","}


@dataclass
class Section:
    """A section of a stock: its heading template, its kind (one of KINDS), and its units with their number a page."""

    heading: str
    kind: str
    low: int
    high: int
    optional: bool
    units: list[str] = field(default_factory=list)


@dataclass
class Stock:
    """The content of a stock file. The docstring of this module describes the format."""

    name: str
    language: str
    titles: list[str] = field(default_factory=list)
    slots: dict[str, list[str]] = field(default_factory=dict)
    numbers: dict[str, range] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)


def load_stock(language: str, name: str) -> Stock:
    """Read `text/LANGUAGE/common.txt` and `text/LANGUAGE/NAME.txt`, whose pools replace common ones of the same name.

    Raises ValueError, with file and line, if a line does not parse.
    """
    stock = Stock(name, language)
    for file in ("common", name):
        _read(TEXT / language / f"{file}.txt", stock)
    return stock


def _read(path: Path, stock: Stock) -> None:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            _read_line(line, stock)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from error


def _read_line(line: str, stock: Stock) -> None:
    head, _, rest = line.partition(" ")
    if head == "==":
        match = _SECTION.fullmatch(line)
        if not match or match[1] not in KINDS:
            raise ValueError(f"not a section line: {line!r}")
        stock.sections.append(Section(match[5], match[1], int(match[2]), int(match[3]), bool(match[4])))
    elif head.startswith("@"):
        _read_definition(head, rest, stock)
    elif stock.sections:
        stock.sections[-1].units.append(line)
    else:
        raise ValueError("a sentence before the first section")


def _read_definition(head: str, rest: str, stock: Stock) -> None:
    key, _, value = rest.partition(":")
    if head == "@title":
        stock.titles.append(rest)
    elif head == "@slot":
        stock.slots[key] = [part.strip() for part in value.split(";")]
    elif head == "@num":
        low, high, *step = (int(part) for part in value.split())
        stock.numbers[key] = range(low, high + 1, *step)
    elif head == "@columns":
        stock.columns = rest.split()
    elif head == "@row":
        row = [part.strip() for part in rest.split("|")]
        if len(row) != len(stock.columns):
            raise ValueError(f"{len(row)} cells for {len(stock.columns)} columns")
        stock.rows.append(row)
    else:
        raise ValueError(f"no such definition: {head}")


class Voice:
    """Expands the templates of one page and remembers the value of each slot. Deterministic for a given `rng`."""

    def __init__(self, stock: Stock, rng: random.Random, row: list[str] | None = None) -> None:
        self.stock = stock
        self.rng = rng
        self.bound: dict[str, str] = dict(zip(stock.columns, row or [], strict=bool(row)))

    def say(self, template: str, sentence: bool = True) -> str:
        """Return the template with choices made and slots filled. A `sentence` begins with a capital letter."""
        text = self._expand(template).translate(_LITERAL).replace("\\n", "\n")
        return _START.sub(lambda m: m[0].upper(), text) if sentence else text

    def _expand(self, template: str) -> str:
        while True:
            text = _CHOICE.sub(lambda m: self.rng.choice(m[1].split("|")), template)
            if text == template:
                return _SLOT.sub(self._slot, text)
            template = text

    def _slot(self, match: re.Match[str]) -> str:
        fresh, name = match[1], match[2]
        if not fresh and name in self.bound:
            return self.bound[name]
        value = self._draw(name)
        for _ in range(50):
            if value not in self.bound.values():
                break
            value = self._draw(name)
        if not fresh:
            self.bound[name] = value
        return value

    def _draw(self, name: str) -> str:
        pool = name if name in self.stock.slots or name in self.stock.numbers else name.rstrip("0123456789")
        if pool in self.stock.numbers:
            number = self.rng.choice(self.stock.numbers[pool])
            return str(number) if number < 10_000 else f"{number:,}".replace(",", _THOUSANDS[self.stock.language])
        if pool not in self.stock.slots:
            raise ValueError(f"stock {self.stock.language}/{self.stock.name}: no slot named [{name}]")
        return self._expand(self.rng.choice(self.stock.slots[pool]))


class Author:
    """Composes pages from stocks. It prefers the units that were used least, so that pages share few sentences."""

    def __init__(self) -> None:
        self._used: Counter[tuple[str, str, str]] = Counter()
        self._stocks: dict[tuple[str, str], Stock] = {}
        self._titles: set[tuple[str, str]] = set()

    def get_stock(self, language: str, name: str) -> Stock:
        """Return a stock. Each is read once."""
        key = (language, name)
        if key not in self._stocks:
            self._stocks[key] = load_stock(language, name)
        return self._stocks[key]

    def _least_used(self, stock: Stock, options: list[str], count: int, rng: random.Random) -> list[str]:
        def rank(option: str) -> tuple[int, float]:
            return self._used[(stock.language, stock.name, option)], rng.random()

        chosen = sorted(options, key=rank)[:count]
        for option in chosen:
            self._used[(stock.language, stock.name, option)] += 1
        return [option for option in options if option in chosen]

    def choose_voice(self, stock: Stock, rng: random.Random) -> Voice:
        """Return a voice for one page, with the row of the facts table that was used least."""
        if not stock.rows:
            return Voice(stock, rng)
        line = self._least_used(stock, ["|".join(row) for row in stock.rows], 1, rng)[0]
        return Voice(stock, rng, line.split("|"))

    def choose_title(self, voice: Voice) -> str:
        """Return a title that no page in this language has. Raises ValueError if there is none left."""
        for _ in range(200):
            template = self._least_used(voice.stock, voice.stock.titles, 1, voice.rng)[0]
            text = voice.say(" ".join(voice.say(template, False).split()))
            if (voice.stock.language, text) not in self._titles:
                self._titles.add((voice.stock.language, text))
                return text
        raise ValueError(f"stock {voice.stock.language}/{voice.stock.name}: titles are used up")

    def choose_units(self, voice: Voice, section: Section) -> list[str]:
        """Return the units of a section as text, in the order of the stock file."""
        count = voice.rng.randint(section.low, section.high)
        fixed = [unit for unit in section.units if unit.startswith("! ")]
        free = [unit for unit in section.units if not unit.startswith("! ")]
        chosen = fixed[:1] + self._least_used(voice.stock, free, count - len(fixed[:1]), voice.rng)
        return [voice.say(unit.removeprefix("! "), section.kind not in ("pre", "table")) for unit in chosen]
