"""The dataset card: OUT/README.md, whose front matter tells `datasets` where the splits are.

Hugging Face's form (hub docs, "Dataset Cards" and "Data files Configuration"): YAML between `---`, then Markdown.
"""

import re
from collections import Counter
from typing import Any

import yaml

from pipeline.config import Config
from pipeline.io.ledger import AddedTexts, Ledger
from pipeline.io.output import Output
from pipeline.io.schemas import CORPUS, with_topics
from pipeline.report.facts import common, render, settings, thresholds

SPLITS = ("train", "validation", "anneal")
COLUMNS = {
    "id": "the archive's record id (WARC-Record-ID); the key of `documents/`",
    "url": "where the page was",
    "date": "when it was crawled, as the archive writes it",
    "language": "ISO code, by language identification",
    "domain": "what the page is about, by the words of its address; one of a fixed list",
    "quality": "score of the quality classifier, 0 to 1; null where the run had none",
    "text": "the main text, cleaned, personal data masked as configured",
    "topic": "what the page is about, by the topic classifier; the mix goes by it where its score is enough",
    "topic_score": "that classifier's probability of the topic",
    "weight": "the mix's weight of the page; repeats that it asks for are rows of their own",
}


def write_card(output: Output, config: Config, book: Ledger, facts: dict[str, Any]) -> None:
    """Write the card of a published output. The same run gives the same bytes.

    `book` is the ledger, `facts` the results of dedup, publish and tokenizer by these names.
    """
    totals = book.totals
    published, repeated = totals.published or Counter(), totals.repeated or Counter()
    languages = [name for name, sums in facts["publish"]["mixture"]["language"].items() if name and sums["pages"]]
    rows = {split: published[split] + repeated[split] for split in SPLITS}
    added = totals.added or {}
    rows["anneal"] += sum(counts["published"] + counts["repeated"] for counts in added.values())
    sizes = {"documents": totals.kept, "rejected": totals.rejected.total()}
    sizes["duplicates"] = totals.duplicates.total()
    sizes["repeated_lines"] = (totals.repeated_lines or {}).get("lines", [0])[0]
    sizes["contaminated"] = sum(counts["spans"] for counts in facts["publish"]["contaminated"]["sets"].values())
    others = [name for name, n in sizes.items() if n and output.holder(name) is output]
    values = {
        "header": front_matter(config.recipe, languages, rows, others),
        "inputs": len(book.files),
        "rows": rows,
        "added": [added_line(source, counts) for source, counts in added.items()],
        "others": others,
        "columns": [
            (field.name, field.type, COLUMNS[field.name])
            for field in with_topics(CORPUS, bool(config.weights.topics.model))
        ],
        "thresholds": [(name, cell(line)) for name, line in thresholds(config)],
        "settings": fenced(yaml.safe_dump(settings(config), sort_keys=False, allow_unicode=True), "yaml"),
    }
    text = render("card.md", common(config, book, facts) | values)
    with output.write("README.md") as out:
        out.write(text.encode())


def added_line(source: str, counts: AddedTexts) -> str:
    """Return what a clean source added to anneal/."""
    held = "".join(f", {n:,} held out ({reason})" for reason, n in counts["held_out"].items())
    texts = f"{counts['published']:,} of its {counts['texts']:,} texts and {counts['repeated']:,} repeats"
    return f"`{source.rsplit('/', 1)[-1]}` in `anneal`: {texts}{held}"


def front_matter(recipe: str, languages: list[str], rows: dict[str, int], others: list[str]) -> str:
    """Return the YAML that `datasets` and the hub read: the corpus's splits, and other folders by their names.

    Splits without rows are left out, since `datasets` refuses a folder that has one.
    """
    splits = [{"split": split, "path": f"corpus/{split}/*.parquet"} for split in SPLITS if rows[split]]
    folders = [{"config_name": name, "data_files": f"{name}/*.parquet"} for name in others]
    header = {
        "pretty_name": f"Web corpus milled by Gristmill ({recipe} recipe)",
        "language": sorted(languages),
        "license": "other",
        "license_name": "terms-of-the-pages",
        "task_categories": ["text-generation"],
        "size_categories": [size_category(sum(rows.values()))],
        "tags": ["gristmill", "pretraining", "web-crawl"],
        "configs": [{"config_name": "default", "default": True, "data_files": splits}, *folders],
    }
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True)


def size_category(rows: int) -> str:
    """Return the hub's size category of a number of rows."""
    marks = [(10**3, "1K"), (10**4, "10K"), (10**5, "100K"), (10**6, "1M"), (10**7, "10M"), (10**8, "100M")]
    marks += [(10**9, "1B"), (10**10, "10B"), (10**11, "100B"), (10**12, "1T")]
    if rows < marks[0][0]:
        return "n<1K"
    for (_, low), (high, name) in zip(marks, marks[1:], strict=False):
        if rows < high:
            return f"{low}<n<{name}"
    return "n>1T"


def cell(text: str) -> str:
    """Return text that stays within one cell of a Markdown table and is never HTML."""
    escaped = re.sub(r"([\\|`*\[\]])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def fenced(text: str, language: str) -> str:
    """Return a code block whose fence is longer than any run of backticks within."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
