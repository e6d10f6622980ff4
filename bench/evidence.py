"""Whether the recipe `default` makes better training text: small language models on what it keeps and on what it drops.

Models of interpolated n-grams of bytes (Witten and Bell 1991) learn from equal amounts of the crawl's English texts:
all of them, those that the recipe keeps, and, as a known-bad arm, those that its rules reject. A second draw of all
texts (A/A) shows how much is chance. The models are then asked how many bits a byte they need on texts of six kinds.
No site of the tested pages is among those that the models learn from.
"""

import gzip
import json
import lzma
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.crawl_pages import read_crawl_pages
from bench.jobs import find_crawl_files

ORDER = 4  # bytes of an n-gram
SIZE = 1_600_000  # bytes that a model learns from, unless an arm has less
TEST_BYTES = 300_000  # of each kind of text
PAGE_BYTES = 20_000  # of a page, so that no single one decides
DRAWS = 6
STUDENT = 2.571  # quantile .975 of Student's t with DRAWS - 1 degrees of freedom
TEST_SITES = 5  # one site in so many is kept for the test
BAR, WORSE = 0.03, 0.005  # what `default` is to save on the mean of the texts, and may lose on one


class ArmText(NamedTuple):
    """An English text of the crawl, before and after the rules; `kept` where they keep it."""

    text: str
    edited: str
    kept: bool


class NgramCounts(NamedTuple):
    """n-grams of one length in a text, by their bytes as a number: how often, and the sums by context."""

    ngrams: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray  # how many different bytes follow each context


def code_ngrams(text: np.ndarray, length: int) -> np.ndarray:
    """Return the n-gram at each place of a text as a number; `length` is at most 8."""
    codes = np.zeros(max(0, len(text) - length + 1), np.uint64)
    for place in range(length):
        codes = codes << np.uint64(8) | text[place : place + len(codes)]
    return codes


def count_ngrams(text: np.ndarray, length: int) -> NgramCounts:
    """Count the n-grams of a text."""
    ngrams, counts = np.unique(code_ngrams(text, length), return_counts=True)
    contexts, first, kinds = np.unique(ngrams >> np.uint64(8), return_index=True, return_counts=True)
    return NgramCounts(ngrams, counts, contexts, np.add.reduceat(counts, first), kinds)


def look_up(known: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the value of each wanted number; 0 for one that is not known."""
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[places] == wanted, values[places], 0)


def train_ngrams(text: bytes) -> list[NgramCounts]:
    """Return a model: the n-grams of 1 to ORDER bytes."""
    return [count_ngrams(np.frombuffer(text, np.uint8), length) for length in range(1, ORDER + 1)]


def measure_bits(model: Sequence[NgramCounts], text: bytes) -> float:
    """Return the bits a byte that a model needs for a text."""
    data = np.frombuffer(text, np.uint8)
    chance = np.full(len(data), 1 / 256)
    for length, counted in enumerate(model, 1):
        codes = code_ngrams(data, length)
        have = look_up(counted.ngrams, counted.counts, codes)
        contexts = codes >> np.uint64(8)
        total = look_up(counted.contexts, counted.totals, contexts)
        kinds = look_up(counted.contexts, counted.kinds, contexts)
        rest = chance[length - 1 :]
        chance[length - 1 :] = np.where(total, (have + kinds * rest) / np.maximum(total + kinds, 1), rest)
    return float(-np.log2(chance).mean())


def draw_text(texts: Sequence[str], draw: str, size: int) -> bytes:
    """Return about `size` bytes of texts in the order of a hash."""
    found = bytearray()
    for text in sorted(texts, key=lambda text: blake2b(f"{draw} {text[:1000]}".encode("utf-8", "replace")).digest()):
        found += text.encode("utf-8", "replace")[:PAGE_BYTES] + b"\n"
        if len(found) >= size:
            break
    return bytes(found[:size])


def is_test_site(site: str) -> bool:
    """Tell whether the pages of a site are kept for the test."""
    return blake2b(site.encode(), digest_size=2).digest()[0] % TEST_SITES == 0


def read_arm_texts(files: Iterable[str], tested: frozenset[str]) -> list[ArmText]:
    """Return the crawl's texts that are labelled English, without those of tested sites."""
    from pipeline.config import build_config
    from pipeline.extract.identify_language import check_language
    from pipeline.filters.chain import apply_filters, load_filters
    from pipeline.language.identify import LanguageModel
    from pipeline.url.canonical import url_domain

    config = build_config({"inputs": ["none"], "output": "none", "recipe": "default"})
    filters = load_filters(config.rules)
    pages = [page for page in read_crawl_pages(files, "gristmill") if page.text.strip()]
    answers = LanguageModel.load().identify([page.text for page in pages])
    found = []
    for page, (language, score) in zip(pages, answers, strict=True):
        site = url_domain(page.url)
        if language == "en" and site not in tested and not is_test_site(site):
            result = apply_filters(filters, page.text, language)
            sure = check_language(language, score, (), config.language) is None
            found.append(ArmText(page.text, result.text, result.failure is None and sure))
    return found


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
    texts = read_arm_texts(files, sites)
    arms = {
        "raw": [one.text for one in texts],
        "raw again": [one.text for one in texts],
        "default": [one.edited for one in texts if one.kept],
        "rejected": [one.text for one in texts if not one.kept],
    }
    sizes = {
        name: sum(min(PAGE_BYTES, len(text.encode("utf-8", "replace"))) for text in some) for name, some in arms.items()
    }
    size = min(SIZE, *sizes.values())
    print(f"English texts: {len(texts):,}, of which the recipe keeps {len(arms['default']):,}; {size:,} bytes an arm")
    bits = np.zeros((len(arms), DRAWS, len(tests)))
    for number, (arm, some) in enumerate(arms.items()):
        for draw in range(DRAWS):
            model = train_ngrams(draw_text(some, f"{draw} {'again' if arm == 'raw again' else ''}", size))
            bits[number, draw] = [measure_bits(model, text) for text in tests.values()]
    print(f"\n{'bits a byte':26}" + "".join(f"{arm:>11}" for arm in arms) + f"{'default saves':>15}")
    for place, name in enumerate(tests):
        saved = 1 - bits[2, :, place].mean() / bits[0, :, place].mean()
        print(f"{name:26}" + "".join(f"{row:11.3f}" for row in bits[:, :, place].mean(1)) + f"{saved:15.1%}")
    print(f"{'mean':26}" + "".join(f"{row:11.3f}" for row in bits.mean((1, 2))))
    print_verdict(bits, list(tests))


def print_verdict(bits: np.ndarray, tests: Sequence[str]) -> None:
    """Print what each arm saves beside raw on the mean of the texts, with its interval, and whether bars are met."""
    means = bits.mean(2)
    print(f"\nsaved beside raw on the mean of the texts, with the 95 % interval over {DRAWS} draws")
    for name, arm in (("raw again (A/A)", 1), ("default", 2), ("rejected (known bad)", 3)):
        saved = 1 - means[arm] / means[0]
        half = STUDENT * saved.std(ddof=1) / DRAWS**0.5
        print(f"{name:26} {saved.mean():8.2%} {saved.mean() - half:8.2%} to {saved.mean() + half:.2%}")
    saved = (1 - means[2] / means[0]).mean()
    worse = [
        name for place, name in enumerate(tests) if bits[2, :, place].mean() > (1 + WORSE) * bits[0, :, place].mean()
    ]
    print(f"bar {BAR:.0%} below raw: {'met' if saved >= BAR else 'missed'}")
    print(f"worse than raw by more than {WORSE:.1%}: {', '.join(worse) or 'no text'}")
