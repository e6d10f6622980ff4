"""Train the ensemble: fit its members, calibrate each on sites that it has not seen, and weigh them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, vstack

from classifiers.ensemble.fit_members import fit_fluency, fit_structure, fit_wording, spread_words
from classifiers.ensemble.fluency import FluencyTable, measure_character_bits, score_fluency
from classifiers.ensemble.labelled_texts import PIECE, CleanText, LabelledText, TrainingTexts
from classifiers.ensemble.model import MEMBERS, EnsembleModel, MemberScale, to_odds, to_share
from classifiers.ensemble.structure import STRUCTURE_NAMES, measure_structure
from classifiers.ensemble.wording import WORDING_UNIT, hash_page_words
from classifiers.logistic_regression import fit_logistic_regression
from classifiers.main_content.train import assign_fold, split_fold
from classifiers.quality.model import predict_log_odds
from classifiers.quality.pages import LabelledPage
from classifiers.quality.site_splits import limit_pages_per_site
from classifiers.quality.training import PAGES_PER_SITE, QualitySettings, fit_quality_model
from classifiers.tokens import build_token_line
from pipeline.html.main_content.boosted_trees import LEAF_UNIT, BoostedForest

ENSEMBLE_FOLDS = 5  # of the sites
SIZES = (500, 1000, 2000, 4000, 8000)  # characters between the bins in which both classes weigh the same
# What a page of a type weighs where the members learn. A product page is rare, is the least wanted text, and is easily
# taken for an article; a long list is as good to read as many an article.
TYPE_WEIGHTS = {"product": 24.0, "listing": 0.3, "collection": 0.3}
CURATED_SHARE = 0.2  # of the weight of good texts that curated texts have, where the wording is learned
CURATED_SOURCES = ("wikipedia", "eltec-eng", "nltk_brown")  # encyclopedia, novels, prose of many kinds
CURATED_PIECES = 200  # of a source and a language
LEAST_LABELLED = 10  # texts of each class in a language in which the wording speaks
LEAST_CLEAN = 300_000  # characters of clean text of a language, for a table of its own
MOST_CLEAN = 2_000_000  # characters of it that are learned from
LEAST_PAGES = 20  # of the crawl in a language, to know the mean and the spread of their scores


SCALE_PENALTY, SCALE_ITERATIONS = 1e-6, 200
SHARING_PENALTY = 0.3  # of a squared weight of a member

Members = dict[str, np.ndarray]  # what each member says of each text


class MeasuredTexts(NamedTuple):
    """The labelled texts as the members see them."""

    rows: np.ndarray  # STRUCTURE_NAMES x texts
    words: csr_array
    lines: list[str]  # of tokens
    good: np.ndarray
    weight: np.ndarray  # where the members are calibrated and weighed
    stress: np.ndarray  # where the members learn: the weight with that of the type
    fold: list[int]


def weigh_texts(good: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return weights with which good and other texts weigh the same among texts of about the same length.

    So the length of a text says nothing about its label.
    """
    kind = np.searchsorted(SIZES, lengths, side="right")
    others, kept = (np.bincount(kind, share, minlength=len(SIZES) + 1) + 1 for share in (1 - good, good))
    weight: np.ndarray = (1 - good) * ((others + kept) / others)[kind] + good * ((others + kept) / kept)[kind]
    weight /= weight.mean()
    return weight


def measure_texts(labelled: Sequence[LabelledText]) -> MeasuredTexts:
    """Return what the members see of texts."""
    texts = [page.text for page in labelled]
    good = np.array([page.good for page in labelled])
    weight = weigh_texts(good, np.array(list(map(len, texts))))
    return MeasuredTexts(
        measure_structure(texts),
        spread_words(hash_page_words(texts), len(texts)),
        [build_token_line(text) for text in texts],
        good,
        weight,
        stress_types(weight, [page.type for page in labelled]),
        [assign_fold(page.site, ENSEMBLE_FOLDS) for page in labelled],
    )


def stress_types(weight: np.ndarray, types: Sequence[str]) -> np.ndarray:
    """Return the weights of texts with those of their types (TYPE_WEIGHTS), 1 on average."""
    stress: np.ndarray = weight * [TYPE_WEIGHTS.get(name, 1.0) for name in types]
    stress /= stress.mean()
    return stress


