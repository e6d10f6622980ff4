"""The search for evaluation items: what it finds of edited questions, what it finds in clean texts, and its speed.

ARC's questions are put into a line of prose as they are and edited in several ways; the edited words become words of
the novels. All sets are searched for in texts that hold none: the novels, and the human gold of the crawl's pages.
"""

import gzip
import json
import lzma
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.jobs import read_own_cpu

if TYPE_CHECKING:
    from pipeline.io.evaluation_sets import EvaluationItem
    from pipeline.text.item_index import ItemIndex

RUNS = 3
SHOWN = 10  # false hits
Edit = Callable[[list[str], random.Random, list[str]], list[str]]


def change_word(words: list[str], draw: random.Random, others: list[str]) -> list[str]:
    """Return words with one of them changed."""
    place = draw.randrange(len(words))
    return [*words[:place], draw.choice(others), *words[place + 1 :]]


def change_middle(words: list[str], draw: random.Random, others: list[str]) -> list[str]:
    """Return words with the one in the middle changed, which leaves the shortest runs."""
    place = len(words) // 2
    return [*words[:place], draw.choice(others), *words[place + 1 :]]


def leave_word_out(words: list[str], draw: random.Random, others: list[str]) -> list[str]:
    """Return words without one of them."""
    place = draw.randrange(len(words))
    return words[:place] + words[place + 1 :]


def add_word(words: list[str], draw: random.Random, others: list[str]) -> list[str]:
    """Return words with one more."""
    place = draw.randrange(len(words) + 1)
    return [*words[:place], draw.choice(others), *words[place:]]


def change_every_tenth(words: list[str], draw: random.Random, others: list[str]) -> list[str]:
    """Return words with every tenth changed, from one of the first ten on."""
    first = draw.randrange(min(10, len(words)))
    return [draw.choice(others) if n % 10 == first else word for n, word in enumerate(words)]


EDITS: dict[str, tuple[Edit, str]] = {
    "as it is": (lambda words, draw, others: words, ""),
    "one word changed": (change_word, ".90"),
    "the middle word changed": (change_middle, ""),
    "one word left out": (leave_word_out, ""),
    "one word added": (add_word, ""),
    "every tenth word changed": (change_every_tenth, ".60"),
}


def run(crawl: str) -> None:
    """Print the tables, on the shared data beside the crawl files."""
    from pipeline.io.evaluation_sets import build_passages, read_evaluation_sets
    from pipeline.publish.settings import DecontaminateConfig
    from pipeline.text.item_index import ItemIndex

    data, config = Path(crawl).parent.parent, DecontaminateConfig()
    start = read_own_cpu()
    items = list(read_evaluation_sets((str(data / "eval"),)))
    index = ItemIndex.build(map(build_passages, items), config.ngram, config.min_question_words, config.min_overlap)
    made = f"{len(index.hashes):,} n-grams, {len(index.questions.words):,} words of questions"
    print(f"{len(items):,} items of all sets indexed in {read_own_cpu() - start:.1f} CPU-seconds: {made}\n")
    novels = read_novels(data / "text" / "novels.jsonl.xz")
    arc = [number for number, item in enumerate(items) if item.set.startswith("arc")]
    measure_edits(index, [items[number].texts[0] for number in arc], novels[0])
    short = len(set(index.unsearched.tolist()).intersection(arc))
    print(f"of ARC's {len(arc):,} questions {short} are too short or too general to be searched for alone\n")
    print(f"{'texts without items':24} {'MB':>6} {'hits':>5} {'MB/s':>6}   bars: 1 in 10 MB, 20 MB/s")
    gold = [text for name in ("crawl", "extraction") for text in read_gold_texts(data / name / "gold.jsonl.gz")]
    for name, texts in (("novels", novels), ("gold of the crawl", gold)):
        measure_clean_texts(index, items, name, texts)


def read_novels(path: Path) -> list[str]:
    """Return the novels, each cut at paragraphs into pieces of about 100,000 characters, as long pages are."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        whole = [json.loads(line)["text"] for line in lines]
    return [piece for text in whole for piece in cut_text(text)]


def cut_text(text: str) -> Iterator[str]:
    """Yield a text in pieces that end with a paragraph."""
    first = 0
    while first < len(text):
        end = text.find("\n\n", first + 100_000)
        yield text[first : end if end >= 0 else len(text)]
        first = end if end >= 0 else len(text)


def read_gold_texts(path: Path) -> list[str]:
    """Return the human main texts of pages."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [row["gold_text"] for row in rows if row["gold_kind"] == "human" and row["gold_text"]]


def measure_edits(index: "ItemIndex", questions: Sequence[str], prose: str) -> None:
    """Print the share of the questions that is found, by edit: of all, and of those that can be found as they are."""
    others = re.findall(r"[a-z]{3,10}", prose)
    known: list[bool] = []
    print(f"{'question of ARC':26} {'of all':>7} {'of those found as they are':>27}   bar")
    for name, (edit, bar) in EDITS.items():
        draw = random.Random(name)
        edited = [" ".join(edit(question.split(), draw, others)) for question in questions]
        found = list(map(bool, index.spans([f"He went home again. {one} And so it was." for one in edited])))
        known = known or found
        both = sum(hit for hit, before in zip(found, known, strict=True) if before)
        print(f"{name:26} {sum(found) / len(found):7.3f} {both / sum(known):27.3f}   {bar}", flush=True)


def measure_clean_texts(index: "ItemIndex", items: "Sequence[EvaluationItem]", name: str, texts: list[str]) -> None:
    """Print how fast texts are searched, what is found in them, and some of it to be read."""
    size, speeds = sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6, []
    found = index.spans(texts)
    for _ in range(RUNS):
        start = read_own_cpu()
        index.spans(texts)
        speeds.append(size / (read_own_cpu() - start))
    hits = [(span, texts[n][span.start : span.end]) for n, spans in enumerate(found) for span in spans]
    print(f"{name:24} {size:6.1f} {len(hits):5} {median(speeds):6.1f}", flush=True)
    for span, text in hits[:SHOWN]:
        print(f"   {span.overlap:.2f} {' '.join(text.split())!r}: {items[span.item].texts[0][:100]!r}")
