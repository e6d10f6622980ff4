"""An LSTM with the GPT's embedding, norms and head, for comparison."""

import torch
from torch import Tensor, nn

from model.config import ModelConfig, find_network_shape
from model.gpt import GPT, KeyValueCache, make_norm


class LSTMModel(GPT):
    """LSTM layers in the place of the GPT's blocks. Its forward has the same arguments and results."""

    def make_block(self, index: int) -> nn.Module:
        """Return layer number `index`."""
        return LSTMBlock(self.config, index)


class LSTMBlock(nn.Module):
    """An LSTM layer (Hochreiter and Schmidhuber 1997) that reads the normed residual stream and adds to it."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        width = find_network_shape(config).width
        self.index, self.residual, self.norm = index, config.residual, make_norm(config)
        self.lstm, self.dropout = nn.LSTM(width, width, batch_first=True), nn.Dropout(config.dropout)
        with torch.no_grad():
            for name, parameter in self.lstm.named_parameters():
                if name.startswith("bias"):
                    parameter.zero_()
                    # A forget gate's bias of 1 (the sum of two): the layer remembers (Jozefowicz et al. 2015).
                    parameter[width : 2 * width] = 0.5

    def forward(self, x: Tensor, rope: None, cache: KeyValueCache | None, mask: None = None) -> Tensor:
        """Return the residual stream x (B, T, C) after the layer. `rope` and `mask` are always None."""
        y, state = self.lstm(self.norm(x), cache.blocks.get(self.index) if cache is not None else None)
        if cache is not None:
            cache.blocks[self.index] = state
        output: Tensor = self.dropout(y)
        return x + output if self.residual else output
