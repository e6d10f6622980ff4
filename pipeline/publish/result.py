"""What the publish job reports: counts of pages, bytes of the mixture, hits of evaluation sets, extra sources.

The job counts each documents shard on its own and adds the counts up at its end. The result is stored as JSON; the
ledger, the dataset card and the report are made from it.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, TypedDict

from pipeline.io.ledger import AddedTexts

SPLITS = ("train", "validation", "anneal")
Dimension = Literal["domain", "type", "language", "quality"]


class FileCounts(TypedDict):
    """Pages of one input file that are no duplicates: not published by reason, published by split."""

    held_out: dict[str, int]
    published: dict[str, int]


class ByteSums(TypedDict):
    """UTF-8 bytes of text: of all candidates, wanted by the mixture for train, published in train."""

    bytes: int
    wanted_bytes: int
    train_bytes: int


class MixtureSums(ByteSums):
    """A part of the mixture: how many pages are candidates, and their bytes."""

    pages: int


class ShardCounts(FileCounts):
    """What one documents shard adds to the result.

    `repeated` counts further copies of pages by split. `mixture` has the parts of each dimension by name, and
    `by_language` the bytes of each domain, type and quality bucket by language.
    """

    repeated: dict[str, int]
    mixture: dict[Dimension, dict[str, MixtureSums]]
    by_language: dict[Dimension, dict[str, dict[str, ByteSums]]]


class EvaluationSetCounts(TypedDict):
    """An evaluation set: its items, how many of them were found, the pages that hold some, and the spans.

    `edited` counts items that were found only with changed words. `unsearched` has the places of the items whose
    question is too short, or too general, to be found alone.
    """

    items: int
    found: int
    edited: int
    pages: int
    spans: int
    unsearched: list[str]


class ContaminationCounts(TypedDict):
    """Pages that were dropped or masked because they hold evaluation items, and the counts of each set.

    Texts of extra sources count in `sets` alone: the ledger counts them with their source.
    """

    dropped: int
    masked: int
    sets: dict[str, EvaluationSetCounts]


class PublishResult(TypedDict):
    """The result of the job. `files` is by documents shard, `added` by extra source."""

    files: dict[str, FileCounts]
    repeated: dict[str, int]
    mixture: dict[Dimension, dict[str, MixtureSums]]
    by_language: dict[Dimension, dict[str, dict[str, ByteSums]]]
    contaminated: ContaminationCounts
    added: dict[str, AddedTexts]


class LanguageTokens(TypedDict):
    """UTF-8 bytes of texts in one language, and their tokens."""

    bytes: int
    tokens: int


class TokenCounts(TypedDict):
    """The tokens of each split, and bytes per token in train: `all`, then each language."""

    tokens: dict[str, int]
    bytes_per_token: dict[str, float]


class VocabularySize(TypedDict):
    """The size of the vocabulary, and the size asked for."""

    vocabulary: int
    wanted: int


class TokenizerResult(VocabularySize, TokenCounts):
    """What is known of the tokenizer: its vocabulary, and what it makes of the corpus."""


def new_shard_counts() -> ShardCounts:
    """Return the counts of a documents shard without pages."""
    return {
        "held_out": {},
        "published": dict.fromkeys(SPLITS, 0),
        "repeated": {"train": 0, "anneal": 0},
        "mixture": {"domain": {}, "type": {}, "language": {}, "quality": {}},
        "by_language": {"domain": {}, "type": {}, "quality": {}},
    }


def new_extra_counts() -> AddedTexts:
    """Return the counts of an extra source without texts."""
    return {"texts": 0, "held_out": {}, "published": 0, "repeated": 0, "bytes": [0, 0, 0]}


def add_reason_counts(sums: dict[str, int], more: Mapping[str, int]) -> None:
    """Add counts to sums, name by name."""
    for name, count in more.items():
        sums[name] = sums.get(name, 0) + count


def add_byte_sums(sums: dict[str, ByteSums], name: str, more: ByteSums) -> None:
    """Add bytes to the sums of one name."""
    old = sums.get(name, {"bytes": 0, "wanted_bytes": 0, "train_bytes": 0})
    sums[name] = {
        "bytes": old["bytes"] + more["bytes"],
        "wanted_bytes": old["wanted_bytes"] + more["wanted_bytes"],
        "train_bytes": old["train_bytes"] + more["train_bytes"],
    }


def add_mixture_sums(sums: dict[str, MixtureSums], name: str, more: MixtureSums) -> None:
    """Add pages and bytes to the sums of one part of the mixture."""
    old = sums.get(name, {"pages": 0, "bytes": 0, "wanted_bytes": 0, "train_bytes": 0})
    sums[name] = {
        "pages": old["pages"] + more["pages"],
        "bytes": old["bytes"] + more["bytes"],
        "wanted_bytes": old["wanted_bytes"] + more["wanted_bytes"],
        "train_bytes": old["train_bytes"] + more["train_bytes"],
    }


def add_extra_counts(sums: AddedTexts, more: AddedTexts) -> None:
    """Add the counts of one file of an extra source to those of the source."""
    add_reason_counts(sums["held_out"], more["held_out"])
    sums["texts"] += more["texts"]
    sums["published"] += more["published"]
    sums["repeated"] += more["repeated"]
    sums["bytes"] = [a + b for a, b in zip(sums["bytes"], more["bytes"], strict=True)]


def sum_shard_counts(shards: Iterable[ShardCounts]) -> ShardCounts:
    """Return the sum of the counts of documents shards. The largest parts of the mixture come first."""
    whole = new_shard_counts()
    for counts in shards:
        for key in ("held_out", "published", "repeated"):
            add_reason_counts(whole[key], counts[key])
        for dimension, parts in counts["mixture"].items():
            for name, sums in parts.items():
                add_mixture_sums(whole["mixture"][dimension], name, sums)
        for dimension, names in counts["by_language"].items():
            for name, languages in names.items():
                for language, more in languages.items():
                    add_byte_sums(whole["by_language"][dimension].setdefault(name, {}), language, more)
    whole["mixture"] = {
        dimension: dict(sorted(parts.items(), key=lambda part: (-part[1]["bytes"], part[0])))
        for dimension, parts in whole["mixture"].items()
    }
    whole["by_language"] = {
        dimension: {name: dict(sorted(names[name].items())) for name in sorted(names)}
        for dimension, names in whole["by_language"].items()
    }
    return whole


def find_extra_problems(added: Mapping[str, AddedTexts]) -> list[str]:
    """Return a line for each extra source that has a text which is neither published nor held out."""
    lines = []
    for source, counts in added.items():
        difference = counts["texts"] - sum(counts["held_out"].values()) - counts["published"]
        if difference:
            lines.append(f"{source}: {counts['texts']} texts, {difference:+d} neither published nor held out")
    return lines
