"""The keys of a training run, as typed dataclasses, and the presets.

A config is a YAML file of a few lines:

    data: out
    output: runs/first
    preset: llama
    steps: 2000

Every other key has a default. `config_reader.py` reads and checks the file.
"""

from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

JsonObject: TypeAlias = dict[str, Any]  # what a JSON or YAML file holds, before it is checked

FORBID_EXTRA_KEYS = ConfigDict(extra="forbid")

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class TrainerError(ValueError):
    """The user's input cannot be used. The message is one line: what, where, and what to do."""


@dataclass(frozen=True, config=FORBID_EXTRA_KEYS)
class RopeScaling:
    """Llama 3's change of RoPE for longer contexts: slow frequencies are divided by `factor`, fast ones stay."""

    factor: PositiveFloat
    low_frequency_factor: PositiveFloat  # waves longer than original_context divided by this are slow
    high_frequency_factor: PositiveFloat  # waves shorter than original_context divided by this are fast
    original_context: Positive


@dataclass(frozen=True, config=FORBID_EXTRA_KEYS)
class ModelConfig:
    """The network. `depth` is the main key: width and heads follow from it unless they are given."""

    # An lstm uses only depth, width, norm, residual, tied, softcap and dropout.
    block: Literal["transformer", "lstm"] = "transformer"
    depth: Annotated[int, Field(ge=0)] = 6  # number of blocks
    width: Positive | None = None  # features of the residual stream; null: 64 a block
    heads: Positive | None = None  # null: heads of 64 features
    key_value_heads: Positive | None = None  # each serves several heads (grouped-query attention); null: heads
    head_width: Positive | None = None  # features of a head; null: width / heads
    feed_forward_width: Positive | None = None  # null: 4 times the width; 8/3 for SwiGLU's three matrices
    vocabulary: Positive | None = None  # rows of the embedding; null: the tokenizer's size, up to a multiple of 64
    context: Annotated[int, Field(ge=2)] = 256  # tokens that the model sees at once
    position: Literal["rope", "learned", "none"] = "rope"
    norm: Literal["rms", "layer", "none"] = "rms"  # layer has a gain, and a bias if `bias` is true
    norm_gain: bool = False  # rms has a gain, too, as in Llama; also that of queries and keys
    norm_epsilon: PositiveFloat = 1e-6  # of all norms; the value of Llama and Qwen3
    activation: Literal["swiglu", "relu2", "gelu", "relu"] = "swiglu"
    qk_norm: bool = True  # RMSNorm of each head's queries and keys
    document_mask: bool = False  # no attention across documents that share a row
    residual: bool = True  # false only in the lecture's ladder, as is feed_forward: false
    feed_forward: bool = True
    tied: bool = False  # the output head shares the embedding's weights
    bias: bool = False
    softcap: Annotated[float, Field(ge=0)] = 0.0  # logits = cap * tanh(logits / cap); 0: no cap
    rope_base: PositiveFloat = 10_000.0
    rope_scaling: RopeScaling | None = None
    dropout: BelowOne = 0.0  # useful only for small data that is seen many times


@dataclass(frozen=True, config=FORBID_EXTRA_KEYS)
class OptimizerConfig:
    """Muon for the matrices of the blocks and AdamW for all other weights, or AdamW for all weights."""

    name: Literal["muon", "adamw"] = "muon"
    learning_rate: PositiveFloat = 3e-3  # Muon's update is scaled to AdamW's size, so that both use one rate
    weight_decay: Annotated[float, Field(ge=0)] = 0.1  # of the blocks' matrices; other weights are not decayed
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.95)  # of AdamW
    momentum: BelowOne = 0.95  # of Muon
    gradient_clip: Annotated[float, Field(ge=0)] = 1.0  # largest norm of all gradients together; 0: no limit
    # A step is skipped if its loss or gradient norm is this many standard deviations above the last steps' mean.
    spike_sigmas: Annotated[float, Field(ge=0)] = 6.0  # 0: no step is skipped


@dataclass(frozen=True, config=FORBID_EXTRA_KEYS)
class ScheduleConfig:
    """The learning rate: linear warm-up, stable, linear decay; or warm-up and a cosine. Fractions of the whole run."""

    name: Literal["wsd", "cosine"] = "wsd"
    warmup: Fraction = 0.02
    decay: Fraction = 0.3  # the last part of the run; in any schedule, this part draws on the anneal set
    final_scale: Fraction = 0.0  # the learning rate at the end, as a fraction of the highest
    anneal: Fraction = 0.5  # fraction of a batch drawn from the anneal set in the decay phase, if there is such a set


