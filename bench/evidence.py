"""Whether the recipe `default` makes better training text: small language models on what it keeps and on what it drops.

Models of interpolated n-grams of bytes (Witten and Bell 1991) learn from equal amounts of the crawl's English texts.
The arms are all that is visible on the pages; their main texts (raw); those that the recipe keeps; as an A/A arm, all
but as many pages dropped by chance; and as a known-bad arm, the rejected pages, beside as much of raw. All arms of a
draw take their pages in one order, so that they differ by what is dropped alone. The models are then asked how many
bits a byte they need on texts of six kinds. No site of the tested pages is among those that the models learn from.
"""

import gzip
import json
import lzma
import sysconfig
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.crawl_pages import read_crawl_pages
from bench.held_out_quality import judge_pages
from bench.jobs import find_crawl_files
from model.baselines.ngrams import measure_bits, train_ngrams
from model.studies.cheap_ablation import ArmPool, PooledDocument, cut_document, draw_text
from model.studies.study_arms import hash_share

SIZE = 1_600_000  # bytes that a model learns from; of the rejected pages all, if they have less
TEST_BYTES = 100_000  # of each kind of text
DRAWS = 6
STUDENT = 2.571  # quantile .975 of Student's t with DRAWS - 1 degrees of freedom
TEST_SITES = 5  # one site in so many is kept for the test
BAR, WORSE = 0.03, 0.005  # what `default` is to save on the mean of the texts, and may lose on one


class ArmText(NamedTuple):
    """An English text of the crawl, before and after the rules; `kept` where they keep it."""

    id: str
    text: str
    edited: str
    kept: bool


def measure_arm(texts: Mapping[str, str], size: int, tests: Mapping[str, bytes]) -> np.ndarray:
    """Return the bits a byte of models that learn from an arm's texts, by id: float[draw, kind of text]."""
    pool = ArmPool([PooledDocument(0.0, name, cut_document(text)) for name, text in texts.items()], 0)
    models = (train_ngrams(draw_text(pool, draw, size)) for draw in range(DRAWS))
    return np.array([[measure_bits(model, text) for text in tests.values()] for model in models])


def is_test_site(site: str) -> bool:
    """Tell whether the pages of a site are kept for the test."""
    return blake2b(site.encode(), digest_size=2).digest()[0] % TEST_SITES == 0


def read_arm_texts(crawl: str, tested: frozenset[str]) -> list[ArmText]:
    """Return the crawl's texts that are labelled English, without those of tested sites."""
    return [
        ArmText(page.id, page.text, page.edited, not page.reason)
        for page in judge_pages(find_crawl_files(crawl), crawl)
        if page.language == "en" and page.text.strip() and page.site not in tested and not is_test_site(page.site)
    ]


def read_visible_texts(files: Iterable[str], wanted: Collection[str]) -> dict[str, str]:
    """Return all visible text of the wanted pages, by id."""
    pages = read_crawl_pages(files, "resiliparse", "recall")
    return {page.id: page.text for page in pages if page.id in wanted}


def read_english_gold(path: Path, wanted: Callable[[str, str], bool]) -> tuple[list[str], set[str]]:
    """Return the human gold texts that are English, and their sites; `wanted` is asked with the site and page type."""
    from pipeline.language.identify import LanguageModel
    from pipeline.url.canonical import url_domain

    texts, sites = [], set()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            kind = (
                str(row["meta"] or "").partition("page_type")[2][2:].lstrip(" :\"'").partition('"')[0].partition("'")[0]
            )
            site = url_domain(row["url"])
            if row["gold_kind"] == "human" and row["gold_text"] and wanted(site, kind):
                texts.append(row["gold_text"])
                sites.add(site)
    answers = LanguageModel.load().identify(texts)
    return [text for text, (language, score) in zip(texts, answers, strict=True) if language == "en"], sites


