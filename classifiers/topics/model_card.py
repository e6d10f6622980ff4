"""The model card of a topic classifier."""

from classifiers.topics.evaluation import format_topic_table
from classifiers.topics.model import TopicConfigFile
from pipeline.url.topic_by_address import DOMAINS


def write_topic_card(config: TopicConfigFile, pages_per_site: int, folds: int) -> str:
    """Return the model card as Markdown."""
    labels = ", ".join(f"{n:,} by {source}" for source, n in config["labels"].items())
    return f"""# Topic classifier

This model predicts which of {len(DOMAINS)} topics a page is about: {", ".join(DOMAINS)}.
The score is the model's own probability. It is not calibrated.

It is the classifier that ships with the package, adapted to {config["source"]}. Labels: {labels}.
It learned from at most {pages_per_site} pages of each site, each page once with its URL and once without.

Cross-validated in {folds} folds. No site is in two folds:

```
{chr(10).join(format_topic_table(config["test"]))}
```

Only labels that are given, or that come from categories or lists, are independent of the model. The labels by model and
by guess are the shipped classifier's own opinion, and the adapted one keeps to it. So results on them say nothing about
how good it is.
"""
