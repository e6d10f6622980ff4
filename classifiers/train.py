"""Training: labelled pages -> a small fastText model, calibrated, with its model card."""

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.calibration import fit_platt
from classifiers.data import Labelled, Page, deduplicate, split_by_site
from classifiers.evaluate import evaluate_pages, evaluate_scores, table_lines
from classifiers.features import MAX_CHARACTERS, VERSION
from classifiers.files import folder_written_whole
from classifiers.folds import UNCALIBRATED, cross_validated, few_of_each_site, folds_by_site
from classifiers.score import LABEL, SITES, QualityModel, site_mark

OTHER = "__label__other"


@dataclass(frozen=True)
class Settings:
    """fastText's parameters: small, so that the model is a few MB; word bigrams as DCLM's classifier has them."""

    dim: int = 16
    epoch: int = 25
    lr: float = 0.5
    wordNgrams: int = 2  # fastText's own name, as the next but one
    bucket: int = 50_000
    minCount: int = 2
    seed: int = 0


PER_SITE = 5  # pages of a site that are learned from: chosen on half of the public sites, confirmed on the other
FOLDS = 5


def train(
    labelled: Labelled,
    output: Path,
    settings: Settings | None = None,
    folds: int = FOLDS,
    per_site: int = PER_SITE,
) -> dict[str, Any]:
    """Train, calibrate, test on sites never seen, and write model.bin, config.json, sites.txt and MODEL_CARD.md as one.

    Tested and calibrated by cross-validation in `folds`, and trained on all pages; with one fold on a split of their
    sites. At most `per_site` pages of a site are learned from. One thread and a fixed seed: equal pages give equal
    bytes. Raises ClassifierError where there are too few pages.
    """
    settings = settings or Settings()
    pages, repeated = deduplicate(labelled.pages)

    def fit(some: list[Page]) -> Any:
        return fasttext_model(few_of_each_site(some, per_site), settings)

    with folder_written_whole(output, "config.json") as partial:
        if folds > 1:
            parts: dict[Any, list[Page]] = {"train": pages}
            held, scores, platt = cross_validated(folds_by_site(pages, folds, settings.seed), fit)
            tested = evaluate_scores(held, scores, [])
            model = fit(pages)
        else:
            parts = {**split_by_site(pages, settings.seed)}
            model = fit(parts["train"])
            raw = QualityModel(model, UNCALIBRATED, "")
            labels = np.array([page.label for page in parts["validation"]])
            platt = fit_platt(raw.log_odds([page.line for page in parts["validation"]]), labels)
            fitted = QualityModel(model, {"calibration": platt._asdict()}, "")
            tested = evaluate_pages(fitted, parts["test"], parts["train"])
        model.save_model(str(partial / "model.bin"))
        config = {
            "features": VERSION,
            "max_characters": MAX_CHARACTERS,
            "settings": asdict(settings),
            "folds": folds,
            "pages_per_site": per_site,
            "model_sha256": hashlib.sha256((partial / "model.bin").read_bytes()).hexdigest(),
            "calibration": platt._asdict(),
            "pages": {part: counts(group) for part, group in parts.items()} | {"repeated": repeated},
            "learned": counts(few_of_each_site(parts["train"], per_site)),
            "source": labelled.source,
            "notes": labelled.notes,
            "test": tested["all"],
            "baselines": {name: tested[name] for name in ("length only", "site only")},
        }
        (partial / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        marks = sorted({site_mark(page.site) for page in parts["train"] if page.site})
        (partial / SITES).write_text("".join(f"{mark}\n" for mark in marks))
        (partial / "MODEL_CARD.md").write_text(card(config, tested))
    return config


def fasttext_model(pages: list[Page], settings: Settings) -> Any:
    """Train fastText on labelled pages, with one thread."""
    import fasttext

    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as lines:
        for page in pages:
            lines.write(f"{LABEL if page.label else OTHER} {page.line}\n")
        lines.flush()
        return fasttext.train_supervised(lines.name, thread=1, verbose=0, **asdict(settings))


def counts(pages: list[Page]) -> dict[str, int]:
    """Return how many pages of each class there are."""
    return {"reference": sum(p.label for p in pages), "other": sum(1 - p.label for p in pages)}


def card(config: dict[str, Any], tested: dict[str, Any]) -> str:
    """Return the model card."""
    split = "\n".join(
        f"| {part} | {n['reference']:,} | {n['other']:,} |" for part, n in config["pages"].items() if part != "repeated"
    )
    notes = "\n".join(f"- {note}" for note in config["notes"]) or "- none"
    learned = " and ".join(f"{config['learned'][kind]:,}" for kind in ("reference", "other"))
    how = "On the test split, whose sites were never seen"
    if config["folds"] > 1:
        how = f"Cross-validated in {config['folds']} folds: each page by a model that saw no page of its site"
    return f"""# Wikipedia-reference classifier

A fastText model that says how much a page reads like those that an encyclopedia refers to. Its score is calibrated: of
the pages that score .7, about 70 % are reference pages in a half-and-half mixture. It is a weight and a column; as a
hard cut such classifiers have done worse than none (DCLM's results).

Trained on {config["source"]}.

| split (by site) | reference | other |
|---|---|---|
{split}

{config["pages"]["repeated"]:,} repeated pages were left out. Remarks:

{notes}

Of each site at most {config["pages_per_site"]} pages are learned from: {learned}.

{how}:

```
{chr(10).join(table_lines(tested))}
```

The length-only and site-only rows show what a classifier could learn without reading: far above .5 would be a leak.

fastText parameters: {json.dumps(config["settings"])}; features version {config["features"]},
first {config["max_characters"]:,} characters.
"""
