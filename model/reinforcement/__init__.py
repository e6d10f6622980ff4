"""Learning from preferences with a reward model: the reward model itself, and PPO.

`build_task_model` picks the network that a run trains.
"""

from model.baselines import build_model
from model.config import TrainerConfig
from model.gpt import GPT
from model.reinforcement.actor_critic import ActorCritic
from model.reinforcement.reward_model import RewardModel


def build_task_model(config: TrainerConfig, vocabulary: int, separator: int | None) -> GPT:
    """Return the network of a run: with a head for rewards or values if the task needs one."""
    kinds: dict[str, type[GPT]] = {"reward": RewardModel, "ppo": ActorCritic}
    if config.task in kinds:
        return kinds[config.task](config.model, vocabulary, separator)
    return build_model(config.model, vocabulary, separator)
