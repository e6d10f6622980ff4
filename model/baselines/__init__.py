"""Networks to compare the GPT with: an LSTM, and the rungs of the lecture's ladder.

`build_model` picks the network that a config describes.
"""

from model.baselines.ladder import LadderGPT
from model.baselines.lstm import LSTMModel
from model.config import ModelConfig
from model.gpt import GPT


def build_model(config: ModelConfig, vocabulary: int, separator: int | None = None) -> GPT:
    """Return the network of a config: the GPT, an LSTM (`block: lstm`), or a rung of the ladder."""
    kind: type[GPT] = GPT
    if config.block == "lstm":
        kind = LSTMModel
    elif not (config.residual and config.feed_forward):
        kind = LadderGPT
    return kind(config, vocabulary, separator)