@dataclass(frozen=True, config=FORBID_EXTRA_KEYS)
class CheckpointConfig:
    """How often the run saves its state, and how many checkpoints it keeps."""

    every: Positive = 250  # steps
    keep: Positive = 2  # number of newest checkpoints


@dataclass(frozen=True, config=FORBID_EXTRA_KEYS)
class PPOConfig:
    """Reinforcement learning from a reward model. A step has batch_size * gradient_accumulation prompts."""

    reward_model: str | None = None  # a run of task reward; required
    gold_model: str | None = None  # a second one that only watches: does its reward still rise?
    answer_tokens: Positive = 32  # an answer is cut after these
    kl_coefficient: Annotated[float, Field(ge=0)] = 0.05  # reward lost for a nat of distance from the initial model
    epochs: Positive = 2  # times that a step trains on its answers, batch_size of them an update
    clip: PositiveFloat = 0.2  # an update stops to pay where a token's probability has changed by this fraction
    gae_lambda: Fraction = 0.95  # 1: advantages from the whole rest of the answer; 0: from the next token's value
    value_coefficient: Annotated[float, Field(ge=0)] = 0.1  # of the value head's squared error in the loss


@dataclass(frozen=True, config=FORBID_EXTRA_KEYS)
class TrainerConfig:
    """The configuration of a training run. `data`, `output` and one of `steps` and `minutes` have no default."""

    data: str | list[str] | dict[str, PositiveFloat]  # an OUT or a text file (.txt, .txt.gz); several: with weights
    output: str  # the run's folder
    preset: str = "llama"
    task: Literal["pretrain", "sft", "dpo", "reward", "ppo"] = "pretrain"  # all but pretrain read a JSONL file
    init_from: str | None = None  # the run whose weights, model shape and tokenizer this run starts with
    dpo_beta: PositiveFloat = 0.1  # DPO's penalty for leaving the initial model
    steps: Positive | None = None  # the same steps give the same weights
    minutes: PositiveFloat | None = None  # stop by the clock instead; not reproducible, because speed varies
    tokenizer: str | None = None  # null: OUT/tokenizer/tokenizer.json, or the characters of a text file
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1  # last part of a text file; an OUT has a validation set
    cache: str | None = None  # folder of the token files; null: OUT/.cache
    batch_size: Positive = 16  # rows of `model.context` tokens in one forward pass
    gradient_accumulation: Positive = 1  # forward passes a step; several processes (torchrun) share them
    evaluate_every: Positive = 250  # steps
    seed: Annotated[int, Field(ge=0, lt=2**20)] = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    compile: bool = False  # torch.compile; faster on a GPU, after a minute of compilation
    shard: bool = False  # with torchrun: spread weights and optimizers over the processes (FSDP), to save memory
    tensorboard: bool = False  # write event files into RUN/tensorboard; needs the package tensorboard
    wandb: bool = False  # log to Weights & Biases, in the project gristmill; needs the package wandb
    model: ModelConfig = ModelConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    ppo: PPOConfig = PPOConfig()


PAIR_TASKS = ("reward", "dpo")  # tasks whose examples are pairs: a chosen and a rejected answer

# The keys that each preset sets; the user's own keys override them. `gpt2` has the shape of the published 124M model
# (Radford et al. 2019, table 2; width and heads follow from the depth). `char` has the shape of the lecture's last step
# (6 layers, 6 heads, width 384, dropout .2).
PRESETS: dict[str, JsonObject] = {
    "llama": {},
    "gpt2": {
        "model": {
            "depth": 12,
            "context": 1024,
            "position": "learned",
            "norm": "layer",
            "activation": "gelu",
            "qk_norm": False,
            "tied": True,
            "bias": True,
        },
        "optimizer": {"name": "adamw", "learning_rate": 6e-4},
    },
    "char": {"model": {"depth": 6, "width": 384, "heads": 6, "context": 256, "dropout": 0.2}, "batch_size": 64},
}


class NetworkShape(NamedTuple):
    """The sizes of a network: the given values, or those that follow from `depth`."""

    width: int  # features of the residual stream
    heads: int
    key_value_heads: int
    head_width: int
    feed_forward_width: int


def find_network_shape(model: ModelConfig) -> NetworkShape:
    """Return the sizes of a network.

    The feed-forward width is 4 C; for the three matrices of SwiGLU 8/3 C to the nearest 64 (Shazeer 2020).
    """
    width = model.width or 64 * max(1, model.depth)
    heads = model.heads or max(1, width // 64)
    wide = model.feed_forward_width
    if wide is None:
        wide = max(64, 64 * round(8 / 3 * width / 64)) if model.activation == "swiglu" else 4 * width
    return NetworkShape(width, heads, model.key_value_heads or heads, model.head_width or width // heads, wide)
