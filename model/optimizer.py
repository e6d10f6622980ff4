"""The optimizers, the learning-rate schedule, and the guard that skips a step whose loss jumps."""

import math
from collections import defaultdict, deque
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from model.config import OptimizerConfig, ScheduleConfig
from model.distributed import gather_tensor, shard_like
from model.gpt import GPT
from model.hardware import has_fast_bf16

# As in OLMo-core's SkipStepOptimizer (src/olmo_core/optim/skip_step_optimizer.py)
SPIKE_WINDOW = 128  # steps whose loss and gradient norm are remembered
SPIKE_MINIMUM = 64  # steps that must be remembered before a step can be a spike


# Coefficients of x, x^3 and x^5 in each Newton-Schulz step of Jordan et al. 2024
JORDAN_QUINTICS = ((3.4445, -4.7750, 2.0315),) * 5
# Coefficients of x, x^3, ... x^9 in the two steps in fp32, by the rule of Amsel et al. 2025 ("The Polar Express"): each
# is the best approximation of 1 on what the one before leaves of [1/80, 1]. The second leaves [.71, 1.29].
FIRST_NONIC = (13.616705, -128.939057, 424.812884, -543.418440, 235.757951)
SECOND_NONIC = (4.479802, -9.670755, 8.673634, -3.162340, 0.398355)


class Muon(Optimizer):
    """Momentum with orthogonalised updates (Jordan et al. 2024), scaled to AdamW's size (Liu et al. 2025).

    In bf16 the result is that of torch.optim.Muon with "match_rms_adamw". This class processes all matrices of one
    shape together: on a GPU, hundreds of small kernels would take most of a small model's step.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float, momentum: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    if not self.state[matrix]:
                        self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
                    by_shape[matrix.shape].append(matrix)
            for shape, matrices in by_shape.items():
                gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]  # all have one
                momentum = group["momentum"]
                buffers = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
                torch._foreach_lerp_(buffers, gradients, 1 - momentum)
                updates = torch._foreach_lerp(gradients, buffers, momentum)  # Nesterov's momentum
                whole = torch.stack([gather_tensor(update) for update in updates])  # (n, rows, columns)
                turned = orthogonalize_matrices(whole).to(matrices[0].dtype).unbind()
                steps = [shard_like(step, matrix) for step, matrix in zip(turned, matrices, strict=True)]
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(matrices, steps, alpha=-0.2 * math.sqrt(max(shape)) * group["lr"])


def orthogonalize_matrices(matrices: Tensor) -> Tensor:
    """Return the matrices (n, rows, columns) with all singular values moved near one, by Newton-Schulz steps.

    In bf16, on hardware that computes it fast, these are Jordan's five; his quintic moves a singular value quickly into
    an interval around one, where it stays. In fp32 two steps of higher degree do as much with fewer products: the Gram
    matrix gives a closer bound of the largest singular value, and each step has the polynomial that is best for what
    the one before has left.
    """
    is_tall = matrices.size(1) > matrices.size(2)
    x = matrices.mT if is_tall else matrices  # so that the Gram matrix is the smaller one
    if has_fast_bf16(x.device):
        x = x.bfloat16()
        x = apply_quintics(x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7))
        return x.mT if is_tall else x
    x = x.float()
    gram = x @ x.mT
    largest = gram.diagonal(dim1=1, dim2=2).amax(1)[:, None, None].clamp(min=1e-30)
    gram = gram / largest  # first, so that no square in the norm is 0
    bound = gram.norm(dim=(1, 2), keepdim=True).clamp(min=1e-30)  # of the largest singular value's square
    scale = largest.rsqrt() * bound.rsqrt()
    first = evaluate_nonic(gram / bound, FIRST_NONIC)
    if 2 * x.size(2) > 3 * x.size(1):  # it takes fewer operations to work on the small matrix alone
        second = evaluate_nonic(first @ (gram / bound) @ first, SECOND_NONIC)
        turn = (second @ first) * scale  # symmetric
        step: Tensor = x.mT @ turn if is_tall else turn @ x
        return step
    x = torch.bmm(first * scale, x)
    x = torch.bmm(evaluate_nonic(torch.bmm(x, x.mT), SECOND_NONIC), x)
    return x.mT if is_tall else x


def apply_quintics(x: Tensor) -> Tensor:
    """Return x (n, rows, columns) after Jordan's steps a x + b x x^T x + c x x^T x x^T x."""
    for a, b, c in JORDAN_QUINTICS:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def evaluate_nonic(gram: Tensor, coefficients: tuple[float, float, float, float, float]) -> Tensor:
    """Return a I + b G + c G^2 + d G^3 + e G^4 of Gram matrices G (n, rows, rows), by which x is to be multiplied.

    Two products are enough: of G by itself, and of G^2 by d G + e G^2.
    """
    a, b, c, d, e = coefficients
    square = gram @ gram
    low, high = torch.add(gram, square, alpha=c / b), torch.add(gram, square, alpha=e / d)
    factor = torch.baddbmm(low, square, high, beta=b, alpha=d)
    factor.diagonal(dim1=1, dim2=2).add_(a)
    return factor


