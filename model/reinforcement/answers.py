"""Answers that a policy draws to prompts: their text, their reward, and their distance from the initial model."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from model.baselines import build_model
from model.checkpoint import load_weights
from model.config import TrainerConfig, TrainerError
from model.finetuning.examples import ExampleDataset, open_examples, pad_examples
from model.gpt import GPT, IGNORE, KeyValueCache
from model.hardware import autocast_bf16
from model.run_folder import INITIAL, TrainedRun, load_reward_run


@dataclass(frozen=True)
class Answers:
    """Prompts with their answers, as rows padded at the end: B rows of T tokens."""

    tokens: Tensor  # (B, T): the prompt, then the answer without its last token
    targets: Tensor  # (B, T): for each token the next one where that is of the answer, else IGNORE
    texts: Tensor  # (B, T + 1): the prompt, then the answer without the separator that ends it
    marks: Tensor  # (B, T + 1): 0 at the last token of each text, else IGNORE; a reward model reads it there


@torch.no_grad()
def generate_answers(model: GPT, prompts: list[list[int]], count: int, draw: torch.Generator) -> Answers:
    """Return an answer of at most `count` tokens to each prompt, drawn at temperature 1.

    All rows go through the model together, a token at a time after the shortest prompt; a row whose prompt is longer
    takes its own next token.
    """
    device, longest = next(model.parameters()).device, max(map(len, prompts))
    end = longest + count
    table = torch.full((len(prompts), end), -1)
    for row, prompt in enumerate(prompts):
        table[row, : len(prompt)] = torch.tensor(prompt)
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    cache, done = KeyValueCache(), torch.zeros(len(prompts), dtype=torch.bool)
    start = int(lengths.min())
    new = table[:, :start]
    for position in range(start, end):
        with autocast_bf16(device):
            logits = model(new.to(device), cache=cache)[:, -1, : model.vocabulary]  # (B, V)
        drawn = torch.multinomial(logits.float().softmax(-1).cpu(), 1, generator=draw)[:, 0]
        may_write = (table[:, position] < 0) & ~done & (position < lengths + count)
        table[:, position] = torch.where(may_write, drawn, table[:, position])
        done |= (may_write & (drawn == model.separator)) | (position + 1 >= lengths + count)
        new = table[:, position : position + 1].clamp(min=0)
        if bool(done.all()):
            break
    return pack_answers(table, lengths, model.separator)


def pack_answers(table: Tensor, lengths: Tensor, separator: int | None) -> Answers:
    """Return rows of prompts of `lengths` (B,) and their answers, -1 where a row has ended (B, N), as Answers."""
    used = (table >= 0).sum(1)  # (B,)
    table = table[:, : int(used.max())]
    index = torch.arange(table.size(1))
    is_answer = (index >= lengths[:, None]) & (index < used[:, None])
    targets = torch.where(is_answer, table, IGNORE)[:, 1:]
    rows = torch.arange(len(table))
    has_end = (table[rows, used - 1] == separator) & (used > lengths) if separator is not None else used < 0
    last = used - 1 - has_end.long()
    marks = torch.where(index == last[:, None], 0, IGNORE)
    texts = torch.where(index <= last[:, None], table, 0)
    return Answers(table[:, :-1].clamp(min=0), targets, texts, marks)


def gather_log_probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the log-probability (B, T) of each target under logits (B, T, V); 0 where there is none."""
    chosen = logits.gather(2, targets.clamp(min=0)[..., None])[..., 0]
    return torch.where(targets != IGNORE, chosen - logits.logsumexp(-1), 0.0)


@torch.no_grad()
def measure_answers(policy: GPT, reference: GPT, answers: Answers) -> tuple[Tensor, Tensor]:
    """Return the answers' log-probabilities (B, T) under the policy, and their ratio to the reference's."""
    device = next(policy.parameters()).device
    tokens, targets = answers.tokens.to(device), answers.targets.to(device)
    with autocast_bf16(device):
        mine, theirs = (gather_log_probabilities(model(tokens), targets) for model in (policy, reference))
    return mine, mine - theirs


@torch.no_grad()
def score_answers(reward_model: GPT, answers: Answers) -> Tensor:
    """Return the reward model's rewards (B,) of answers."""
    device = next(reward_model.parameters()).device
    with autocast_bf16(device):
        rewards: Tensor = reward_model(answers.texts.to(device), answers.marks.to(device))
    return rewards


def list_prompts(tokens: Tensor, targets: Tensor) -> list[list[int]]:
    """Return the prompts of padded rows (B, T); padding has no target."""
    return [row[mask].tolist() for row, mask in zip(tokens, targets != IGNORE, strict=True)]


@dataclass(frozen=True)
class PolicyScore:
    """How a policy answers the validation prompts."""

    rewards: list[float]  # mean reward of an answer by each reward model
    kl: float  # mean log-probability ratio of an answer to the reference, in nats: the KL divergence
    prompts: int


def evaluate_policy(
    policy: GPT, reference: GPT, data: ExampleDataset, config: TrainerConfig, reward_models: list[GPT]
) -> PolicyScore:
    """Return the score of answers to the validation prompts.

    They are drawn with the config's seed, so that policies are compared with the same luck.
    """
    was_training, draw = policy.training, torch.Generator().manual_seed(config.seed)
    policy.eval()
    rewards, ratios = [], []
    for start in range(0, len(data.validation), config.batch_size):
        prompts = list_prompts(*pad_examples(data.validation[start : start + config.batch_size], 0))
        answers = generate_answers(policy, prompts, config.ppo.answer_tokens, draw)
        rewards.append(torch.stack([score_answers(model, answers) for model in reward_models]))
        ratios.append(measure_answers(policy, reference, answers)[1].sum(1))
    policy.train(was_training)
    return PolicyScore(torch.cat(rewards, 1).mean(1).tolist(), torch.cat(ratios).mean().item(), len(data.validation))


def load_reward_model(folder: str, policy: TrainerConfig, tokenizer: Tokenizer, device: torch.device) -> GPT:
    """Return the model of a reward model's run. Raises TrainerError if it cannot read the policy's texts."""
    run = load_reward_run(Path(folder), device.type)
    if run.tokenizer.to_str() != tokenizer.to_str():
        raise TrainerError(f"{folder}: this reward model has another tokenizer than the policy")
    if run.config.model.context < policy.model.context:
        raise TrainerError(f"{folder}: this reward model has a shorter context; set model.context to its")
    return run.model.requires_grad_(False)


def score_policy_run(run: TrainedRun, folder: Path, reward_runs: list[str]) -> tuple[PolicyScore, PolicyScore]:
    """Return the scores of a run's policy and of the model that it started with, on the run's validation prompts.

    Raises TrainerError for a run that did not start from another, or whose data has no prompts.
    """
    if not (folder / INITIAL).is_file() or run.config.task == "pretrain":
        raise TrainerError(f"{folder}: --reward compares a fine-tuned run (sft, dpo, ppo) with its initial model")
    config = replace(run.config, task="ppo", tokenizer=str(folder / "tokenizer.json"))
    data = open_examples(config)
    reference = build_model(config.model, run.tokenizer.get_vocab_size(), run.model.separator).to(run.device).eval()
    load_weights(folder / INITIAL, reference, ignore_heads=True)
    models = [load_reward_model(name, config, run.tokenizer, run.device) for name in reward_runs]
    mine, theirs = (evaluate_policy(policy, reference, data, config, models) for policy in (run.model, reference))
    return mine, theirs
