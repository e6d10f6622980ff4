"""PPO: a policy learns to write answers that a reward model likes, without going far from the initial model.

A step, as in Ziegler et al. 2019 and Ouyang et al. 2022:

1. The policy answers a batch of prompts (`generate_answers`).
2. The reward model scores the answers (`score_answers`). Every token also loses `kl_coefficient` times its
   log-probability ratio to the initial model, a sample of the KL divergence (`Rollout`).
3. Advantages say how much better each token was than the value head expected (`estimate_advantages`; GAE, Schulman et
   al. 2016).
4. A few epochs of updates raise the probability of tokens with positive advantages, as long as it has changed by less
   than the clip (`compute_ppo_loss`; Schulman et al. 2017).

A step is a function of the weights, the config and its number, as in every run. So it resumes to the last bit.
"""

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from model.config import PPOConfig, TrainerConfig, TrainerError
from model.finetuning.examples import ExampleDataset
from model.gpt import IGNORE
from model.hardware import autocast_bf16, seed_generators
from model.optimizer import learning_rate_scale, set_learning_rate
from model.reinforcement.actor_critic import ActorCritic
from model.reinforcement.answers import (
    Answers,
    evaluate_policy,
    gather_log_probabilities,
    generate_answers,
    list_prompts,
    load_reward_model,
    measure_answers,
    score_answers,
)
from model.reinforcement.reward_model import find_last_targets
from model.run_folder import LogLine
from model.train import Trainer
from model.training_log import plot_rewards


@dataclass(frozen=True)
class Rollout:
    """Answers with what PPO learns from; all tables are (B, T), and 0 outside of the answers."""

    answers: Answers
    logs: Tensor  # log-probability of each token of the answers when it was drawn
    values: Tensor  # what the value head expected
    rewards: Tensor  # of each token: minus the KL penalty, and at an answer's end the reward model's reward
    scores: Tensor  # (B,): the reward model's rewards
    divergence: Tensor  # (B,): the log-probability ratio to the initial model, in nats an answer


def estimate_advantages(rewards: Tensor, values: Tensor, is_answer: Tensor, decay: float) -> Tensor:
    """Return the advantages (B, T) of the tokens of answers by GAE without discount (Schulman et al. 2016).

    The advantage of a token is the sum over it and the following ones of decay^distance times the surprise: the reward
    of the token, plus the value after it, minus the value before it. All arguments are (B, T).
    """
    advantages, following = torch.zeros_like(rewards), torch.zeros_like(rewards[:, 0])
    value_after = torch.zeros_like(following)
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
        assert config.ppo.reward_model is not None  # check_combinations
        names = [config.ppo.reward_model, *([config.ppo.gold_model] if config.ppo.gold_model else [])]
        self.reward_models = [load_reward_model(name, config, data.tokenizer, self.device) for name in names]

    def train_step(self) -> LogLine:
        """Do one step and return the start of its log line. Raises TrainerError if the loss is not finite."""
        config, ppo = self.config, self.config.ppo
        rate = config.optimizer.learning_rate * learning_rate_scale(self.schedule_position(), config.schedule)
        set_learning_rate(self.optimizers, rate)
        seed_generators((config.seed << 32) + self.step, self.device)  # for the order of updates
        start = time.monotonic()
        prompts = list_prompts(*self.wait_for_batch())
        waited = time.monotonic() - start
        rollout = self.collect_rollout(prompts, self.step)
        advantages, returns = self.prepare_targets(rollout)
        losses, norms = [], []
        for _ in range(ppo.epochs):
            for rows in torch.split(torch.randperm(len(prompts)), config.batch_size):
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
        scores = score_answers(self.reward_models[0], answers)
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
        score = evaluate_policy(self.model, self.reference, self.data, self.config, self.reward_models)
        names = ("validation_reward", "validation_gold_reward")
        return dict(zip(names, score.rewards, strict=False)) | {"validation_kl": score.kl}

    def plot_log(self, lines: list[LogLine]) -> None:
        """Draw the rewards over the distance from the initial model."""
        for name in ("reward.png", "reward.svg"):
            plot_rewards(lines, self.folder / name)
