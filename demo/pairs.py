"""Preference pairs from the demo: what a reward model, DPO and PPO learn from.

    python -m demo.pairs demo/out/model demo/out/pairs.jsonl

The prompts are beginnings of the demo's English pages. The model of the demo answers each a few times, and a rule in
place of people chooses the best answer and the worst: the share of its words that are words of the pages and are new in
the answer. So the rule likes real words and dislikes repetition. A line is {"prompt", "chosen", "rejected"}.
"""

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import torch

from model.finetuning.examples import encode_prompt
from model.gpt import IGNORE
from model.reinforcement.answers import Answers, generate_answers
from model.run_folder import TrainedRun, load_trained_run

PROMPT_WORDS = 8
ANSWER_TOKENS = 24
ANSWERS = 6  # to each prompt
SMALLEST_MARGIN = 0.3  # between the scores of a pair
ROWS = 96  # answered together


def read_english_texts(corpus: Path) -> list[str]:
    """Return the texts of the English pages in a corpus's training set."""
    texts = []
    for path in sorted((corpus / "corpus/train").glob("*.parquet")):
        table = pq.read_table(path, columns=["text", "language"])
        texts += [row["text"] for row in table.to_pylist() if row["language"] == "en"]
    return texts


def list_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation around them."""
    return [word for part in text.lower().split() if (word := part.strip(".,;:!?()[]\"'*|-#"))]


def score_answer(answer: str, known: frozenset[str]) -> float:
    """Return the share of an answer's words that are known and occur for the first time in it; 0 without a word."""
    words = list_words(answer)
    return len(known & set(words)) / len(words) if words else 0.0


def choose_prompts(texts: list[str], seed: int) -> list[str]:
    """Return beginnings of lines of the texts, each once, in a seeded order."""
    lines = {line for text in texts for line in text.split("\n") if len(line.split()) > PROMPT_WORDS}
    prompts = sorted({" ".join(line.split()[:PROMPT_WORDS]) for line in lines})
    random.Random(seed).shuffle(prompts)
    return prompts


def decode_answers(run: TrainedRun, answers: Answers) -> list[str]:
    """Return the texts of answers."""
    rows = [row[row != IGNORE].tolist() for row in answers.targets]
    return [str(run.tokenizer.decode(row, skip_special_tokens=True)) for row in rows]


def make_pairs(run: TrainedRun, texts: list[str], seed: int) -> Iterator[dict[str, str]]:
    """Yield pairs, without end or up to the last prompt; a seed gives the same ones."""
    known = frozenset(word for text in texts for word in list_words(text))
    prompts, draw = choose_prompts(texts, seed), torch.Generator().manual_seed(seed)
    step = ROWS // ANSWERS
    for start in range(0, len(prompts), step):
        some = [prompt for prompt in prompts[start : start + step] for _ in range(ANSWERS)]
        encoded = [encode_prompt(run.tokenizer, prompt, "prompt") for prompt in some]
        answers = decode_answers(run, generate_answers(run.model, encoded, ANSWER_TOKENS, draw))
        for first in range(0, len(some), ANSWERS):
            ranked = sorted(answers[first : first + ANSWERS], key=lambda answer: score_answer(answer, known))
            margin = score_answer(ranked[-1], known) - score_answer(ranked[0], known)
            if margin >= SMALLEST_MARGIN and ranked[0].strip():
                yield {"prompt": some[first], "chosen": ranked[-1], "rejected": ranked[0]}


def main() -> None:
    """Write the pairs of the demo's model."""
    parser = argparse.ArgumentParser(prog="python -m demo.pairs", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="a run of the trainer, for example demo/out/model")
    parser.add_argument("output", type=Path, metavar="FILE.jsonl")
    parser.add_argument("--corpus", type=Path, default=Path("demo/out/corpus"), help="default: demo/out/corpus")
    parser.add_argument("--count", type=int, default=1000, help="pairs (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of prompts and answers (default: 0)")
    arguments = parser.parse_args()
    run = load_trained_run(arguments.run)
    pairs = make_pairs(run, read_english_texts(arguments.corpus), arguments.seed)
    with arguments.output.open("w", encoding="utf-8") as file:
        for _, pair in zip(range(arguments.count), pairs, strict=False):
            file.write(json.dumps(pair, ensure_ascii=False) + "\n")
    print(arguments.output)


if __name__ == "__main__":
    main()
