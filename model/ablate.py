"""Which corpus trains the better model? The same small GPT on each, with equal tokens and several seeds.

output: out/ablation
arms: {raw: out-raw, filtered: out-filtered}
texts: [wikitext.txt, novel.txt]
train: {steps: 2000, model: {depth: 4}}
"""

import json
from contextlib import closing
from dataclasses import field
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from model import config as configs
from model import run as runs
from model.config import STRICT, TrainerError
from model.data import open_corpus
from model.evaluate import evaluate_texts
from model.tokens import write_atomically
from model.train import train

MOST_EPOCHS = 4.0  # repeated more often, tokens are worth less (Muennighoff et al. 2023)


@dataclass(frozen=True, config=STRICT)
class Ablation:
    """The study's keys."""

    output: str
    arms: dict[str, str]  # name -> data; the first is what the others are compared with
    texts: list[str]  # UTF-8 files outside of every arm
    tokenizer: str | None = None  # one for all; null: the first arm's
    seeds: Annotated[list[int], Field(min_length=1)] = field(default_factory=lambda: [0, 1, 2])
    train: dict[str, Any] = field(default_factory=dict)  # the trainer's keys but data, output, seed and tokenizer


def ablate(study: Ablation) -> str:
    """Train and score every arm with every seed; write results.json and return the table. What is done is not redone.

    Raises TrainerError for a study that compares nothing, and what training and evaluation raise.
    """
    if len(study.arms) < 2 or "steps" not in study.train:
        raise TrainerError("arms, train.steps: an ablation has at least two arms, and equal steps for all")
    refuse_own(study.train, ("data", "output", "seed", "tokenizer"))
    texts = [Path(text) for text in study.texts]
    if not texts or not all(text.is_file() for text in texts):
        raise TrainerError(f"texts: give files that exist, not {study.texts}")
    tokenizer = study.tokenizer or str(Path(next(iter(study.arms.values()))) / "tokenizer" / "tokenizer.json")
    results: dict[str, Any] = {}
    for name, data in study.arms.items():
        scores, files, tokens = [], [], 0
        for seed in study.seeds:
            own = {"data": data, "output": f"{study.output}/{name}-{seed}", "seed": seed, "tokenizer": tokenizer}
            config = configs.build({**study.train, **own})
            score = evaluate_texts(runs.load(train(config)), texts)
            scores.append(score["bits_per_byte"])
            files.append({path: file["bits_per_byte"] for path, file in score["files"].items()})
            tokens = runs.read_log(Path(config.output))[-1]["tokens"]
        with closing(open_corpus(config)) as corpus:
            available = corpus.train.size()
        results[name] = {
            "bits_per_byte": fmean(scores),
            "deviation": stdev(scores) if len(scores) > 1 else None,
            "seeds": dict(zip(map(str, study.seeds), scores, strict=True)),
            "files": {path: fmean(one[path] for one in files) for path in files[0]},
            "tokens": tokens,
            "epochs": tokens / available,
        }
    content = json.dumps({"texts": study.texts, "arms": results}, indent=1) + "\n"
    write_atomically(Path(study.output) / "results.json", lambda file: file.write(content.encode()))
    return table(results)


def refuse_own(train: dict[str, Any], own: tuple[str, ...]) -> None:
    """Raise TrainerError where the trainer's keys name one that the study sets by itself."""
    for key in own:
        if key in train:
            raise TrainerError(f"train.{key}: the study sets it; leave it out")


def table(results: dict[str, Any]) -> str:
    """Return the arms as a Markdown table, each beside the first: the difference, and over the seeds' deviation."""
    lines = ["| arm | bits per byte | difference | in sigma | epochs |", "|---|---|---|---|---|"]
    base = next(iter(results.values()))
    for name, arm in results.items():
        spread = "" if arm["deviation"] is None else f" ± {arm['deviation']:.4f}"
        difference, sigmas = arm["bits_per_byte"] - base["bits_per_byte"], ""
        if arm is not base and arm["deviation"] is not None:
            pooled = ((arm["deviation"] ** 2 + base["deviation"] ** 2) / 2) ** 0.5
            sigmas = f"{difference / pooled:+.1f}" if pooled else ""
        shown = "" if arm is base else f"{difference:+.4f}"
        much = " (too many to compare)" if arm["epochs"] > MOST_EPOCHS else ""
        line = f"| {name} | {arm['bits_per_byte']:.4f}{spread} | {shown} | {sigmas} | {arm['epochs']:.2f}{much} |"
        lines.append(line)
    return "\n".join(lines)
