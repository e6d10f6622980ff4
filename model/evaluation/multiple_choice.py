"""Accuracy on evaluation sets: questions with choices, and texts whose last word is to be predicted.

A question is scored in two ways. By cloze, each choice follows the question as text, and the most likely one is the
answer (the continuation way of HELM and of lm-eval's `mmlu_continuation`, `arc_easy`, `piqa`). By letter, the choices
are listed as A, B, C, D before "Answer:", and the most likely letter is the answer (the way of Hendrycks et al. 2021,
MMLU). Small models know no letters: their letter accuracy is near chance while their cloze accuracy is not.
`question_forms.py` has the prompts.

As in lm-eval, no separator stands before a question, all examples are zero-shot, and a text that is too long loses its
beginning.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from model.evaluation.question_forms import LETTERS, Question, read_questions
from model.gpt import GPT
from model.hardware import autocast_bf16
from model.run_folder import TrainedRun
from model.tokenizer import encode_texts

TOKENS_AT_ONCE = 16_384  # in one forward pass


class Continuation(NamedTuple):
    """Tokens that follow others: what is to be scored."""

    before: list[int]
    tokens: list[int]


class ContinuationScore(NamedTuple):
    """The log-likelihood of a continuation in nats, and whether each of its tokens is the most likely one."""

    log_likelihood: float
    is_greedy: bool


@dataclass(frozen=True)
class Accuracy:
    """A fraction of right answers, its standard error, and the fraction that chance gives."""

    value: float
    standard_error: float
    chance: float

    @property
    def centered(self) -> float:
        """The accuracy with chance as 0 and perfect answers as 1 (CORE, Li et al. 2024, DCLM)."""
        return (self.value - self.chance) / (1 - self.chance)


@dataclass(frozen=True)
class SetResult:
    """The result of one evaluation set."""

    items: int
    cloze: Accuracy  # for texts without choices: the last word is predicted exactly
    cloze_by_byte: Accuracy | None  # with the log-likelihood divided by the choice's bytes
    letter: Accuracy | None
    perplexity: float | None  # of the last words of texts without choices


def evaluate_sets(run: TrainedRun, paths: list[Path], limit: int | None = None, seed: int = 0) -> dict[str, SetResult]:
    """Return the result of each set, by its file's name. With `limit`, a seeded sample of so many items is scored.

    Raises TrainerError for a set without questions, and OSError.
    """
    results = {}
    for path in paths:
        questions = read_questions(path)
        if limit is not None and limit < len(questions):
            questions = random.Random(seed).sample(questions, limit)
        results[path.name] = evaluate_questions(run, questions, path.name)
    return results


def evaluate_questions(run: TrainedRun, questions: list[Question], name: str) -> SetResult:
    """Return the result for a set's questions, which all have choices or all have none."""
    cloze = score_texts(run, [(q.cloze, f" {choice}") for q in questions for choice in q.choices], name)
    if len(cloze) == len(questions):
        return summarize_last_words(cloze)
    letters = [(letter_prompt(q), f" {LETTERS[i]}") for q in questions for i in range(len(q.choices))]
    by_letter = [score.log_likelihood for score in score_texts(run, letters, name)]
    by_cloze = [score.log_likelihood for score in cloze]
    sizes = [len(choice.encode()) for question in questions for choice in question.choices]
    by_byte = [score / max(1, size) for score, size in zip(by_cloze, sizes, strict=True)]
    chance = float(np.mean([1 / len(question.choices) for question in questions]))
    cloze_accuracy, byte_accuracy, letter_accuracy = (
        measure_accuracy(find_right_answers(questions, scores), chance) for scores in (by_cloze, by_byte, by_letter)
    )
    return SetResult(len(questions), cloze_accuracy, byte_accuracy, letter_accuracy, None)


def summarize_last_words(scores: list[ContinuationScore]) -> SetResult:
    """Return the result for texts without choices, by the scores of their last words."""
    accuracy = measure_accuracy([score.is_greedy for score in scores], 0.0)
    perplexity = math.exp(-np.mean([score.log_likelihood for score in scores]))
    return SetResult(len(scores), accuracy, None, None, perplexity)


def letter_prompt(question: Question) -> str:
    """Return MMLU's prompt: the subject, the question, the choices with their letters, and "Answer:"."""
    head = f"The following are multiple choice questions (with answers) about {question.subject}."
    choices = [f"{letter}. {choice}" for letter, choice in zip(LETTERS, question.choices, strict=False)]
    return "\n".join([head, "", question.text.removeprefix("Question: "), *choices, "Answer:"])


