"""The target of importance resampling: its features counted once, before the publish job's pass over the pages."""

from collections.abc import Iterator

import numpy as np

from classifiers.page_files import find_page_files, read_page_rows
from pipeline.config import Config
from pipeline.io.output import WORK, Output
from pipeline.publish import dsir

COUNTS = (WORK, "dsir", "target.npy")


def prepare(output: Output, config: Config) -> None:
    """Count the target's features, where there is one. Raises ClassifierError, OSError for one that cannot be read."""
    output.remove(WORK, "dsir")
    if config.weights.dsir.target:
        counts = dsir.count(texts(config.weights.dsir.target), config.weights.dsir.buckets)
        with output.write(*COUNTS) as out:
            np.save(out, counts, allow_pickle=False)


def texts(target: str) -> Iterator[str]:
    """Yield the texts of a Parquet or JSONL file, or of all in a folder or glob."""
    return (row["text"] or "" for path in find_page_files(target) for row in read_page_rows(path))


def target_counts(output: Output) -> np.ndarray:
    """Return what `prepare` counted."""
    with output.open(*COUNTS) as source:
        return np.load(source, allow_pickle=False)


def fingerprints(target: str | None) -> list[tuple[str, int, int]]:
    """Return name, size and time of writing of each of the target's files: they tell one target from another."""
    facts = [(path.name, path.stat()) for path in find_page_files(target)] if target else []
    return [(name, fact.st_size, fact.st_mtime_ns) for name, fact in facts]
