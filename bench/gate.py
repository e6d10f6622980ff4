"""What the language gate saves and loses: the extract job with `languages: [en]`, off against on, one worker each.

The bar: of the pages that are kept without the gate, at most .5 % are dropped by it.
"""

import glob
import os
import tempfile

import pyarrow.parquet as pq

from bench.jobs import find_crawl_files, measure_command, write_job

BAR = 0.005
CASES = (
    ("fineweb", "resiliparse"),
    ("fineweb", "trafilatura"),
    ("fineweb", "gristmill"),
    ("default", "gristmill"),
    ("none", "resiliparse"),  # no text rules: whatever is English by .65
)


def run(crawl: str) -> None:
    """Print for each recipe and engine: pages kept, gated, missed, and CPU seconds of the job off and on."""
    files = find_crawl_files(crawl)
    counts = f"{'responses':>9} {'kept off':>9} {'kept on':>8} {'missed':>7} {'share':>7} {'gated':>6}"
    print(f"{'recipe':9} {'engine':12} {counts} {'CPU s off':>10} {'on':>7} {'ratio':>6}")
    for recipe, engine in CASES:
        with tempfile.TemporaryDirectory() as folder:
            kept, cpu = {}, {}
            for name in ("off", "on"):
                settings = {
                    "languages": ["en"],
                    "language": {"prefilter": name == "on", "min_score": 0.65},
                    "recipe": recipe,
                }
                cpu[name] = measure_command(
                    write_job(folder, name, files, extract={"engine": engine}, workers=1, **settings)
                ).cpu
                kept[name] = set(read_column(folder, name, "documents", "id"))
            gated = read_column(folder, "on", "rejected", "reason").count("gate")
            responses = len(read_column(folder, "on", "rejected", "id")) + len(kept["on"])
        missed = len(kept["off"] - kept["on"])
        share = missed / max(1, len(kept["off"]))
        counts = f"{responses:9} {len(kept['off']):9} {len(kept['on']):8} {missed:7} {share:7.2%} {gated:6}"
        times = f"{cpu['off']:10.1f} {cpu['on']:7.1f} {cpu['off'] / cpu['on']:6.2f}"
        print(f"{recipe:9} {engine:12} {counts} {times}{'' if share <= BAR else '  MISSED'}", flush=True)


def read_column(folder: str, name: str, kind: str, wanted: str) -> list[str]:
    """Return a column of all shards of an output's folder."""
    paths = sorted(glob.glob(os.path.join(folder, name, kind, "*.parquet")))
    return [value for path in paths for value in pq.read_table(path, columns=[wanted])[wanted].to_pylist()]
