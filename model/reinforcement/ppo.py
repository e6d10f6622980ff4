"""PPO: a policy learns to write answers that a reward model likes, without going far from the initial model.

A step, as in Ziegler et al. 2019 and Ouyang et al. 2022:

1. The policy answers a batch of prompts (`generate_answers`).
2. The reward model scores the answers. Every token also loses `kl_coefficient` times its log-probability ratio to the
   initial model, a sample of the KL divergence (`Rollout`).
3. Advantages say how much better each token was than the value head expected (`estimate_advantages`; GAE, Schulman et
   al. 2016).
4. A few epochs of updates raise the probability of tokens with positive advantages, as long as it has changed by less
   than the clip (`compute_ppo_loss`; Schulman et al. 2017).

A step is a function of the weights, the config and its number, as in every run. So it resumes to the last bit.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model.config import PPOConfig, TrainerConfig, TrainerError
from model.finetuning.examples import ExampleDataset, pad_examples
from model.gpt import GPT, IGNORE, KeyValueCache
from model.hardware import autocast_bf16
from model.optimizer import learning_rate_scale, set_learning_rate
from model.reinforcement.actor_critic import ActorCritic
from model.reinforcement.reward_model import find_last_targets
from model.run_folder import LogLine, load_reward_run
from model.train import Trainer
from model.training_log import plot_rewards


@dataclass(frozen=True)
class Answers:
    """Prompts with their answers, as rows padded at the end: B rows of T tokens."""

    tokens: Tensor  # (B, T): the prompt, then the answer without its last token
    targets: Tensor  # (B, T): for each token the next one where that is of the answer, else IGNORE
    texts: Tensor  # (B, T + 1): the prompt, then the answer without the separator that ends it
    marks: Tensor  # (B, T + 1): 0 at the last token of each text, else IGNORE; a reward model reads it there


@dataclass(frozen=True)
class Rollout:
    """Answers with what PPO learns from; all tables are (B, T), and 0 outside of the answers."""

    answers: Answers
    logs: Tensor  # log-probability of each token of the answers when it was drawn
    values: Tensor  # what the value head expected
    rewards: Tensor  # of each token: minus the KL penalty, and at an answer's end the reward model's reward
    scores: Tensor  # (B,): the reward model's rewards
    divergence: Tensor  # (B,): the log-probability ratio to the initial model, in nats an answer


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


def estimate_advantages(rewards: Tensor, values: Tensor, is_answer: Tensor, decay: float) -> Tensor:
    """Return the advantages (B, T) of the tokens of answers by GAE without discount (Schulman et al. 2016).

    The advantage of a token is the sum over it and the following ones of decay^distance times the surprise: the reward
    of the token, plus the value after it, minus the value before it. All arguments are (B, T).
    """
    advantages, following, value_after = torch.zeros_like(rewards), torch.zeros_like(rewards[:, 0]), 0.0
    for t in reversed(range(rewards.size(1))):
        surprise = rewards[:, t] + value_after - values[:, t]
        following = torch.where(is_answer[:, t], surprise + decay * following, 0.0)
        advantages[:, t] = following
        value_after = torch.where(is_answer[:, t], values[:, t], 0.0)
    return advantages


def compute_ppo_loss(
    logs: Tensor, values: Tensor, old_logs: Tensor, advantages: Tensor, returns: Tensor, config: PPOConfig
) -> Tensor:
    """Return the loss of tokens (N,): clipped objective (Schulman et al. 2017, equation 7) and value error, summed."""
    ratio = (logs - old_logs).exp()
    clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
    policy = -torch.minimum(ratio * advantages, clipped * advantages)
    return (policy + config.value_coefficient * (values - returns).square() / 2).sum()


class PPOTrainer(Trainer):
    """The loop of `Trainer` with PPO's step. `batch_size` answers are an update; a step has several."""

    model: ActorCritic
    data: ExampleDataset

    def __init__(self, config: TrainerConfig, data: ExampleDataset, *others: object) -> None:
        super().__init__(config, data, *others)  # type: ignore[arg-type]
        if self.group.size > 1:
            raise TrainerError("task: ppo runs in one process; start it without torchrun")
        assert config.ppo.reward_model is not None and self.reference is not None  # check_combinations
        self.reward_model = self.open_reward_model(config.ppo.reward_model)
        self.gold_model = self.open_reward_model(config.ppo.gold_model) if config.ppo.gold_model else None

    def open_reward_model(self, folder: str) -> GPT:
        """Return the model of a reward model's run. Raises TrainerError if it has another tokenizer."""
        run = load_reward_run(Path(folder), self.device.type)
        if run.tokenizer.to_str() != self.data.tokenizer.to_str():
            raise TrainerError(f"ppo.reward_model: {folder} has another tokenizer than {self.config.init_from}")
        if run.config.model.context < self.config.model.context:
            raise TrainerError(f"ppo.reward_model: {folder} has a shorter context; set model.context to its")
        return run.model.requires_grad_(False)

    def train_step(self) -> LogLine:
        """Do one step and return the start of its log line. Raises TrainerError if the loss is not finite."""
        config, ppo = self.config, self.config.ppo
        rate = config.optimizer.learning_rate * learning_rate_scale(self.schedule_position(), config.schedule)
        set_learning_rate(self.optimizers, rate)
        torch.manual_seed((config.seed << 32) + self.step)  # for the order of updates
        start = time.monotonic()
        prompts = list_prompts(*self.wait_for_batch())
        waited = time.monotonic() - start
        rollout = self.collect_rollout(prompts, self.step)
        advantages, returns = self.prepare_targets(rollout)
        losses, norms = [], []
        for _ in range(ppo.epochs):
            for rows in torch.randperm(len(prompts)).split(config.batch_size):
                loss, norm = self.update_policy(rollout, advantages, returns, rows)
                losses.append(loss)
                norms.append(norm)
        self.step, self.tokens = self.step + 1, self.tokens + rollout.answers.tokens.numel()
        line = {"step": self.step, "loss": sum(losses) / len(losses), "gradient_norm": sum(norms) / len(norms)}
        line |= {"learning_rate": rate, "reward": rollout.scores.mean().item()}
        return line | {"kl": rollout.divergence.mean().item(), "waited": round(waited, 6)}

    @torch.no_grad()
    def collect_rollout(self, prompts: list[list[int]], seed: int) -> Rollout:
        """Return the policy's answers to prompts and all that is learned from them; a seed gives the same answers."""
        assert self.reference is not None
        ppo, policy = self.config.ppo, self.model.eval()
        draw = torch.Generator().manual_seed((self.config.seed << 32) + seed)
        answers = generate_answers(policy, prompts, ppo.answer_tokens, draw)
        logs, ratios = measure_answers(policy, self.reference, answers)
        with autocast_bf16(self.device):
            _, values = policy.compute_logits_and_values(answers.tokens.to(self.device))
        targets = answers.targets.to(self.device)
        scores = score_answers(self.reward_model, answers)
        rewards = -ppo.kl_coefficient * ratios
        rewards.scatter_add_(1, find_last_targets(targets)[:, None], scores[:, None])
        self.model.train()
        return Rollout(answers, logs, torch.where(targets != IGNORE, values, 0.0), rewards, scores, ratios.sum(1))

    def prepare_targets(self, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """Return the advantages, with mean 0 and variance 1 over all tokens, and the returns; (B, T) each."""
        is_answer = rollout.answers.targets.to(self.device) != IGNORE
        advantages = estimate_advantages(rollout.rewards, rollout.values, is_answer, self.config.ppo.gae_lambda)
        mean, deviation = advantages[is_answer].mean(), advantages[is_answer].std(correction=0)
        return (advantages - mean) / (deviation + 1e-8), advantages + rollout.values

    def update_policy(self, rollout: Rollout, advantages: Tensor, returns: Tensor, rows: Tensor) -> tuple[float, float]:
        """Update the weights by some rows of a rollout; return the mean loss of a token, and the gradient's norm."""
        tokens, targets = (part[rows].to(self.device) for part in (rollout.answers.tokens, rollout.answers.targets))
        with autocast_bf16(self.device):
            logits, values = self.model.compute_logits_and_values(tokens)
        chosen = targets != IGNORE
        logs, table = gather_log_probabilities(logits, targets), rows.to(self.device)
        old_logs, advantages, returns = (part[table][chosen] for part in (rollout.logs, advantages, returns))
        loss = compute_ppo_loss(logs[chosen], values[chosen], old_logs, advantages, returns, self.config.ppo)
        loss = loss / max(1, int(chosen.sum()))
        loss.backward()  # type: ignore[no-untyped-call]
        limit = self.config.optimizer.gradient_clip or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            raise TrainerError(f"step {self.step + 1}: the loss is {loss.item()}; set a lower learning rate")
        for optimizer in self.optimizers:
            optimizer.step()
        self.model.zero_grad()
        return loss.item(), norm.item()

    def evaluate(self) -> LogLine:
        """Return the mean reward and KL divergence (nats) of answers to the validation prompts."""
        assert self.reference is not None
        return evaluate_policy(self.model, self.reference, self.data, self.config, self.reward_model, self.gold_model)

    def plot_log(self, lines: list[LogLine]) -> None:
        """Draw the rewards over the distance from the initial model."""
        for name in ("reward.png", "reward.svg"):
            plot_rewards(lines, self.folder / name)


def list_prompts(tokens: Tensor, targets: Tensor) -> list[list[int]]:
    """Return the prompts of padded rows (B, T); padding has no target."""
    return [row[mask].tolist() for row, mask in zip(tokens, targets != IGNORE, strict=True)]


def evaluate_policy(
    policy: GPT,
    reference: GPT,
    data: ExampleDataset,
    config: TrainerConfig,
    reward_model: GPT,
    gold_model: GPT | None = None,
) -> LogLine:
    """Return the mean reward, KL divergence to the reference (nats an answer) and gold reward on validation prompts.

    The answers are drawn with the config's seed, so that policies are compared with the same luck.
    """
    was_training, draw = policy.training, torch.Generator().manual_seed(config.seed)
    policy.eval()
    rewards, distances, golds = [], [], []
    for start in range(0, len(data.validation), config.batch_size):
        prompts = list_prompts(*pad_examples(data.validation[start : start + config.batch_size], 0))
        answers = generate_answers(policy, prompts, config.ppo.answer_tokens, draw)
        rewards += score_answers(reward_model, answers).tolist()
        distances += measure_answers(policy, reference, answers)[1].sum(1).tolist()
        if gold_model is not None:
            golds += score_answers(gold_model, answers).tolist()
    policy.train(was_training)
    count = len(rewards)
    line = {"validation_reward": sum(rewards) / count, "validation_kl": sum(distances) / count}
    return line | ({"validation_gold_reward": sum(golds) / count} if golds else {})
