"""Train the shipped topic model on pages that people read, and cross-validate it by site."""

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from scipy.sparse import csr_array, diags_array, vstack

from classifiers.errors import ClassifierError
from classifiers.hashing import hash_strings
from classifiers.main_content.train import assign_fold, split_fold
from classifiers.softmax_regression import fit_softmax_regression
from classifiers.topics.stem_model import WEIGHT_STEP, StemModel
from classifiers.topics.stems import FIELDS, STEM_WEIGHTS, StemRows, build_stem_rows, count_stem_columns
from pipeline.url.topic_by_address import DOMAINS

STEM_PENALTY, STEM_ITERATIONS = 2e-4, 100
BALANCE = 0.8  # 0: every page weighs the same; 1: every topic does
LEAST_PAGES = 3  # that have a stem that is learned from
ADULT_TEXTS = 10  # made of the words of the field `adult`, because no page that we read is adult
HIGHEST_STEP = 127
STEM_FOLDS = 5  # of the sites
BATCH = 256

RowBuilder = Callable[[Sequence[str], Sequence[str]], StemRows]  # of texts and their URLs


class ReadPage(NamedTuple):
    """A page with its main text, and the topic that a person gave it."""

    url: str
    site: str
    text: str
    topic: str


def read_topic_labels(path: Path) -> dict[str, str]:
    """Return the topic by record id of a table with columns id and topic. Raises ClassifierError for another topic."""
    with path.open(encoding="utf-8") as lines:
        found = {row["id"]: row["topic"] for row in csv.DictReader(lines, delimiter="\t")}
    if wrong := set(found.values()) - set(DOMAINS):
        raise ClassifierError(f"{path}: {', '.join(sorted(wrong))}: no such topic")
    return found


def make_adult_pages() -> list[ReadPage]:
    """Return texts that stand for adult pages: some of the words of that field each."""
    words = yaml.safe_load(FIELDS.read_text(encoding="utf-8"))["adult"].replace("_", " ").split()
    texts = [" ".join([*words[n::ADULT_TEXTS] * 2, *words[::2]]) for n in range(ADULT_TEXTS)]
    return [ReadPage("", f"adult {n}", text, "adult") for n, text in enumerate(texts)]


def measure_stem_rarities(rows: csr_array) -> np.ndarray:
    """Return log(pages / pages with the column) of each stem, 0 for a rare one, and 1 for fields and topics."""
    count = np.bincount(rows.indices, minlength=rows.shape[1])
    rarity = np.where(count >= LEAST_PAGES, np.log(rows.shape[0] / np.maximum(count, 1)), 0.0)
    rarity[STEM_WEIGHTS : count_stem_columns()] = 1.0
    return rarity


def fit_stem_weights(
    rows: csr_array, label: np.ndarray, rarity: np.ndarray, given: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of the columns and the intercepts. `label` has a share for each of DOMAINS.

    They are added to what is `given`, rows x DOMAINS.
    """
    weight = (label / np.maximum(label.sum(0), 1) ** BALANCE).sum(1)
    spread = csr_array(rows @ diags_array(rarity))
    weights, intercepts = fit_softmax_regression(spread, label, weight, STEM_PENALTY, STEM_ITERATIONS, given)
    return weights * rarity[:, None], intercepts


def fit_classes(
    rows: csr_array, names: Sequence[str], classes: Sequence[str], rarity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights and intercepts for rows with the names of their classes, from nothing."""
    label = np.eye(len(classes))[[classes.index(name) for name in names]]
    return fit_stem_weights(rows, label, rarity, np.zeros_like(label))


def round_stem_weights(weights: np.ndarray, intercepts: np.ndarray) -> StemModel:
    """Return the model with these weights, in whole steps."""
    steps = np.clip(np.round(weights / WEIGHT_STEP), -HIGHEST_STEP, HIGHEST_STEP)
    intercepts = np.round(intercepts, 3)
    made = hash_strings(steps.astype(np.int8).tobytes().hex(), str(intercepts.tolist()))
    return StemModel(steps, intercepts, made)


def train_stem_model(pages: Sequence[ReadPage]) -> StemModel:
    """Return the model of topics."""
    shown = [*pages, *make_adult_pages()]
    rarity = measure_stem_rarities(spread_read_pages(pages))
    return round_stem_weights(*fit_classes(spread_read_pages(shown), [p.topic for p in shown], DOMAINS, rarity))


def spread_pages(texts: Sequence[str], urls: Sequence[str], build: RowBuilder = build_stem_rows) -> csr_array:
    """Return the rows of pages, some at a time: pages x columns."""
    parts = []
    for start in range(0, len(texts), BATCH):
        found = build(texts[start : start + BATCH], urls[start : start + BATCH])
        parts.append(csr_array((found.value, (found.row, found.column)), shape=(found.pages, found.columns)))
    return vstack(parts, format="csr")


def spread_read_pages(pages: Sequence[ReadPage]) -> csr_array:
    """Return the rows of pages that were read."""
    return spread_pages([page.text for page in pages], [page.url for page in pages])


def cross_validate_stems(pages: Sequence[ReadPage]) -> list[tuple[str, str]]:
    """Return the topic that a person gave, and the one that a model of other sites predicts, of each page."""
    names, sites = [page.topic for page in pages], [page.site for page in pages]
    return cross_validate_classes(spread_read_pages(pages), names, sites, DOMAINS)


def cross_validate_classes(
    rows: csr_array, names: Sequence[str], sites: Sequence[str], classes: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the class of each row, and the one that a model of other sites predicts."""
    rarity, fold = measure_stem_rarities(rows), [assign_fold(site, STEM_FOLDS) for site in sites]
    best = np.zeros(len(names), np.int64)
    for number in range(STEM_FOLDS):
        held, others = split_fold(fold, number)
        weights, intercepts = fit_classes(rows[others], [names[n] for n in others], classes, rarity)
        best[held] = (rows[held] @ weights + intercepts).argmax(1)
    return [(name, classes[place]) for name, place in zip(names, best.tolist(), strict=True)]


def describe_read_pages(pages: Sequence[ReadPage]) -> str:
    """Return the comment of a model file: what it is, and what it was trained on."""
    topics = Counter(page.topic for page in pages)
    return (
        "The topic of a page: weights of stems, of fields of words in the text and in the URL, of the topic by URL.\n"
        f"Trained by `python -m classifiers.topics` on {topics.total()} pages that were read: "
        + ", ".join(f"{name} {count}" for name, count in sorted(topics.items()))
    )