def read_tested_texts(data: Path) -> tuple[dict[str, bytes], frozenset[str]]:
    """Return TEST_BYTES of each kind of text by its name, and the sites of the pages among them."""
    from classifiers.wikipedia.articles import extract_prose
    from classifiers.wikipedia.dumps import read_dump_articles

    with lzma.open(data / "text" / "novels.jsonl.xz", "rt", encoding="utf-8") as lines:
        novels = [json.loads(line)["text"][5000:15000] for line in lines]
    with gzip.open(data / "text" / "wikitext2-test.txt.gz", "rt", encoding="utf-8") as file:
        wikitext = [file.read()]
    (dump,) = (data / "wikipedia").glob("enwiki*pages-articles*")
    articles = [extract_prose(wikitext)[:10_000] for _, wikitext in read_dump_articles(dump)]
    gold, sites = read_english_gold(data / "crawl" / "gold.jsonl.gz", lambda site, kind: is_test_site(site))
    manuals, more = read_english_gold(data / "extraction" / "gold.jsonl.gz", lambda site, kind: kind == "documentation")
    modules = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    code = [path.read_text(encoding="utf-8")[:10_000] for path in modules if not path.name.startswith("_")]
    kinds = {
        "novels": novels,
        "WikiText-2": wikitext,
        "Wikipedia articles": articles,
        "human gold of pages": [text[:10_000] for text in gold],
        "documentation": [text[:10_000] for text in manuals],
        "code (Python's library)": code,
    }
    tests = {name: "\n".join(texts).encode("utf-8", "replace")[:TEST_BYTES] for name, texts in kinds.items()}
    return tests, frozenset(sites | more)


def run(crawl: str) -> None:
    """Print the bits a byte of every arm on every text, and the verdict."""
    files = find_crawl_files(crawl)
    tests, sites = read_tested_texts(Path(crawl).parent.parent)
    texts = read_arm_texts(crawl, sites)
    raw = {one.id: one.text for one in texts}
    rejected = {one.id: one.text for one in texts if not one.kept}
    share = len(rejected) / len(raw)
    small = min(SIZE, sum(len(cut_document(text)) - 1 for text in rejected.values()))
    rejects = f"of which the recipe rejects {len(rejected):,}"
    print(f"English texts: {len(raw):,}, {rejects}; {SIZE:,} bytes an arm, of the rejected {small:,}")
    bits = {
        "visible": measure_arm(read_visible_texts(files, raw), SIZE, tests),
        "raw": measure_arm(raw, SIZE, tests),
        "chance": measure_arm({name: raw[name] for name in raw if hash_share(name) >= share}, SIZE, tests),
        "default": measure_arm({one.id: one.edited for one in texts if one.kept}, SIZE, tests),
        "raw, less": measure_arm(raw, small, tests),
        "rejected": measure_arm(rejected, small, tests),
    }
    print(f"\n{'bits a byte':26}" + "".join(f"{arm:>11}" for arm in bits) + f"{'default saves':>15}")
    for place, name in enumerate(tests):
        saved = 1 - bits["default"][:, place].mean() / bits["raw"][:, place].mean()
        print(f"{name:26}" + "".join(f"{found[:, place].mean():11.3f}" for found in bits.values()) + f"{saved:15.1%}")
    print(f"{'mean':26}" + "".join(f"{found.mean():11.3f}" for found in bits.values()))
    print_verdict(bits, list(tests))


def print_verdict(bits: Mapping[str, np.ndarray], tests: Sequence[str]) -> None:
    """Print what each arm saves beside raw on the mean of the texts, with its interval, and whether bars are met."""
    print(f"\nsaved on the mean of the texts, with the 95 % interval over {DRAWS} draws")
    pairs = {
        "chance beside raw (A/A)": ("chance", "raw"),
        "default beside raw": ("default", "raw"),
        "default beside visible": ("default", "visible"),
        "rejected beside raw": ("rejected", "raw, less"),
    }
    for name, (arm, beside) in pairs.items():
        saved = 1 - bits[arm].mean(1) / bits[beside].mean(1)
        error = saved.std(ddof=1) / DRAWS**0.5
        low, high = saved.mean() - STUDENT * error, saved.mean() + STUDENT * error
        print(f"{name:26} {saved.mean():8.2%} {low:8.2%} to {high:.2%} {saved.mean() / error:6.1f} sigma")
    means, raw = bits["default"].mean(0), bits["raw"].mean(0)
    worse = [name for name, mine, other in zip(tests, means, raw, strict=True) if mine > (1 + WORSE) * other]
    print(f"bar {BAR:.0%} below raw: {'met' if means.mean() <= (1 - BAR) * raw.mean() else 'missed'}")
    print(f"worse than raw by more than {WORSE:.1%}: {', '.join(worse) or 'no text'}")
