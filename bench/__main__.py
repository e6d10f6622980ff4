"""Run all benchmarks of this folder, or the named ones: `python -m bench workers memory`."""

import argparse
import importlib

from classifiers.errors import ClassifierError
from classifiers.fit_forest import require_training_packages

NAMES = (
    "help",
    "start",
    "framework",
    "workers",
    "memory",
    "gate",
    "extraction",
    "wcxb",
    "pii",
    "rules",
    "keep",
    "quality",
    "fallback",
    "evidence",
    "agreement",
    "scoring",
    "decontamination",
    "minhash",
    "fineweb",
    "sizing",
    "dedup",
    "dedup_peers",
    "gpu",
    "trainer_cpu",
    "preferences",
    "tokenizer",
    "repeated_lines",
    "mutants",
    "fuzz",
    "coverage_fuzz",
    "kills",
)

# Benchmarks that train models: the packages that they need, of the extra `extraction`.
TRAINING = {
    "extraction": ("catboost", "rapidfuzz"),
    "wcxb": ("catboost", "rapidfuzz"),
    "keep": ("catboost",),
    "quality": ("catboost",),
    "evidence": ("catboost",),
}


def main() -> None:
    """Run the benchmarks one after the other. Each prints a table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--crawl", default="../shared/data/crawl/*.warc.gz", help="glob of the WARC files")
    parser.add_argument("--count", type=int, help="of mutants or kills")
    parser.add_argument("--minutes", type=float, help="of fuzzing")
    args = parser.parse_args()
    options = {name: value for name in ("count", "minutes") if (value := getattr(args, name)) is not None}
    names = args.names or NAMES
    for name in names:
        if name not in NAMES:
            parser.error(f"{name}: no such benchmark; use one of {', '.join(NAMES)}")
        try:
            require_training_packages(TRAINING.get(name, ()))
        except ClassifierError as error:
            parser.error(f"{name}: {error}")
    for name in names:
        print(f"## {name}", flush=True)
        importlib.import_module(f"bench.{name}").run(args.crawl, **options)
        print(flush=True)


if __name__ == "__main__":
    main()
