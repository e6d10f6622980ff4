"""The model card of a topic classifier."""

import json

from classifiers.topics.evaluation import format_topic_table
from classifiers.topics.features import MAX_TOPIC_CHARACTERS
from classifiers.topics.model import TopicConfigFile
from pipeline.url.topic_by_address import DOMAINS


def write_topic_card(config: TopicConfigFile, pages_per_site: int, folds: int) -> str:
    """Return the model card as Markdown."""
    labels = ", ".join(f"{n:,} by {source}" for source, n in config["labels"].items())
    return f"""# Topic classifier

This fastText model predicts which of {len(DOMAINS)} topics a page is about: {", ".join(DOMAINS)}.
The score is the model's own probability. It is not calibrated.

Trained on {config["source"]}. Labels: {labels}.
The model learned from at most {pages_per_site} pages of each site, each page once with its URL and once without.

Cross-validated in {folds} folds. No site is in two folds:

```
{chr(10).join(format_topic_table(config["test"]))}
```

Only labels that are given, or that come from categories or lists, are independent of the model's own features. The
labels by address come from the words of the URL, and the labels by words from the seed words in the text. The model
sees both, so its results on these labels are too good. The same holds for "address only" on labels by address.

fastText parameters: {json.dumps(config["settings"])}; the first {MAX_TOPIC_CHARACTERS:,} characters of a text.
"""
