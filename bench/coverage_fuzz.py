"""Fuzzes the functions that see pages with atheris, which looks for inputs that reach new code.

`python -m bench coverage_fuzz --minutes 60` divides the time among the targets. Each target runs in a process of its
own. It begins with pieces of the demo's crawl and with the strings that the growth test attacks every pattern with. An
exception, an input that takes seconds, or a growing memory ends the target. Then the input is printed in base64, and
`python -m bench.coverage_fuzz TARGET FILE` runs the target on that input alone.
"""

import base64
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

LONGEST = 8192  # bytes of an input: short ones find more code a second, and length has tests of its own
SLOW_SECONDS = 10  # wall-clock time of one input, a thousand times what one of this length takes
MOST_MEMORY = 2000  # MB
Target = Callable[[bytes], object]


def load_records_target() -> Target:
    """Return the reader of crawl files."""
    from pipeline.warc.reader import NotACrawlFile, read_crawl_records

    def read_records(data: bytes) -> None:
        try:
            for _ in read_crawl_records(io.BytesIO(data)):
                pass
        except NotACrawlFile:
            pass

    return read_records


def load_response_target() -> Target:
    """Return HTTP's parser, the search for a type and the decoding of a body."""
    from tests.pipeline.test_growth import read_response

    return read_response


def load_url_target() -> Target:
    """Return what is done with an address: its canonical form, its domain, its topic, the lists."""
    from pipeline.url.canonical import canonical_url, url_domain
    from pipeline.url.filter import UrlFilter, UrlRules
    from pipeline.url.topic_by_address import find_topic

    urls = UrlFilter(UrlRules())

    def read_address(data: bytes) -> None:
        url = data.decode("utf-8", "replace")
        canonical = canonical_url(url)
        if canonical_url(canonical) != canonical:
            raise AssertionError(f"the canonical form changes again: {canonical!r}")
        url_domain(url), find_topic(url), urls.reject(url)

    return read_address


def load_html_target() -> Target:
    """Return the engine gristmill and the metadata of a page."""
    from pipeline.html.main_content.classifier import extract_main_content, load_main_content_model
    from pipeline.html.metadata import extract_metadata

    model = load_main_content_model()

    def extract(data: bytes) -> None:
        html = data.decode("utf-8", "replace")
        for markdown in (False, True):
            extract_main_content(html, "https://example.org/", 0.5, True, markdown, model).encode()
        extract_metadata(html, "https://example.org/")

    return extract


def load_text_target() -> Target:
    """Return what is done with a text: all filters, the masks of personal data, language, signatures."""
    from pipeline.filters.chain import RulesConfig, built_in_filters, check_filters, load_filters
    from pipeline.language.identify import LanguageModel
    from pipeline.text.invisible import clean_plain_text
    from pipeline.text.minhash import MinHashParams, sign_texts
    from pipeline.text.pii.mask import PiiConfig, mask_pii

    # each alone: the first one that rejects a text would end the others
    filters = [load_filters(RulesConfig(**{name: made()})) for name, made in built_in_filters().items()]
    language, pii, minhash = LanguageModel.load(), PiiConfig(phones=True), MinHashParams()

    def check_text(data: bytes) -> None:
        text = clean_plain_text(data.decode("utf-8", "replace"))
        language.identify([text])
        for chain in filters:
            check_filters(chain, text, "en")
        mask_pii(text, pii)
        sign_texts([text], minhash)

    return check_text


def load_page_target() -> Target:
    """Return all stages, one after the other, with an HTTP response as the page."""
    from bench.fuzz import FuzzCase, PageWay

    way = PageWay()
    return lambda data: way.take(FuzzCase(data[-1] if data else 0, "https://example.org/a", data[:-1]))


TARGETS: dict[str, Callable[[], Target]] = {
    "records": load_records_target,
    "response": load_response_target,
    "url": load_url_target,
    "html": load_html_target,
    "text": load_text_target,
    "page": load_page_target,
}


class FuzzResult(NamedTuple):
    """What the fuzzer printed at the end of a target, and what is wrong, with the input ("" for nothing)."""

    summary: str
    fault: str


def list_corpus(target: str) -> list[bytes]:
    """Return what a target begins with: pieces of the demo's crawl in the target's own form."""
    from bench.fuzz import list_seeds

    seeds = list_seeds()[:60]
    if target == "url":
        return [url.encode() for url, _ in seeds]
    if target == "records":
        head = "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {}\r\nContent-Length: {}\r\n\r\n"
        return [head.format(url, len(block)).encode() + block + b"\r\n\r\n" for url, block in seeds]
    if target in ("response", "page"):
        return [block for _, block in seeds]
    bodies = [block.partition(b"\r\n\r\n")[2] for _, block in seeds]
    return bodies if target == "html" else [re.sub(rb"<[^>]*>", b"", body) for body in bodies]


def write_dictionary(path: Path) -> None:
    """Write the strings of the growth test in the form of libFuzzer's dictionaries."""
    from bench.fuzz import TOKENS

    tokens = [token.encode() for token in TOKENS if 0 < len(token.encode()) < 64]
    path.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n' for token in tokens))


def fuzz_target(target: str, seconds: float = 0, runs: int = 0, slow: int = SLOW_SECONDS) -> FuzzResult:
    """Fuzz one target in a process of its own, for a time or for a number of inputs; the same seed each time.

    An input is a fault too if it takes `slow` seconds of wall-clock time.
    """
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, data in enumerate(list_corpus(target)):
            (corpus / f"{number:03}").write_bytes(data[:LONGEST])
        write_dictionary(Path(folder, "dictionary"))
        limits = [f"-max_total_time={seconds:.0f}"] if seconds else [f"-runs={runs}"]
        options = [f"-max_len={LONGEST}", f"-timeout={slow}", f"-rss_limit_mb={MOST_MEMORY}", "-seed=1"]
        files = [f"-dict={folder}/dictionary", f"-artifact_prefix={folder}/fault-", str(corpus)]
        command = [sys.executable, "-m", "bench.coverage_fuzz", target, *limits, *options, *files]
        env = {**os.environ, "PYTHONHASHSEED": "0"}  # the same inputs each time
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        printed = done.stdout.decode("utf-8", "replace")
        summary = " ".join(re.findall(r"^#\d+\s+DONE.*", printed, re.MULTILINE))
        if not done.returncode:
            return FuzzResult(summary, "")
        inputs = [base64.b64encode(path.read_bytes()).decode() for path in sorted(Path(folder).glob("fault-*"))]
        fault = f"exit {done.returncode}: {printed[-3000:]}\ninput, in base64: {' '.join(inputs) or 'none'}"
        return FuzzResult(summary, fault)


def run_atheris(target: str, options: list[str]) -> None:
    """Run atheris on a target in this process, with coverage of our modules; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["pipeline"]):
        function = TARGETS[target]()
    atheris.Setup([target, *options], function)
    atheris.Fuzz()


def run(crawl: str, minutes: float = 6.0) -> None:
    """Fuzz all targets for some minutes together; print what each did and what is wrong."""
    for target in TARGETS:
        result = fuzz_target(target, seconds=60 * minutes / len(TARGETS))
        print(f"{target:10} {' '.join(result.summary.split())} {result.fault or 'no fault'}", flush=True)


if __name__ == "__main__":
    run_atheris(sys.argv[1], sys.argv[2:])
