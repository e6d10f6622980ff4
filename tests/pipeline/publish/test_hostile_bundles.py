"""A runner may run each part of the publish job more than once, at the same time or in part: no byte changes."""

import hashlib
import json
from pathlib import Path

from pipeline.config import build_config
from pipeline.io.schemas import DUPLICATE
from pipeline.publish.formats.finish_shards import finish_corpus
from pipeline.publish.job import publish_corpus
from pipeline.publish.tokenizer import make_tokenizer
from pipeline.runners.beam_options import beam_options
from pipeline.text.minhash import MinHashParams
from tests.pipeline.documents import document, write
from tests.pipeline.publish.test_extra_sources import text
from tests.pipeline.runners.hostile_bundles import hostile_bundles

QUESTION = "which of these wheels grinds the grain of the whole valley in a single day of autumn"


def publish_everything(root: Path):
    """Publish 60 pages in two shards with every stage of the job on. Returns the output and the result."""
    rows = [
        document(
            n,
            f"{text(n)} {QUESTION if n % 9 == 0 else ''} {text(n + 500)}",
            MinHashParams(),
            site=f"s{n // 3}.example",
            domain=("news", "code")[n % 2],
            scores={"quality": n / 60},
        )
        for n in range(60)
    ]
    output, names = write(root / "out", [rows[:35], rows[35:], []])
    with output.table_writer(DUPLICATE, "duplicates", f"{names[0]}.parquet") as writer:
        kept = {"kept_id": rows[3]["id"], "kept_shard": names[0], "kept_row": 3}
        writer.row({"id": rows[4]["id"], "kind": "near", "row": 4, **kept})
    given = root.parent  # the same files for every output: corpus/ has the names of its inputs
    (given / "target.jsonl").write_text("".join(json.dumps({"text": text(n)}) + "\n" for n in range(9)))
    (given / "quiz.jsonl").write_text(json.dumps({"question": QUESTION, "answer": "none of them"}))
    (given / "book.jsonl").write_text("".join(json.dumps({"text": text(n)}) + "\n" for n in (9000, 9001, 9002)))
    weights = {
        "domains": {"news": 2.5},
        "shares": {"domains": {"code": 0.4}},
        "max_pages_per_site": 2,
        "dsir": {"target": str(given / "target.jsonl"), "keep": 0.8},
    }
    publish = {"validation": 0.2, "anneal": 0.2, "extra_anneal_sources": {str(given / "book.jsonl"): 0.3}}
    publish |= {"format": "jsonl.zst", "tokens": "megatron"}
    contamination = {"sets": [str(given / "quiz.jsonl")], "action": "mask"}
    config = build_config(
        {
            "inputs": ["x"],
            "output": output.root,
            "weights": weights,
            "publish": publish,
            "decontaminate": contamination,
            "tokenizer": {"vocab_size": 400},
        }
    )
    options = beam_options(["--direct_running_mode=in_memory"], "publish")
    result = publish_corpus(output, config, names, options)
    make_tokenizer(output, config.tokenizer)
    result |= finish_corpus(output, config, options)
    return output, {key: value for key, value in result.items() if key != "added"}, [*result["added"].values()]


def digests(output) -> dict[str, str]:
    """Return a hash of the bytes of every file of an output."""
    files = [path for path in sorted(Path(output.root).rglob("*")) if path.is_file()]
    return {str(path.relative_to(output.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_attempts_that_die_overlap_or_come_again_change_no_byte(tmp_path):
    plain, *results = publish_everything(tmp_path / "plain")
    with hostile_bundles() as calls:
        hostile, *again = publish_everything(tmp_path / "hostile")
    assert again == results
    assert digests(hostile) == digests(plain)
    for name in (
        "read_candidates",
        "judge_site",
        "plan_page",
        "store_texts",
        "partition_shard",
        "gather_shard",
        "finish_shard",
    ):
        assert calls[name], f"{name} was not run"
