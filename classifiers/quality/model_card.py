"""The model card of a quality classifier."""

import json
from collections.abc import Mapping

from classifiers.quality.evaluation import format_quality_table
from classifiers.quality.metrics import ScoreMeasures
from classifiers.quality.model import QualityConfigFile
from classifiers.quality.site_splits import SplitPart

SPLIT_PARTS: tuple[SplitPart, ...] = ("train", "validation", "test")


def write_quality_card(config: QualityConfigFile, tested: Mapping[str, ScoreMeasures]) -> str:
    """Return the model card as Markdown."""
    parts = [(part, config["pages"].get(part)) for part in SPLIT_PARTS]
    split = "\n".join(f"| {part} | {n['reference']:,} | {n['other']:,} |" for part, n in parts if n)
    notes = "\n".join(f"- {note}" for note in config["notes"]) or "- none"
    how = "Tested on the test split. The model saw no page of its sites"
    if config["folds"] > 1:
        how = (
            f"Cross-validated in {config['folds']} folds. Every page was scored by a model that saw no page of its site"
        )
    return f"""# Wikipedia-reference classifier

This fastText model estimates how much a page reads like pages that an encyclopedia refers to. The score is calibrated:
in an even mixture of both classes, about 70 % of the pages that score .7 are reference pages. Use it as a weight or a
column. As a hard cut, such classifiers have performed worse than no classifier (results of DCLM).

Trained on {config["source"]}.

| split (by site) | reference | other |
|---|---|---|
{split}

{config["pages"]["repeated"]:,} repeated pages were removed. Remarks:

{notes}

The model learned from at most {config["pages_per_site"]} pages of each site: {config["learned"]["reference"]:,} \
reference pages and {config["learned"]["other"]:,} others.

{how}:

```
{chr(10).join(format_quality_table(dict(tested)))}
```

The rows "length only" and "site only" show what a classifier could learn without reading. A value far above .5 would
indicate a leak.

fastText parameters: {json.dumps(config["settings"])}; features version {config["features"]};
first {config["max_characters"]:,} characters of a text.
"""