def find_right_answers(questions: list[Question], scores: list[float]) -> list[bool]:
    """Return for each question whether its answer has the highest score; `scores` has all choices in turn."""
    right, start = [], 0
    for question in questions:
        mine = scores[start : start + len(question.choices)]
        right.append(mine.index(max(mine)) == question.answer)
        start += len(question.choices)
    return right


def measure_accuracy(right: list[bool], chance: float) -> Accuracy:
    """Return the accuracy; its standard error is that of a mean of n values (with n - 1, as in lm-eval)."""
    value = sum(right) / len(right)
    return Accuracy(value, math.sqrt(value * (1 - value) / max(1, len(right) - 1)), chance)


def score_texts(run: TrainedRun, pairs: list[tuple[str, str]], name: str) -> list[ContinuationScore]:
    """Return the scores of (text before, continuation) pairs. Raises TrainerError for a character without a token.

    The tokens of a continuation are those that the text before it lacks when both are encoded together. Spaces at the
    end of the text before it belong to the continuation.
    """
    before = encode_texts(run.tokenizer, [first.rstrip() for first, _ in pairs], name)
    whole = encode_texts(run.tokenizer, [first + second for first, second in pairs], name)
    parts = []
    for start, ids in zip(before, whole, strict=True):
        cut = min(max(1, len(start)), len(ids) - 1)  # at least one token on either side
        parts.append(Continuation(ids[:cut], ids[cut:]))
    return score_continuations(run.model, parts)


@torch.no_grad()
def score_continuations(model: GPT, parts: Sequence[Continuation]) -> list[ContinuationScore]:
    """Return the score of each continuation. Those with equal inputs (letters after one prompt) share a row.

    An input longer than the context loses its beginning.
    """
    context, device = model.config.context, next(model.parameters()).device
    by_input: dict[tuple[int, ...], list[int]] = {}
    for number, part in enumerate(parts):
        by_input.setdefault(tuple((part.before + part.tokens)[:-1][-context:]), []).append(number)
    inputs = sorted(by_input, key=len)
    scores: dict[int, ContinuationScore] = {}
    start = 0
    while start < len(inputs):
        rows = max(1, TOKENS_AT_ONCE // len(inputs[min(start + 255, len(inputs) - 1)]))
        batch = inputs[start : start + min(rows, 256)]
        tokens = torch.zeros(len(batch), len(batch[-1]), dtype=torch.long)
        for row, ids in enumerate(batch):
            tokens[row, : len(ids)] = torch.tensor(ids)
        with autocast_bf16(device):
            logits = model(tokens.to(device))  # (B, T, V)
        for row, ids in enumerate(batch):
            for number in by_input[ids]:
                targets = parts[number].tokens[-len(ids) :]
                scores[number] = score_targets(logits[row, len(ids) - len(targets) : len(ids)], targets)
        start += len(batch)
    return [scores[number] for number in range(len(parts))]


def score_targets(logits: torch.Tensor, targets: list[int]) -> ContinuationScore:
    """Return the score of targets (n) by the logits (n, V) at their places."""
    wanted = torch.tensor(targets, device=logits.device)
    log_likelihood = logits.float().log_softmax(-1).gather(1, wanted[:, None]).sum().item()
    return ContinuationScore(log_likelihood, bool((logits.argmax(-1) == wanted).all()))


def format_set_table(results: dict[str, SetResult]) -> str:
    """Return the results as a Markdown table, with the mean of the centered accuracies as its last line."""
    lines = [
        "| set | items | cloze | cloze by byte | letter | letter - cloze | chance | centered | perplexity |",
        "|---|" + "---|" * 8,
    ]
    for name, result in results.items():
        cells = [show_accuracy(part) for part in (result.cloze, result.cloze_by_byte, result.letter)]
        difference = f"{100 * (result.letter.value - result.cloze.value):+.1f}" if result.letter else ""
        chance, centered = f"{100 * result.cloze.chance:.1f}", f"{result.cloze.centered:.3f}"
        perplexity = "" if result.perplexity is None else f"{result.perplexity:.2f}"
        lines.append(f"| {' | '.join([name, f'{result.items:,}', *cells, difference, chance, centered, perplexity])} |")
    mean = sum(result.cloze.centered for result in results.values()) / len(results)
    lines.append(f"mean of the centered cloze accuracies (as in CORE): {mean:.4f}")
    return "\n".join(lines)


def show_accuracy(accuracy: Accuracy | None) -> str:
    """Return an accuracy and its standard error in percent."""
    return "" if accuracy is None else f"{100 * accuracy.value:.1f} ± {100 * accuracy.standard_error:.1f}"
