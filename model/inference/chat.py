"""A conversation with a fine-tuned model on the terminal."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from model.config import TrainerError
from model.finetuning.examples import encode_prompt
from model.inference.sample import SamplingOptions, generate_tokens
from model.run_folder import TrainedRun
from model.tokenizer import find_separator_id


def chat_with_user(
    run: TrainedRun,
    options: SamplingOptions,
    tokens: int,
    read: Callable[[str], str] = input,
) -> None:
    """Answer the user's lines until the input ends or is empty. An answer has at most `tokens` tokens.

    The model sees the whole conversation, as far as its context reaches. Raises TrainerError for a run that is not
    fine-tuned, for arguments that cannot be used, and for a character without a token.
    """
    if run.config.task == "pretrain":
        raise TrainerError("chat: this run is not fine-tuned (task: sft or dpo); use `sample`")
    options.check()
    history: list[int] = []
    for turn, text in enumerate(read_lines(read)):
        history += encode_prompt(run.tokenizer, text, "input", is_first=turn == 0)
        for piece, token in stream_answer(run, history, replace(options, seed=options.seed + turn), tokens):
            print(piece, end="", flush=True)
            history.append(token)
        print(flush=True)
        separator = find_separator_id(run.tokenizer)
        if separator is not None and history[-1] != separator:  # the answer was cut
            history.append(separator)


def read_lines(read: Callable[[str], str]) -> Iterator[str]:
    """Yield the user's lines up to an empty one or the end of the input."""
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            line = read(prompt).strip()
        except EOFError:
            return
        if not line:
            return
        yield line


def stream_answer(
    run: TrainedRun, history: list[int], options: SamplingOptions, tokens: int
) -> Iterator[tuple[str, int]]:
    """Yield the answer's tokens, each with the text that it completes; half a character waits for its other half."""
    separator, shown = find_separator_id(run.tokenizer), ""
    made: list[int] = []
    for token in generate_tokens(run.model, list(history), options):
        if token == separator or len(made) == tokens:
            return
        made.append(token)
        text = run.tokenizer.decode(made, skip_special_tokens=False)
        piece = "" if text.endswith("\ufffd") else text[len(shown) :]
        shown += piece
        yield piece, token