def make_optimizers(model: GPT, config: OptimizerConfig) -> list[Optimizer]:
    """Return the optimizers that together train every parameter.

    Muon trains the matrices of the blocks. Embeddings, head, norms and biases belong to AdamW, without decay.
    """
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    in_blocks = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in in_blocks]
    fused = next(model.parameters()).device.type in ("cuda", "cpu")
    if config.name == "adamw" or not matrices:
        groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}]
        return [AdamW(groups, config.learning_rate, config.betas, fused=fused)]
    muon = Muon(matrices, config.learning_rate, config.weight_decay, config.momentum)
    return [muon, AdamW(rest, config.learning_rate, config.betas, weight_decay=0.0, fused=fused)]


def learning_rate_scale(progress: float, config: ScheduleConfig) -> float:
    """Return the factor on the learning rate at `progress` (0 to 1) of the run: warm-up, then as the schedule says."""
    rising = progress / config.warmup if config.warmup else 1.0
    if config.name == "cosine":  # Loshchilov and Hutter 2017
        falling = (1 + math.cos(math.pi * (progress - config.warmup) / max(1 - config.warmup, 1e-9))) / 2
    else:
        falling = min(1.0, (1 - progress) / config.decay) if config.decay else 1.0
    return min(1.0, rising, config.final_scale + (1 - config.final_scale) * falling)


def set_learning_rate(optimizers: list[Optimizer], rate: float) -> None:
    """Give every group of every optimizer one learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate


def collect_optimizer_state(model: torch.nn.Module, optimizers: list[Optimizer]) -> dict[str, Tensor]:
    """Return the optimizers' state as `parameter.buffer` -> tensor, with the model's names of the parameters."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        f"{names[id(parameter)]}.{buffer}": value
        for optimizer in optimizers
        for parameter, state in optimizer.state.items()
        for buffer, value in state.items()
    }


def restore_optimizer_state(model: torch.nn.Module, optimizers: list[Optimizer], tensors: dict[str, Tensor]) -> None:
    """Put back what `collect_optimizer_state` returned."""
    parameters = dict(model.named_parameters())
    state: dict[Tensor, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, _, buffer = key.rpartition(".")
        # A copy has torch's own alignment. The last bit of vectorised arithmetic may depend on it.
        state.setdefault(parameters[name], {})[buffer] = value.clone()
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter in state:
                    step_device = "cpu" if not group.get("fused") else parameter.device
                    optimizer.state[parameter] = {
                        buffer: value.to(step_device) if buffer == "step" else shard_like(value, parameter)
                        for buffer, value in state[parameter].items()
                    }


class SpikeGuard:
    """Finds steps whose loss or gradient norm is far above the last steps'. Its memory is part of the checkpoint."""

    def __init__(self, sigmas: float, recent: list[list[float]] | None = None) -> None:
        """A spike is `sigmas` standard deviations above the mean (0: there are none); `recent` as saved before."""
        self.sigmas = sigmas
        self.recent: deque[list[float]] = deque(recent or [], maxlen=SPIKE_WINDOW)

    def is_spike(self, loss: float, norm: float) -> bool:
        """Return whether a step is a spike. It is remembered either way, so that a lasting change soon is none."""
        spike = False
        if self.sigmas and len(self.recent) >= SPIKE_MINIMUM:
            past = np.array(self.recent)
            spike = bool((np.array([loss, norm]) > past.mean(0) + self.sigmas * past.std(0, ddof=1)).any())
        self.recent.append([loss, norm])
        return spike
