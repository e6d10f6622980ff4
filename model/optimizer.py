"""The optimizers and the learning-rate schedule."""

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from model.config import OptimizerConfig, ScheduleConfig
from model.gpt import GPT


class Muon(Optimizer):
    """Momentum whose steps are orthogonalised (Jordan et al. 2024), scaled to AdamW's size (Liu et al. 2025).

    It is torch.optim.Muon with "match_rms_adamw", but takes the matrices of one shape together: of a small model's step
    its hundreds of small kernels would take most of the time on a card.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float, momentum: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take a step with every matrix that has a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    if not self.state[matrix]:
                        self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
                    alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]  # all have one
                momentum = group["momentum"]
                buffers = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
                torch._foreach_lerp_(buffers, gradients, 1 - momentum)
                updates = torch._foreach_lerp(gradients, buffers, momentum)  # Nesterov's
                steps = orthogonalise(torch.stack(updates)).to(matrices[0].dtype)  # (n, rows, columns)
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(matrices, steps.unbind(), alpha=-0.2 * math.sqrt(max(shape)) * group["lr"])


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return (n, rows, columns) with all singular values near one, by five Newton-Schulz steps in bf16.

    The quintic's coefficients are Jordan's, whose fixed point is an interval around one that is reached fast.
    """
    x = matrices.bfloat16()
    x = x.mT if x.size(1) > x.size(2) else x  # the smaller Gram matrix
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.mT if matrices.size(1) > matrices.size(2) else x


def make_optimizers(model: GPT, config: OptimizerConfig) -> list[Optimizer]:
    """Return the optimizers that together train every parameter.

    Muon moves the blocks' matrices. Embeddings, head, norms and biases go to AdamW, undecayed.
    """
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    mine = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in mine]
    fused = next(model.parameters()).is_cuda
    adam: dict[str, object] = {"lr": config.learning_rate, "betas": config.betas, "fused": fused}
    if config.name == "adamw" or not matrices:
        groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}]
        return [AdamW(groups, **adam)]  # type: ignore[arg-type]
    muon = Muon(matrices, config.learning_rate, config.weight_decay, config.momentum)
    return [muon, AdamW(rest, weight_decay=0.0, **adam)]  # type: ignore[arg-type]


def learning_rate_scale(progress: float, config: ScheduleConfig) -> float:
    """Return the factor on the learning rate at `progress` (0 to 1) of the run: warm-up, then as the schedule says."""
    rising = progress / config.warmup if config.warmup else 1.0
    if config.name == "cosine":  # Loshchilov and Hutter 2017
        falling = (1 + math.cos(math.pi * (progress - config.warmup) / max(1 - config.warmup, 1e-9))) / 2
    else:
        falling = min(1.0, (1 - progress) / config.decay) if config.decay else 1.0
    return min(1.0, rising, config.floor + (1 - config.floor) * falling)


def set_learning_rate(optimizers: list[Optimizer], rate: float) -> None:
    """Give every group of every optimizer one learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate


def state_tensors(model: torch.nn.Module, optimizers: list[Optimizer]) -> dict[str, torch.Tensor]:
    """Return the optimizers' state as `parameter.buffer` -> tensor; parameters are named as in the model."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        f"{names[id(parameter)]}.{buffer}": value
        for optimizer in optimizers
        for parameter, state in optimizer.state.items()
        for buffer, value in state.items()
    }


def load_state_tensors(model: torch.nn.Module, optimizers: list[Optimizer], tensors: dict[str, torch.Tensor]) -> None:
    """Put back what `state_tensors` returned."""
    parameters = dict(model.named_parameters())
    state: dict[torch.Tensor, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        name, _, buffer = key.rpartition(".")
        # A copy has torch's own alignment, on which the last bit of vectorised arithmetic may depend.
        state.setdefault(parameters[name], {})[buffer] = value.clone()
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter in state:
                    place = "cpu" if not group.get("fused") else parameter.device
                    optimizer.state[parameter] = {
                        buffer: value.to(place if buffer == "step" else parameter.device)
                        for buffer, value in state[parameter].items()
                    }
