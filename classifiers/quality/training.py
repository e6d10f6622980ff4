"""Train the quality classifier: labelled pages to a small calibrated fastText model with its model card."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from classifiers.fasttext_models import FastTextModel, save_fasttext, train_fasttext
from classifiers.hashing import hash_site
from classifiers.output_files import replace_folder_atomically
from classifiers.quality.calibration import PlattScaling, fit_platt
from classifiers.quality.cross_validation import cross_validate
from classifiers.quality.evaluation import evaluate_pages, evaluate_scores
from classifiers.quality.metrics import ScoreMeasures
from classifiers.quality.model import (
    CONFIG_FILE,
    REFERENCE_LABEL,
    SITES_FILE,
    FastTextQualityModel,
    LabelTotals,
    QualityConfigFile,
    SplitTotals,
    predict_log_odds,
)
from classifiers.quality.model_card import write_quality_card
from classifiers.quality.pages import LabelledPage, TrainingSet, count_labels, remove_repeated_pages
from classifiers.quality.site_splits import SplitPart, deal_site_folds, limit_pages_per_site, split_by_site
from classifiers.tokens import MAX_TEXT_CHARACTERS, TOKENS_VERSION

OTHER_LABEL = "__label__other"
PAGES_PER_SITE = 5  # that are learned from: chosen on half of the public sites, confirmed on the other half
FOLDS = 5
Fit = Callable[[Sequence[LabelledPage]], FastTextModel]


@dataclass(frozen=True)
class QualitySettings:
    """fastText's parameters. The model is a few MB. Word bigrams are used as in DCLM's classifier."""

    dim: int = 16
    epoch: int = 25
    lr: float = 0.5
    wordNgrams: int = 2  # fastText's own spelling, as minCount
    bucket: int = 50_000
    minCount: int = 2
    seed: int = 0


class TrainedModel(NamedTuple):
    """A fitted model, its calibration, its test, the pages it was fitted on and the sizes of the parts."""

    model: FastTextModel
    calibration: PlattScaling
    tested: dict[str, ScoreMeasures]
    pages: list[LabelledPage]
    totals: SplitTotals


def train_quality_model(
    training_set: TrainingSet,
    output: Path,
    settings: QualitySettings | None = None,
    folds: int = FOLDS,
    pages_per_site: int = PAGES_PER_SITE,
) -> QualityConfigFile:
    """Train, calibrate and test a model, and write the folder with model.bin, config.json, sites.txt, MODEL_CARD.md.

    With more than one fold, the test and the calibration use cross-validation by site, and the model learns from all
    pages. With one fold they use a split of the sites. At most `pages_per_site` pages of a site are learned from. One
    thread and a fixed seed are used, so equal pages give equal bytes. Raises ClassifierError for too few pages.
    """
    settings = settings or QualitySettings()
    pages, repeated = remove_repeated_pages(training_set.pages)

    def fit(some: Sequence[LabelledPage]) -> FastTextModel:
        return fit_quality_model(limit_pages_per_site(some, pages_per_site), settings)

    with replace_folder_atomically(output, CONFIG_FILE) as partial:
        if folds > 1:
            trained = train_with_folds(deal_site_folds(pages, folds, settings.seed), pages, fit)
        else:
            trained = train_with_split(split_by_site(pages, settings.seed), fit)
        config: QualityConfigFile = {
            "features": TOKENS_VERSION,
            "max_characters": MAX_TEXT_CHARACTERS,
            "settings": asdict(settings),
            "folds": folds,
            "pages_per_site": pages_per_site,
            "model_sha256": save_fasttext(trained.model, partial),
            "calibration": {"slope": trained.calibration.slope, "intercept": trained.calibration.intercept},
            "pages": {**trained.totals, "repeated": repeated},
            "learned": total_labels(limit_pages_per_site(trained.pages, pages_per_site)),
            "source": training_set.source,
            "notes": training_set.notes,
            "test": trained.tested["all"],
            "baselines": {name: trained.tested[name] for name in ("length only", "site only")},
        }
        (partial / CONFIG_FILE).write_text(json.dumps(config, indent=1) + "\n")
        hashes = sorted({hash_site(page.site) for page in trained.pages if page.site})
        (partial / SITES_FILE).write_text("".join(f"{value}\n" for value in hashes))
        (partial / "MODEL_CARD.md").write_text(write_quality_card(config, trained.tested))
    return config


def train_with_folds(folds: Sequence[Sequence[LabelledPage]], pages: list[LabelledPage], fit: Fit) -> TrainedModel:
    """Train on all pages. The calibration and the test come from cross-validation over the folds."""
    validated = cross_validate(folds, fit)
    tested = evaluate_scores(validated.pages, validated.scores, [])
    return TrainedModel(fit(pages), validated.calibration, tested, pages, {"train": total_labels(pages)})


def train_with_split(parts: Mapping[SplitPart, list[LabelledPage]], fit: Fit) -> TrainedModel:
    """Train on one part of the pages, calibrate on the second, and test on the third."""
    model = fit(parts["train"])
    labels = np.array([page.label for page in parts["validation"]])
    odds = predict_log_odds(model, [page.line for page in parts["validation"]])
    fitted = FastTextQualityModel(model, fit_platt(odds, labels), MAX_TEXT_CHARACTERS)
    tested = evaluate_pages(fitted, parts["test"], parts["train"])
    totals: SplitTotals = {
        "train": total_labels(parts["train"]),
        "validation": total_labels(parts["validation"]),
        "test": total_labels(parts["test"]),
    }
    return TrainedModel(model, fitted.calibration, tested, parts["train"], totals)


def fit_quality_model(pages: Sequence[LabelledPage], settings: QualitySettings) -> FastTextModel:
    """Train fastText on labelled pages."""
    lines = (f"{REFERENCE_LABEL if page.label else OTHER_LABEL} {page.line}" for page in pages)
    return train_fasttext(lines, asdict(settings))


def total_labels(pages: Sequence[LabelledPage]) -> LabelTotals:
    """Return how many pages of each class there are."""
    others, references = count_labels(pages)
    return {"reference": references, "other": others}
