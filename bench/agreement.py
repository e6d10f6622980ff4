"""The rules beside datatrove 0.10.1's, on the crawl's main texts: do they keep, drop and clean alike?

datatrove runs as it is, with spaCy's words and sentences, in an environment of its own. First our rules are given the
very same words and sentences: the bar is that all decisions, reasons and cleaned texts are equal. Then they use their
own words, and what differs is counted by rule.
"""

import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.jobs import crawl_files
from bench.peers import python_of, script
from bench.rules import page_texts

if TYPE_CHECKING:
    from pipeline.filters.chain import NamedFilter
    from pipeline.text.tokenize.words import TextSplitter

ENGLISH = 0.65  # the least score of lid.176
# datatrove's reasons, by filter, as our rules call them.
REASONS = {
    "gopher_repetition": {
        "empty": "empty",
        "dup_para_frac": "duplicate-paragraphs",
        "dup_para_char_frac": "duplicate-paragraph-characters",
        "dup_line_frac": "duplicate-lines",
        "dup_line_char_frac": "duplicate-line-characters",
        **{f"top_{n}_gram": f"top-{n}gram" for n in (2, 3, 4)},
        **{f"duplicated_{n}_n_grams": f"duplicate-{n}gram" for n in range(5, 11)},
    },
    "gopher_quality": {
        "gopher_short_doc": "too-few-words",
        "gopher_long_doc": "too-many-words",
        "gopher_below_avg_threshold": "short-words",
        "gopher_above_avg_threshold": "long-words",
        "gopher_too_many_hashes": "hashes",
        "gopher_too_many_ellipsis": "ellipses",
        "gopher_too_many_bullets": "bullet-lines",
        "gopher_too_many_end_ellipsis": "ellipsis-lines",
        "gopher_below_alpha_threshold": "too-few-letters",
        "gopher_enough_stop_words": "too-few-stop-words",
    },
    "c4": {
        "lorem_ipsum": "lorem-ipsum",
        "curly_bracket": "curly-bracket",
        "too_few_sentences": "too-few-sentences",
    },
    "fineweb": {
        "empty": "empty",
        "line_punct_ratio": "unended-lines",
        "short_line_ratio": "short-lines",
        "char_dup_ratio": "duplicate-line-characters",
        "list_ratio": "newlines",
    },
}
OURS = {
    "gopher_repetition": {"gopher_repetition": {"variant": "datatrove"}},
    "gopher_quality": {"gopher_quality": {"variant": "datatrove"}},
    "c4": {"c4": {"variant": "paper", "terminal_punctuation": False}},
    "c4_line_ends": {"c4": {"variant": "paper"}},
    "fineweb": {"fineweb": {}},
}
OURS["chain"] = {name: OURS[name][name] for name in ("gopher_repetition", "gopher_quality", "c4", "fineweb")}


def translated(name: str, reason: str) -> str:
    """Return a reason of datatrove's as ours is written, "family/reason"; what it has no name for stays."""
    family, _, reason = reason.rpartition("/") if "/" in reason else (name.removesuffix("_line_ends"), "", reason)
    return f"{family}/{REASONS[family].get(reason, reason)}" if reason else ""


def run(crawl: str) -> None:
    """Print how many decisions, reasons and cleaned texts are equal, and by rule what is not with our own words."""
    from pipeline.language.identify import LanguageModel

    crawl_files(crawl)
    texts, model = page_texts(crawl), LanguageModel.load()
    english = [answer[0] == "en" and answer[1] >= ENGLISH for answer in model.identify(texts)]
    with tempfile.TemporaryDirectory() as folder:
        given, answers = Path(folder, "texts.jsonl"), Path(folder, "answers.jsonl")
        given.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
        command = [python_of("datatrove"), script("datatrove_rules"), str(given), str(answers)]
        subprocess.run(command, check=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
        with open(answers, encoding="utf-8") as lines:
            compare(texts, english, map(json.loads, lines))


def compare(texts: Sequence[str], english: Sequence[bool], answers: Iterable[dict[str, Any]]) -> None:
    """Print the tables: all texts with datatrove's words, then the English ones with ours."""
    from pipeline.filters.chain import RulesConfig, load_filters
    from pipeline.text.tokenize.words import SPLITTER, TextSplitter

    chains = {name: load_filters(RulesConfig(**settings)) for name, settings in OURS.items()}
    same, own = Table(), Table()
    for text, is_english, answer in zip(texts, english, answers, strict=True):
        words, sentences = answer["words"], answer["sentences"]
        theirs = TextSplitter(lambda part, words=words: words[part], lambda line, seen=sentences: seen.get(line, 0))
        for name, filters in chains.items():
            reason, cleaned = translated(name, answer["reasons"][name]), answer["cleaned"].get(name)
            same.add(name, reason, cleaned, filters, text, theirs)
            if is_english:
                own.add(name, reason, None, filters, text, SPLITTER)
    same.show("given the same words and sentences, all texts")
    own.show("with our own words and sentences, English texts")


class Table:
    """Decisions of both, by rules."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.texts: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str, str]] = Counter()
        self.cleaned: Counter[str] = Counter()

    def add(
        self,
        name: str,
        theirs: str,
        left: str | None,
        filters: "Sequence[NamedFilter]",
        text: str,
        splitter: "TextSplitter",
    ) -> None:
        """Count datatrove's reason beside ours, and whether C4 leaves another text than `left`."""
        from pipeline.filters.chain import apply_filters

        self.texts[name] += 1
        try:
            cleaned, _, failure = apply_filters(filters, text, "en", splitter)
        except KeyError:  # a text whose words datatrove never cut: ours was cleaned in another way
            self.cleaned[name] += 1
            return
        ours = failure.reason if failure else ""
        if ours != theirs:
            self.pairs[name, theirs or "kept", ours or "kept"] += 1
        elif not ours and left is not None:
            self.cleaned[name] += cleaned != left

    def show(self, title: str) -> None:
        """Print the counts, then what differs: datatrove's reason, ours, texts."""
        print(title)
        print(f"  {'rules':20} {'texts':>6} {'equal':>6} {'differ':>7} {'keep/drop':>10} {'cleaned otherwise':>18}")
        for name, number in self.texts.items():
            mine = {pair: count for pair, count in self.pairs.items() if pair[0] == name}
            differ = sum(mine.values()) + self.cleaned[name]
            verdict = sum(count for pair, count in mine.items() if "kept" in pair)
            row = f"{number - differ:6} {differ:7} {verdict:10} {self.cleaned[name]:18}"
            print(f"  {name:20} {number:6} {row}", flush=True)
        for (name, theirs, ours), count in sorted(self.pairs.items(), key=lambda item: (-item[1], item[0])):
            print(f"    {name}: {theirs} -> {ours}  {count}")
