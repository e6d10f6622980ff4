"""`compare`: two outputs side by side: their settings, funnels and mixtures, and pages that end in another way."""

from collections import Counter
from collections.abc import Iterator

import yaml
from rich.console import Console
from rich.markup import escape

from pipeline.config import compare_configs
from pipeline.io.ledger import Ledger
from pipeline.io.output import Output
from pipeline.report.console import new_table
from pipeline.report.facts import build_mixture
from pipeline.report.inspect_output import list_losses, read_stage_order
from pipeline.report.stored_rows import read_columns, read_published_weights

TOP_CHANGES = 30  # rows of the table of changes
NOT_READ = "not read"  # the fate of a page that one of the outputs does not have
UNDECIDED = "kept"  # a page of an output that has not published


def print_comparison(first: Output, second: Output, sample: int, console: Console) -> None:
    """Print what differs between two outputs."""
    console.print(f"A: {escape(first.root)}\nB: {escape(second.root)}\n")
    print_settings(first, second, console)
    print_funnels(first, second, console)
    print_mixtures(first, second, console)
    print_changes(first, second, sample, console)


def print_settings(first: Output, second: Output, console: Console) -> None:
    """Print the settings that differ."""
    configs = []
    for output in (first, second):
        with output.open("config.yaml") as source:
            configs.append(yaml.safe_load(source))
    lines = compare_configs(*configs)
    console.print("settings that differ (A -> B):" if lines else "the settings are equal")
    for line in lines:
        console.print(f"  {escape(line)}")
    console.print()


def print_funnels(first: Output, second: Output, console: Console) -> None:
    """Print the pages that each reason dropped in both outputs."""
    stages = tuple(dict.fromkeys([*read_stage_order(first), *read_stage_order(second)]))
    totals = [Ledger.from_json(output.read_json("ledger.json")).totals for output in (first, second)]
    losses = [dict(list_losses(some, stages)) for some in totals]
    splits = [{f"published {split}": n for split, n in (some.published or {}).items()} for some in totals]
    rows = [("responses", totals[0].responses, totals[1].responses)]
    merged = totals[0].rejected | totals[1].rejected
    both = type(totals[0])(rejected=merged, duplicates=totals[0].duplicates | totals[1].duplicates)
    both.held_out = totals[0].held_out | totals[1].held_out
    names = [name for name, _ in list_losses(both, stages)]
    rows += [(f"  {name}", -losses[0].get(name, 0), -losses[1].get(name, 0)) for name in names]
    rows += [(name, splits[0].get(name, 0), splits[1].get(name, 0)) for name in {**splits[0], **splits[1]}]
    table = new_table("funnel", "A", "B", "B - A")
    for name, mine, other in rows:
        table.add_row(escape(name), f"{mine:,}", f"{other:,}", f"{other - mine:+,}" if other != mine else "")
    console.print(table)


def print_mixtures(first: Output, second: Output, console: Console) -> None:
    """Print the shares of train by language, topic and quality, where both outputs have published."""
    outputs = [output for output in (first, second) if output.exists(".work", "publish.json")]
    if len(outputs) < 2:
        return
    results = [output.read_json(".work", "publish.json")["result"] for output in outputs]
    mixtures = [build_mixture(result["publish"], result["tokenizer"]) for result in results]
    for kind in mixtures[0]:
        shares = [{part.name: part.after for part in mixture[kind]} for mixture in mixtures]
        table = new_table(f"share of train's tokens by {kind}", "A", "B", "B - A")
        for name in {**shares[0], **shares[1]}:
            mine, other = shares[0].get(name, 0.0), shares[1].get(name, 0.0)
            table.add_row(escape(name), f"{mine:.1%}", f"{other:.1%}", f"{other - mine:+.1%}")
        console.print(table)


def print_changes(first: Output, second: Output, sample: int, console: Console) -> None:
    """Print how many pages end in another way in B than in A, by both ends, with samples."""
    changes: Counter[tuple[str, str]] = Counter()
    urls: dict[tuple[str, str], list[str]] = {}
    published = [read_published_ids(output) for output in (first, second)]
    for name in sorted({*list_shard_names(first), *list_shard_names(second)}):
        fates = [read_fates(output, name, ids) for output, ids in zip((first, second), published, strict=True)]
        for page in {**fates[0], **fates[1]}:
            ends = [some.get(page, (NOT_READ, "")) for some in fates]
            change = (ends[0][0], ends[1][0])
            if change[0] != change[1]:
                changes[change] += 1
                if len(urls.setdefault(change, [])) < sample:
                    urls[change].append(ends[0][1] or ends[1][1] or page)
    if not changes:
        console.print("every page ends in the same way in both")
        return
    console.print(f"\n{changes.total():,} pages end in another way")
    table = new_table("in A", "in B", "pages")
    ordered = sorted(changes.items(), key=lambda item: (-item[1], item[0]))
    for (mine, other), n in ordered[:TOP_CHANGES]:
        table.add_row(escape(mine), escape(other), f"{n:,}")
    console.print(table)
    for (mine, other), _ in ordered[:TOP_CHANGES]:
        console.print(f"\n{escape(mine)} -> {escape(other)}")
        for url in urls[mine, other]:
            console.print(f"  {escape(url)}")


def list_shard_names(output: Output) -> list[str]:
    """Return the names of the shards that extract wrote, without a suffix."""
    names = {*output.list("documents", ".parquet"), *output.list("rejected", ".parquet")}
    return sorted(name.removesuffix(".parquet") for name in names)


def read_published_ids(output: Output) -> set[str] | None:
    """Return the ids of the published pages; None where nothing has been published."""
    if not output.exists("corpus"):
        return None
    return {page for split in ("train", "validation") for _, page, _ in read_published_weights(output, split)}


def read_fates(output: Output, name: str, published: set[str] | None) -> dict[str, tuple[str, str]]:
    """Return how each page of a shard ended, and its address, by id."""
    return dict(iterate_fates(output, f"{name}.parquet", published))


def iterate_fates(output: Output, name: str, published: set[str] | None) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield (id, (fate, address)) of each page of a shard."""
    if name in output.list("rejected", ".parquet"):
        for page, url, stage, reason in read_columns(output, "rejected", name, "id", "url", "stage", "reason"):
            yield page, (f"{stage}/{reason}", url or "")
    if name not in output.list("documents", ".parquet"):
        return
    duplicates: dict[int, str] = {}
    if name in output.list("duplicates", ".parquet"):
        duplicates = {row: kind for row, kind in read_columns(output, "duplicates", name, "row", "kind")}
    for row, (page, url) in enumerate(read_columns(output, "documents", name, "id", "url")):
        if row in duplicates:
            fate = f"duplicate/{duplicates[row]}"
        elif published is None:
            fate = UNDECIDED
        else:
            fate = "published" if page in published else "held out"
        yield page, (fate, url or "")
