"""The topic classifier: what a page is about, by its text, its address and its shape. fastText, labelled by recipe.

A page becomes one line: the topics that its address and its seed words speak for, the words of the address, the text's
tokens, and marks of its shape. It is taught twice, with its address and without, so that the text must do as well.
"""

import hashlib
import json
import math
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np

from classifiers.data import DataError, digest, find_files, read_rows
from classifiers.errors import ClassifierError
from classifiers.features import VERSION as TOKENS_VERSION
from classifiers.features import tokens
from classifiers.files import folder_written_whole
from classifiers.topic_labels import Label, Lists, categorised, label, rarities, seeds, spoken_for
from pipeline.url.canonical import host, site
from pipeline.url.topic_by_address import DOMAINS, domain

VERSION = 1  # of a page's line; a model trained on another is refused
MAX_CHARACTERS = 1000  # a page says early what it is about: 2,000 and 3,000 were told no better, at twice the cost
PER_SITE = 5  # pages of a site that are learned from: a site's own words are no topic
PREFIX = "__label__"
WORD = re.compile(r"[^\W\d_]+")
ADDRESS_WORDS = 30
VERDICTS = 16  # how often the topic by the address stands in a line, so that it weighs beside hundreds of words
SEED_MARKS = 10  # marks shared out among the topics that seed words speak for
CODE, PRICES = "{};=<>", "$€£¥₽"
FOLDS = 3
UNKNOWN = Label("other", "words")


@dataclass(frozen=True)
class Settings:
    """fastText's parameters. Words alone: with a few thousand pages pairs of words are too rare to be learned."""

    dim: int = 16
    epoch: int = 25
    lr: float = 0.5
    wordNgrams: int = 1  # fastText's own name, as the last
    minCount: int = 2
    seed: int = 0


class Page(NamedTuple):
    """A labelled page: `text` is its line of tokens, `shape` marks of its form."""

    id: str
    url: str
    site: str
    text: str
    shape: str
    label: Label