def spread_curated(clean: Sequence[CleanText]) -> csr_array:
    """Return the curated texts that the wording learns from: some pieces of each source and language, evenly drawn."""
    groups: dict[tuple[str, str], list[str]] = {}
    for text in clean:
        if text.source in CURATED_SOURCES:
            groups.setdefault((text.language, text.source), []).append(text.text)
    chosen = [
        piece
        for _, pieces in sorted(groups.items())
        for piece in pieces[:: max(1, len(pieces) // CURATED_PIECES)][:CURATED_PIECES]
    ]
    return spread_words(hash_page_words(chosen), len(chosen))


def learn_wording(measured: MeasuredTexts, numbers: Sequence[int], curated: csr_array) -> np.ndarray:
    """Return the weights of words, from some of the labelled texts and from curated ones."""
    good, weight = measured.good[numbers], measured.stress[numbers]
    share = CURATED_SHARE * float(weight @ good) / max(1, curated.shape[0])
    shown = vstack([measured.words[numbers], curated], format="csr")
    return fit_wording(
        shown,
        np.concatenate((good, np.ones(curated.shape[0]))),
        np.concatenate((weight, np.full(curated.shape[0], share))),
    )


def learn_structure(measured: MeasuredTexts, numbers: Sequence[int]) -> BoostedForest:
    """Return the trees, from some of the labelled texts."""
    return fit_structure(measured.rows[:, numbers], measured.good[numbers], measured.stress[numbers])


def learn_fluency(clean: Sequence[CleanText], crawl: Sequence[LabelledText]) -> dict[str, FluencyTable]:
    """Return the table of each language that has enough clean text and enough pages."""
    by_language: dict[str, list[str]] = {}
    for text in clean:
        by_language.setdefault(text.language, []).append(text.text)
    found = {}
    for language, texts in sorted(by_language.items()):
        pages = [page.text for page in crawl if page.language == language]
        if sum(map(len, texts)) < LEAST_CLEAN or len(pages) < LEAST_PAGES:
            continue
        steps = fit_fluency(texts[:: max(1, len(texts) * PIECE // MOST_CLEAN)])
        bits = measure_character_bits(steps, pages)
        bits = bits[~np.isnan(bits)]
        found[language] = FluencyTable(steps, round(float(bits.mean()), 3), round(float(bits.std()), 3))
    return found


class LearnedMembers(NamedTuple):
    """The members that learn from labelled texts: the structure's trees and the wording's weights."""

    forest: BoostedForest
    words: np.ndarray


def learn_members(measured: MeasuredTexts, numbers: Sequence[int], curated: csr_array) -> LearnedMembers:
    """Return the members that learn from some of the labelled texts."""
    return LearnedMembers(learn_structure(measured, numbers), learn_wording(measured, numbers, curated))


def learn_folds(texts: TrainingTexts, measured: MeasuredTexts) -> list[LearnedMembers]:
    """Return for each fold of the sites the members that learned from the other folds."""
    curated = spread_curated(texts.clean)
    return [learn_members(measured, split_fold(measured.fold, fold)[1], curated) for fold in range(ENSEMBLE_FOLDS)]


def score_held_out(
    texts: TrainingTexts,
    measured: MeasuredTexts,
    fluency: Mapping[str, FluencyTable],
    learned: Sequence[LearnedMembers],
) -> Members:
    """Return what each member says of each labelled text, learned from other sites; NaN where it does not speak."""
    found = {name: np.full(len(measured.good), np.nan) for name in MEMBERS}
    found["fluency"] = score_fluency(
        [page.text for page in texts.labelled], [page.language for page in texts.labelled], fluency
    )
    spoken = find_wording_languages(texts.labelled)
    for fold, (forest, words) in enumerate(learned):
        held, _ = split_fold(measured.fold, fold)
        place = [STRUCTURE_NAMES.index(name) for name in forest.features]
        found["structure"][held] = forest.add_leaves(measured.rows[place][:, held]) * LEAF_UNIT
        found["wording"][held] = measured.words[held] @ words * WORDING_UNIT
        found["reference"][held] = score_reference(texts.referenced, measured, held, fold)
    found["wording"][[page.language not in spoken for page in texts.labelled]] = np.nan
    return found


def find_wording_languages(labelled: Sequence[LabelledText]) -> frozenset[str]:
    """Return the languages with enough labelled texts of both classes: in others, the words are noise."""
    counts = Counter((page.language, page.good) for page in labelled)
    languages = {page.language for page in labelled}
    return frozenset(name for name in languages if min(counts[name, 0.0], counts[name, 1.0]) >= LEAST_LABELLED)


def score_reference(
    referenced: Sequence[LabelledPage], measured: MeasuredTexts, held: Sequence[int], fold: int
) -> np.ndarray:
    """Return what a classifier of referenced pages says of texts, learned from pages of other folds."""
    pages = [page for page in referenced if assign_fold(page.site, ENSEMBLE_FOLDS) != fold]
    model = fit_quality_model(limit_pages_per_site(pages, PAGES_PER_SITE), QualitySettings())
    return predict_log_odds(model, [measured.lines[number] for number in held])


def fit_scales(members: Members, good: np.ndarray, weight: np.ndarray) -> dict[str, MemberScale]:
    """Calibrate each member, and weigh the calibrated log odds of all: logistic regressions."""
    scales, odds = {}, np.zeros((len(good), len(MEMBERS)))
    for column, name in enumerate(MEMBERS):
        spoken = ~np.isnan(members[name])
        slope, intercept = fit_one(members[name][spoken], good[spoken], weight[spoken])
        scales[name] = MemberScale(round(slope, 4), round(intercept, 4), 0.0)
        odds[spoken, column] = calibrate(scales[name], members[name][spoken])
    weights = weigh_members(odds, good, weight)
    return {name: scale._replace(weight=value) for (name, scale), value in zip(scales.items(), weights, strict=True)}


def weigh_members(odds: np.ndarray, good: np.ndarray, weight: np.ndarray) -> list[float]:
    """Return the weight of each member, given the calibrated log odds of all: texts x members.

    The penalty divides what several members know among them, so that the ensemble does not hang on one. The weights
    are scaled in the end, so that the ensemble is calibrated. A member with which the others do better without has 0.
    """
    weights, used = np.zeros(odds.shape[1]), np.arange(odds.shape[1])
    while len(used):
        found, _ = fit_logistic_regression(csr_array(odds[:, used]), good, weight, SHARING_PENALTY, SCALE_ITERATIONS)
        if (found > 0).all():
            weights[used] = found
            break
        used = used[found > 0]
    slope, _ = fit_one(odds @ weights, good, weight)
    return [round(float(value), 4) for value in slope * weights]


def fit_one(values: np.ndarray, good: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of Platt scaling; the slope is never negative."""
    slopes, intercept = fit_logistic_regression(
        csr_array(values[:, None]), good, weight, SCALE_PENALTY, SCALE_ITERATIONS
    )
    return (float(slopes[0]), intercept) if slopes[0] > 0 else (0.0, 0.0)


def calibrate(scale: MemberScale, values: np.ndarray) -> np.ndarray:
    """Return the calibrated log odds of a member, as the ensemble adds them."""
    return to_odds(to_share(scale.slope * values + scale.intercept))


def combine_members(scales: Mapping[str, MemberScale], members: Members) -> np.ndarray:
    """Return the log odds of the ensemble."""
    total = np.zeros(len(members[MEMBERS[0]]))
    for name, scale in scales.items():
        total += scale.weight * np.nan_to_num(calibrate(scale, members[name]))
    return total


def train_ensemble(texts: TrainingTexts) -> EnsembleModel:
    """Return the ensemble: members that learn from all texts, with scales from sites that they have not seen."""
    measured, fluency = measure_texts(texts.labelled), learn_fluency(texts.clean, texts.crawl)
    members = score_held_out(texts, measured, fluency, learn_folds(texts, measured))
    scales = fit_scales(members, measured.good, measured.weight)
    # A classifier of the user's own brings its calibration.
    scales["reference"] = scales["reference"]._replace(slope=1.0, intercept=0.0)
    every = range(len(measured.good))
    forest, words = learn_members(measured, every, spread_curated(texts.clean))
    return EnsembleModel(forest, words, find_wording_languages(texts.labelled), fluency, scales)


def fit_fold_scales(measured: MeasuredTexts, members: Members, fold: int) -> dict[str, MemberScale]:
    """Return the scales of the members on the texts of all folds but one."""
    _, others = split_fold(measured.fold, fold)
    known = {name: values[others] for name, values in members.items()}
    return fit_scales(known, measured.good[others], measured.weight[others])


def validate_ensemble(texts: TrainingTexts) -> Members:
    """Return the log odds of the ensemble ("quality") and of its members for each labelled text.

    Members learn from other sites. Calibration and weights come from the other folds, too.
    """
    measured, fluency = measure_texts(texts.labelled), learn_fluency(texts.clean, texts.crawl)
    members = score_held_out(texts, measured, fluency, learn_folds(texts, measured))
    quality = np.zeros(len(measured.good))
    for fold in range(ENSEMBLE_FOLDS):
        held, _ = split_fold(measured.fold, fold)
        scales = fit_fold_scales(measured, members, fold)
        quality[held] = combine_members(scales, {name: values[held] for name, values in members.items()})
    return {"quality": quality, **members}


def train_fold_models(texts: TrainingTexts) -> list[EnsembleModel]:
    """Return for each fold of the sites an ensemble that learned from the other folds alone, without a reference."""
    measured, fluency = measure_texts(texts.labelled), learn_fluency(texts.clean, texts.crawl)
    learned = learn_folds(texts, measured)
    members = score_held_out(texts, measured, fluency, learned)
    languages, models = find_wording_languages(texts.labelled), []
    for fold, (forest, words) in enumerate(learned):
        scales = fit_fold_scales(measured, members, fold)
        models.append(EnsembleModel(forest, words, languages, fluency, scales))
    return models


def describe_texts(texts: TrainingTexts) -> str:
    """Return the comment of a model file: what it is, and what it was trained on."""
    types, labels = (Counter(getattr(page, name) or "none" for page in texts.labelled) for name in ("type", "label"))
    sources = Counter(f"{text.source} ({text.language})" for text in texts.clean)
    return (
        "The quality score: the scales of its members (slope, intercept, weight), the weights of hashed words,\n"
        "a table of characters for each language, and the forest of the structure.\n"
        "Trained by `python -m classifiers.ensemble` on pages by type: "
        + ", ".join(f"{name} {count}" for name, count in sorted(types.items()))
        + "\nby readers' labels: "
        + ", ".join(f"{name} {count}" for name, count in sorted(labels.items()))
        + f"\nand {sources.total()} pieces of clean text from {len(sources)} sources."
    )
