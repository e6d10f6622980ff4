"""Compare the rules with those of datatrove 0.10.1 on the main texts of the crawl: decisions, reasons, cleaned texts.

datatrove runs unchanged in its own environment, with the words and sentences of spaCy. First our rules get the same
words and sentences; the bar is that everything is equal. Then they use their own words, and the differences are counted
by rule.
"""

import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.peers import locate_peer_script, prepare_peer
from bench.rules import read_page_texts

if TYPE_CHECKING:
    from pipeline.filters.chain import NamedFilter
    from pipeline.text.tokenize.words import TextSplitter

ENGLISH = 0.65  # minimum score of lid.176
# Our names of datatrove's reasons, by filter.
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


def translate_reason(name: str, reason: str) -> str:
    """Return one of datatrove's reasons as "family/reason" with our name. A reason without our name is kept."""
    family, _, reason = reason.rpartition("/") if "/" in reason else (name.removesuffix("_line_ends"), "", reason)
    return f"{family}/{REASONS[family].get(reason, reason)}" if reason else ""


def run(crawl: str) -> None:
    """Print how many decisions, reasons and cleaned texts are equal, and the differences by rule."""
    from pipeline.language.identify import LanguageModel

    texts, model = read_page_texts(crawl), LanguageModel.load()
    english = [answer[0] == "en" and answer[1] >= ENGLISH for answer in model.identify(texts)]
    with tempfile.TemporaryDirectory() as folder:
        given, answers = Path(folder, "texts.jsonl"), Path(folder, "answers.jsonl")
        given.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
        command = [prepare_peer("datatrove"), locate_peer_script("datatrove_rules"), str(given), str(answers)]
        subprocess.run(command, check=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
        with open(answers, encoding="utf-8") as lines:
            compare_rules(texts, english, map(json.loads, lines))


def compare_rules(texts: Sequence[str], english: Sequence[bool], answers: Iterable[dict[str, Any]]) -> None:
    """Print the tables: all texts with datatrove's words, then the English ones with ours."""
    from pipeline.filters.chain import RulesConfig, load_filters
    from pipeline.text.tokenize.words import SPLITTER, TextSplitter

    chains = {name: load_filters(RulesConfig(**settings)) for name, settings in OURS.items()}
    same, own = AgreementTable(), AgreementTable()
    for text, is_english, answer in zip(texts, english, answers, strict=True):
        words, sentences = answer["words"], answer["sentences"]
        theirs = TextSplitter(lambda part, words=words: words[part], lambda line, seen=sentences: seen.get(line, 0))
        for name, filters in chains.items():
            reason, cleaned = translate_reason(name, answer["reasons"][name]), answer["cleaned"].get(name)
            same.add(name, reason, cleaned, filters, text, theirs)
            if is_english:
                own.add(name, reason, None, filters, text, SPLITTER)
    same.show("given the same words and sentences, all texts")
    own.show("with our own words and sentences, English texts")


class AgreementTable:
    """Counts of equal and different decisions, by set of rules."""

    def __init__(self) -> None:
        """Start with all counts at 0."""
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
        """Count datatrove's reason and ours, and whether our cleaned text differs from `left`."""
        from pipeline.filters.chain import apply_filters

        self.texts[name] += 1
        try:
            cleaned, _, failure = apply_filters(filters, text, "en", splitter)
        except KeyError:  # datatrove did not split this text: ours was cleaned in another way
            self.cleaned[name] += 1
            return
        ours = failure.reason if failure else ""
        if ours != theirs:
            self.pairs[name, theirs or "kept", ours or "kept"] += 1
        elif not ours and left is not None:
            self.cleaned[name] += cleaned != left

    def show(self, title: str) -> None:
        """Print the counts, and the differences: datatrove's reason, our reason, number of texts."""
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
