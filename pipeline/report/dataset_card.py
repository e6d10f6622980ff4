"""The dataset card: OUT/README.md. Its front matter tells the library `datasets` where the splits are.

The form is Hugging Face's (hub docs, "Dataset Cards" and "Data files Configuration"): YAML between `---`, then
Markdown.
"""

import re
from collections import Counter

import yaml

from pipeline.config import Config
from pipeline.io.ledger import AddedTexts, Ledger, LedgerTotals
from pipeline.io.output import Output
from pipeline.io.schemas import CORPUS, add_topic_columns
from pipeline.publish.result import SPLITS
from pipeline.report.facts import RunResults, collect_facts, list_settings, result_settings
from pipeline.report.render import render_template

COLUMNS = {
    "id": "record id in the crawl file (WARC-Record-ID); the key of `documents/`",
    "url": "address of the page",
    "date": "date of the crawl, as in the crawl file",
    "dump": "name of the Common Crawl dump, if the path of the crawl file has it",
    "file_path": "the crawl file that the page was read from",
    "language": "ISO code, found by language identification",
    "language_score": "probability of the language, 0 to 1",
    "domain": "topic of the page, found by the words of its address; one of a fixed list",
    "page_type": "article, documentation, forum, product, service or listing, by a classifier; empty if not known",
    "quality": "quality score, 0 to 1, of an ensemble of classifiers; null if the run gave no scores",
    "token_count": "tokens of the text, by the tokenizer in `tokenizer/`",
    "minhash_cluster_size": "the page and its near duplicates that were dropped; null if nobody looked for any",
    "text": "main text after the filters; personal data is masked as configured",
    "topic": "topic of the page, found by the topic classifier; the mixture uses it if the score is high enough",
    "topic_score": "probability of the topic, by the topic classifier",
    "weight": "weight of the page in the mixture; each further copy of a page is a row",
}


def write_card(output: Output, config: Config, ledger: Ledger, results: RunResults) -> None:
    """Write the dataset card of a published output. The same run gives the same bytes."""
    languages = [name for name, sums in results.publish["mixture"]["language"].items() if name and sums["pages"]]
    rows = count_rows(ledger.totals)
    folders = [name for name in list_filled_folders(ledger.totals, results) if output.holder(name) is output]
    values = {
        "header": build_front_matter(config.recipe, config.publish.format, languages, rows, folders),
        "inputs": len(ledger.files),
        "format": config.publish.format,
        "given_tokenizer": config.tokenizer.file,
        "tokens": config.publish.tokens,
        "rows": rows,
        "added": [describe_source(source, counts) for source, counts in (ledger.totals.added or {}).items()],
        "others": folders,
        "columns": [
            (field.name, field.type, COLUMNS[field.name])
            for field in add_topic_columns(CORPUS, bool(config.weights.topics.model))
        ],
        "settings": [(name, escape_cell(line)) for name, line in list_settings(config)],
        "config": fence_code(yaml.safe_dump(result_settings(config), sort_keys=False, allow_unicode=True), "yaml"),
    }
    text = render_template("card.md", vars(collect_facts(config, ledger, results)) | values)
    with output.write("README.md") as out:
        out.write(text.encode())


def count_rows(totals: LedgerTotals) -> dict[str, int]:
    """Return the rows of each split: pages, their further copies, and texts of extra sources."""
    published, repeated = totals.published or Counter[str](), totals.repeated or Counter[str]()
    rows = {split: published[split] + repeated[split] for split in SPLITS}
    rows["anneal"] += sum(counts["published"] + counts["repeated"] for counts in (totals.added or {}).values())
    return rows


def list_filled_folders(totals: LedgerTotals, results: RunResults) -> list[str]:
    """Return the folders besides corpus/ that have rows."""
    rows = {
        "documents": totals.kept,
        "rejected": totals.rejected.total(),
        "duplicates": totals.duplicates.total(),
        "repeated_lines": (totals.repeated_lines or {}).get("lines", [0])[0],
        "contaminated": sum(counts["spans"] for counts in results.publish["contaminated"]["sets"].values()),
    }
    return [name for name, n in rows.items() if n]


def describe_source(source: str, counts: AddedTexts) -> str:
    """Return what an extra source added to anneal/."""
    held_out = "".join(f", {n:,} held out ({reason})" for reason, n in counts["held_out"].items())
    texts = f"{counts['published']:,} of its {counts['texts']:,} texts and {counts['repeated']:,} repeats"
    return f"`{source.rsplit('/', 1)[-1]}` in `anneal`: {texts}{held_out}"


def build_front_matter(recipe: str, suffix: str, languages: list[str], rows: dict[str, int], folders: list[str]) -> str:
    """Return the YAML that `datasets` and the hub read: the splits of the corpus, and the other folders by name.

    Splits without rows are left out, because `datasets` refuses a folder with an empty split.
    """
    splits = [{"split": split, "path": f"corpus/{split}/*.{suffix}"} for split in SPLITS if rows[split]]
    others = [{"config_name": name, "data_files": f"{name}/*.parquet"} for name in folders]
    header = {
        "pretty_name": f"Web corpus made by Gristmill ({recipe} recipe)",
        "language": sorted(languages),
        "license": "other",
        "license_name": "terms-of-the-pages",
        "task_categories": ["text-generation"],
        "size_categories": [find_size_category(sum(rows.values()))],
        "tags": ["gristmill", "pretraining", "web-crawl"],
        "configs": [{"config_name": "default", "default": True, "data_files": splits}, *others],
    }
    text: str = yaml.safe_dump(header, sort_keys=False, allow_unicode=True)
    return text


def find_size_category(rows: int) -> str:
    """Return the hub's size category for a number of rows."""
    marks = [(10**3, "1K"), (10**4, "10K"), (10**5, "100K"), (10**6, "1M"), (10**7, "10M"), (10**8, "100M")]
    marks += [(10**9, "1B"), (10**10, "10B"), (10**11, "100B"), (10**12, "1T")]
    if rows < marks[0][0]:
        return "n<1K"
    for (_, low), (high, name) in zip(marks, marks[1:], strict=False):
        if rows < high:
            return f"{low}<n<{name}"
    return "n>1T"


def escape_cell(text: str) -> str:
    """Return text that stays in one cell of a Markdown table and is never read as HTML."""
    escaped = re.sub(r"([\\|`*\[\]])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def fence_code(text: str, language: str) -> str:
    """Return a code block. Its fence is longer than any run of backticks in the text."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
