"""The engine gristmill on WCXB (Foley 2026, arXiv 2605.21097), beside rs-trafilatura and trafilatura, by page type.

The benchmark's measure is the F1 of the bags of words (`\\w+`, in lower case) of the extracted text and of the gold;
ours is that of word 4-grams. The score of a group is the mean over its pages. The pages are the development split.
gristmill is cross-validated by site: the model of a page saw no page of its site. The other two run in an environment
of their own, on the same decoded HTML.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.main_text import Validation, render_kept, validate_main_text
from bench.peers import locate_peer_script, prepare_peer
from classifiers.main_content.gold_pages import GoldPage
from classifiers.main_content.validate import measure_word_f1, score_extraction

BENCHMARK = "wcxb"
THRESHOLDS = (0.4, 0.5, 0.6, 0.7)
PEERS = ("rs-trafilatura", "trafilatura")


def run(crawl: str) -> None:
    """Print both measures by page type, and the threshold's effect."""
    found = validate_main_text(crawl)
    pages = [page for page in found.pages if page.set == BENCHMARK]
    texts = extract_by_peers(pages)
    texts["gristmill"] = {page.id: render_kept(found, page.id) for page in pages}
    for name, measure in (("word F1, the benchmark's", measure_word_f1), ("4-gram F1, ours", measure_gram_f1)):
        print(f"\n{name}:\n")
        print_types(pages, texts, measure)
    print_thresholds(found, pages)


def measure_gram_f1(text: str, gold: str) -> float:
    """Return the F1 of the bags of word 4-grams."""
    return score_extraction(text, gold)[2]


def extract_by_peers(pages: Sequence[GoldPage]) -> dict[str, dict[str, str]]:
    """Return the text of every page by every peer; print how long each took."""
    python = prepare_peer("rs-trafilatura")
    texts: dict[str, dict[str, str]] = {name: {} for name in PEERS}
    seconds = dict.fromkeys(PEERS, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        given, answers = Path(folder, "pages.jsonl"), Path(folder, "answers.jsonl")
        with open(given, "w", encoding="utf-8") as out:
            out.writelines(json.dumps({"html": page.html, "url": page.url}) + "\n" for page in pages)
        subprocess.run([python, locate_peer_script("main_texts"), str(given), str(answers)], check=True)
        with open(answers, encoding="utf-8") as lines:
            for page, line in zip(pages, lines, strict=True):
                for name, answer in json.loads(line).items():
                    texts[name][page.id] = answer["text"]
                    seconds[name] += answer["seconds"]
    for name in PEERS:
        print(f"{name}: {1000 * seconds[name] / len(pages):.1f} ms a page")
    return texts


def print_types(
    pages: Sequence[GoldPage],
    texts: Mapping[str, Mapping[str, str]],
    measure: Callable[[str, str], float],
) -> None:
    """Print the mean score of each engine by page type, and how far gristmill is above rs-trafilatura."""
    scores = {name: {page.id: measure(found[page.id], page.gold) for page in pages} for name, found in texts.items()}
    print("| pages of | pages | **gristmill** | rs-trafilatura | trafilatura | above rs-trafilatura |")
    print("|---" * 6 + "|")
    for kind in ("", *sorted({page.kind for page in pages} - {""})):
        members = [page.id for page in pages if kind in ("", page.kind)]
        means = {name: float(np.mean([found[number] for number in members])) for name, found in scores.items()}
        ours, rust, python = (means[name] for name in ("gristmill", *PEERS))
        print(
            f"| {kind or 'all'} | {len(members)} | **{ours:.3f}** | {rust:.3f} | {python:.3f} | {ours - rust:+.3f} |",
            flush=True,
        )


def print_thresholds(found: Validation, pages: Sequence[GoldPage]) -> None:
    """Print the word F1 of gristmill by threshold."""
    print("\n| threshold | " + " | ".join(map(str, THRESHOLDS)) + " |")
    print("|---" * (1 + len(THRESHOLDS)) + "|")
    means = [
        float(np.mean([measure_word_f1(render_kept(found, page.id, threshold), page.gold) for page in pages]))
        for threshold in THRESHOLDS
    ]
    print("| word F1 | " + " | ".join(f"{mean:.3f}" for mean in means) + " |", flush=True)