def shape(text: str) -> str:
    """Return marks of a text's form: short lines, lines, length, code, digits, questions, prices."""
    size = len(text)
    if not size:
        return ""
    lines = [line for line in text.split("\n") if line.strip()]
    short = sum(len(line) < 40 for line in lines) * 5 // max(1, len(lines))
    digits = sum(map(text.count, "0123456789"))
    marks = {
        "short": short,
        "lines": len(lines).bit_length(),
        "size": size.bit_length(),
        "code": min(9, 200 * sum(map(text.count, CODE)) // size),
        "digits": min(9, 50 * digits // size),
        "questions": min(5, 2000 * text.count("?") // size),
        "prices": min(5, sum(map(text.count, PRICES))),
    }
    return " ".join(f"s|{name}{value}" for name, value in marks.items())


def address_marks(url: str) -> str:
    """Return marks of an address: the topic that it speaks for, and its words. "" for no address."""
    if not url:
        return ""
    try:
        path = unquote(urlsplit(url.strip()).path)
    except ValueError:
        path = ""
    words = WORD.findall(f"{host(url)} {path}".lower())[:ADDRESS_WORDS]
    known, verdict = seeds(), domain(url)
    # an address that says nothing is no sign of "other": it gets no mark
    marks = [f"d|{verdict}"] * VERDICTS if verdict != "other" else []
    marks += [f"a|{known[word]}" for word in words if word in known]
    return " ".join([*marks, *(f"u|{word}" for word in words)])


def seed_marks(line: str, rarity: Mapping[str, float]) -> str:
    """Return marks of the topics that a text's seed words speak for, the four loudest, SEED_MARKS shared among them."""
    sums = spoken_for(line, rarity)
    whole = sum(sums.values())
    loudest = sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:4]
    return (
        " ".join(f"t|{topic}" for topic, n in loudest for _ in range(max(1, int(SEED_MARKS * n / whole))))
        if whole
        else ""
    )


def line_of(text: str, form: str, url: str, rarity: Mapping[str, float]) -> str:
    """Return what fastText sees of a page; `text` is its line of tokens, `form` its shape."""
    return " ".join(filter(None, (address_marks(url), seed_marks(text, rarity), text, form)))


def read(
    documents: str | None = None,
    labelled: str | None = None,
    dumps: Iterable[Path] = (),
    lists: Path | None = None,
) -> tuple[list[Page], dict[str, float]]:
    """Return the labelled pages, each text once, in an order of their own, and the rarities of the seed words.

    `documents` are labelled by recipe; `labelled` has a column `topic`. Raises DataError, ClassifierError, OSError.
    """
    known = Lists(lists) if lists else None
    rows: list[tuple[dict[str, Any], Label | None]] = []
    for source in (labelled, documents):
        for path in find_files(source) if source else ():
            for row in read_rows(path):
                rows.append((short(row), given(row, path) if source == labelled else None))
    rows += [
        (short({"text": text, "id": title}), Label(topic, "category")) for title, text, topic in categorised(dumps)
    ]
    rarity = rarities(row["line"] for row, _ in rows)
    pages: dict[str, Page] = {}
    for row, known_label in rows:
        if row["line"] and row["line"] not in pages:
            mine = known_label or label(row["url"], row["line"], rarity, known)
            where = site(row["url"]) if row["url"] else f"page {row['id']}"
            pages[row["line"]] = Page(row["id"], row["url"], where, row["line"], row["shape"], mine)
    return sorted(pages.values(), key=lambda page: (digest(page.id, page.text), page.id)), rarity


def short(row: Mapping[str, Any]) -> dict[str, str]:
    """Return what is kept of a row: its text is cut before anything else, so that a crawl fits into memory."""
    text, url = (row.get("text") or "")[:MAX_CHARACTERS], row.get("url") or ""
    identity = str(row.get("id") or digest(url, text))
    return {"id": identity, "url": url, "line": tokens(text, MAX_CHARACTERS), "shape": shape(text)}


def given(row: Mapping[str, Any], path: Path) -> Label:
    """Return a row's own topic. Raises DataError for none, or one that is unknown."""
    topic = row.get("topic")
    if topic not in DOMAINS:
        raise DataError(f"{path}: {topic!r} is no topic; a row has a `topic`, one of {', '.join(DOMAINS)}")
    return Label(topic, "given")


def folds(pages: Sequence[Page], count: int, seed: int) -> list[list[Page]]:
    """Deal pages into folds by a hash of their site: no site is in two of them."""
    dealt: list[list[Page]] = [[] for _ in range(count)]
    for page in pages:
        dealt[int(digest(str(seed), "fold", page.site), 16) % count].append(page)
    return dealt


def learned(pages: Sequence[Page]) -> list[Page]:
    """Return at most PER_SITE pages of each site, and of those of which nothing speaks no more than a topic has.

    Where neither address nor words speak for a topic, "other" is want of knowledge more than a label.
    """
    taken: Counter[str] = Counter()
    some = []
    for page in pages:
        taken[page.site] += 1
        if taken[page.site] <= PER_SITE:
            some.append(page)
    told = [page for page in some if page.label != UNKNOWN]
    unknown = [page for page in some if page.label == UNKNOWN]
    most = max(1, len(told) // max(1, len({page.label.topic for page in told})))
    return told + unknown[:most]


def fit(pages: Sequence[Page], rarity: Mapping[str, float], settings: Settings) -> Any:
    """Train on pages, each with its address and without."""
    import fasttext

    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as lines:
        for page in learned(pages):
            for url in dict.fromkeys(("", page.url)):
                lines.write(f"{PREFIX}{page.label.topic} {line_of(page.text, page.shape, url, rarity)}\n")
        lines.flush()
        return fasttext.train_supervised(lines.name, thread=1, verbose=0, **asdict(settings))


class TopicModel:
    """A folder that `python -m classifiers topics` wrote, loaded. Not picklable: each worker loads its own."""

    def __init__(self, model: Any, config: dict[str, Any], fingerprint: str = ""):
        """Hold a loaded fastText model; use `load`."""
        self.model, self.config, self.fingerprint = model, config, fingerprint

    @classmethod
    def load(cls, folder: str | Path) -> "TopicModel":
        """Load a model. Raises ClassifierError, one line, where the folder holds none that this version can use."""
        import fasttext

        folder = Path(folder)
        try:
            config = json.loads((folder / "topics.json").read_text())
            data = (folder / "model.bin").read_bytes()
        except (OSError, ValueError) as error:
            raise ClassifierError(f"{folder}: no trained topic classifier there ({error})") from error
        if (config.get("version"), config.get("tokens")) != (VERSION, TOKENS_VERSION):
            raise ClassifierError(f"{folder}: made for other features than this version's; train it again")
        if hashlib.sha256(data).hexdigest() != config.get("model_sha256"):
            raise ClassifierError(f"{folder}/model.bin: not the file that topics.json names; train it again")
        fasttext.FastText.eprint = lambda text: None
        return cls(fasttext.load_model(str(folder / "model.bin")), config, config["model_sha256"][:16])

    def topics(self, texts: Sequence[str], urls: Sequence[str]) -> list[tuple[str, float]]:
        """Return each page's likeliest topic and its probability as a float32 value; ("other", 0.0) without text."""
        short_ones = [(text or "")[:MAX_CHARACTERS] for text in texts]
        return self.of_lines(
            [(tokens(text, MAX_CHARACTERS), shape(text), url or "") for text, url in zip(short_ones, urls, strict=True)]
        )

    def of_lines(self, parts: Sequence[tuple[str, str, str]]) -> list[tuple[str, float]]:
        """The same for (line of tokens, shape, address)."""
        rarity = self.config["rarity"]
        lines = [line_of(*part, rarity) if part[0] else "" for part in parts]
        labels, values = self.model.predict(lines, k=1) if lines else ([], [])
        return [
            (names[0].removeprefix(PREFIX), float(np.float32(min(p[0], 1.0))))
            if line and len(names)
            else ("other", 0.0)
            for names, p, line in zip(labels, values, lines, strict=True)
        ]


def train(pages: Sequence[Page], rarity: dict[str, float], output: Path, source: str, seed: int = 0) -> dict[str, Any]:
    """Cross-validate by site, train on all pages, and write model.bin, topics.json and MODEL_CARD.md as one.

    One thread and a fixed seed: equal pages give equal bytes. Raises ClassifierError where there are too few pages.
    """
    settings = Settings(seed=seed)
    dealt = folds(pages, FOLDS, seed)
    if len({page.label.topic for page in pages}) < 2 or not all(dealt):
        raise ClassifierError(f"topics: {len(pages)} labelled pages of too few topics or sites to learn from")
    found: list[tuple[Page, str, str]] = []
    for n, held in enumerate(dealt):
        model = TopicModel(
            fit([p for m, some in enumerate(dealt) if m != n for p in some], rarity, settings), {"rarity": rarity}
        )
        found += zip(held, *(guesses(model, held, address) for address in (True, False)), strict=True)
    tested = evaluation(found)
    with folder_written_whole(output, "topics.json") as partial:
        fit(pages, rarity, settings).save_model(str(partial / "model.bin"))
        config = {
            "version": VERSION,
            "tokens": TOKENS_VERSION,
            "settings": asdict(settings),
            "model_sha256": hashlib.sha256((partial / "model.bin").read_bytes()).hexdigest(),
            "source": source,
            "pages": dict(sorted(Counter(page.label.topic for page in pages).items())),
            "labels": dict(sorted(Counter(page.label.source for page in pages).items())),
            "test": tested,
            "rarity": rarity,
        }
        (partial / "topics.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")
        (partial / "MODEL_CARD.md").write_text(card(config))
    return config


def guesses(model: TopicModel, pages: Sequence[Page], address: bool) -> list[str]:
    """Return the topics of pages, with their address or without."""
    return [topic for topic, _ in model.of_lines([(p.text, p.shape, p.url if address else "") for p in pages])]


def f1_by_topic(true: Sequence[str], found: Sequence[str]) -> dict[str, float]:
    """Return the F1 of each topic that some page is of."""
    hits, said = Counter(a for a, b in zip(true, found, strict=True) if a == b), Counter(found)
    return {topic: 2 * hits[topic] / (n + said[topic]) for topic, n in sorted(Counter(true).items())}


def ranked(true: Sequence[str], found: Sequence[str]) -> dict[str, float | int]:
    """Return the number of pages, the macro-F1 over the topics that occur, and the accuracy."""
    by_topic = f1_by_topic(true, found)
    right = sum(a == b for a, b in zip(true, found, strict=True))
    return {"pages": len(true), "macro_f1": math.fsum(by_topic.values()) / len(by_topic), "accuracy": right / len(true)}


def evaluation(found: Sequence[tuple[Page, str, str]]) -> dict[str, Any]:
    """Return the measures of (page, guess, guess by the text alone), beside the two baselines, by the labels' source.

    "address": the words of the address alone. "majority": the most frequent topic for all.
    """
    groups: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    for page, guess, by_text in found:
        row = (page.label.topic, guess, by_text, domain(page.url) if page.url else "other")
        groups["all"].append(row)
        groups[f"labels by {page.label.source}"].append(row)
    result: dict[str, Any] = {"sets": {}, "topics": {}}
    for name in sorted(groups):
        true, *answers = ([row[n] for row in groups[name]] for n in range(4))
        most = min(Counter(true).items(), key=lambda item: (-item[1], item[0]))[0]
        columns = zip(("model", "text only", "address only", "majority"), [*answers, [most] * len(true)], strict=True)
        result["sets"][name] = {column: ranked(true, some) for column, some in columns}
        if name == "all":
            f1, counts = f1_by_topic(true, answers[0]), Counter(true)
            result["topics"] = {topic: {"pages": counts[topic], "f1": value} for topic, value in f1.items()}
    return result


def evaluate(folder: Path, labelled: str) -> dict[str, Any]:
    """Test a trained model on pages with a column `topic`. Raises ClassifierError, OSError."""
    model = TopicModel.load(folder)
    pages, _ = read(labelled=labelled)
    if not pages:
        raise DataError(f"{labelled}: no page with a text")
    return evaluation(list(zip(pages, guesses(model, pages, True), guesses(model, pages, False), strict=True)))


def table_lines(result: dict[str, Any]) -> list[str]:
    """Return an evaluation as lines of plain text."""
    lines = [
        f"{'macro-F1 (accuracy)':22} {'pages':>6} {'model':>12} {'text only':>12} {'address only':>13} {'majority':>12}"
    ]
    for name, columns in result["sets"].items():
        cells = [f"{m['macro_f1']:.3f} ({m['accuracy']:.2f})" for m in columns.values()]
        lines.append(
            f"{name:22} {columns['model']['pages']:6,} {cells[0]:>12} {cells[1]:>12} {cells[2]:>13} {cells[3]:>12}"
        )
    lines += ["", f"{'topic':22} {'pages':>6} {'F1':>12}"]
    return lines + [f"{topic:22} {m['pages']:6,} {m['f1']:12.3f}" for topic, m in result["topics"].items()]


def card(config: dict[str, Any]) -> str:
    """Return the model card."""
    labels = ", ".join(f"{n:,} by {source}" for source, n in config["labels"].items())
    return f"""# Topic classifier

A fastText model that says which of {len(DOMAINS)} topics a page is about: {", ".join(DOMAINS)}.
The score is the model's own probability, not calibrated.

Learned from {config["source"]}. Labels: {labels}. Of each site at most {PER_SITE} pages are learned from, each with its
address and without.

Cross-validated in {FOLDS} parts; no site is in two of them:

```
{chr(10).join(table_lines(config["test"]))}
```

Only labels that are given, or by category or list, are independent of the address's words and of the seed words in the
text: "address only" on labels by address, and to a degree the model on labels by words, are tested on what they were
labelled by.

fastText parameters: {json.dumps(config["settings"])}; the first {MAX_CHARACTERS:,} characters of a text.
"""
