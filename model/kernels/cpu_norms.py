"""RMSNorm, alone and with rotary positions, in fewer passes over memory, for CPUs.

There torch computes both and their gradients as a dozen operations, and each reads and writes whole tensors. That takes
a tenth of a small model's step. The results are torch's up to rounding. A compiler fuses torch's operations by itself,
so compiled models and GPUs use those.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function


def normalize_rms(x: Tensor, epsilon: float) -> Tensor:
    """Return x / sqrt(mean(x^2) + epsilon) of x (..., D)."""
    if not is_plain_cpu(x):
        return F.rms_norm(x, (x.size(-1),), eps=epsilon)
    y: Tensor = RMSNormFunction.apply(x, epsilon)  # type: ignore[no-untyped-call]
    return y


def normalize_and_rotate(
    qkv: Tensor, heads: int, epsilon: float, cos: Tensor, sin: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values, (B, H, T, D) each, of a tensor (B, T, heads, D) that holds them in this order.

    The first `heads` are queries; keys and values have half of the rest each. Queries and keys are normed as by
    `normalize_rms`, then rotated as by `rotate_features` with cos and sin (T, D).
    """
    shared = (qkv.size(2) - heads) // 2
    cos, sin = cos[:, None], sin[:, None]
    if is_plain_cpu(qkv):
        return RotatedNormFunction.apply(qkv, heads, shared, epsilon, cos, sin)  # type: ignore[no-any-return, no-untyped-call]
    qk, v = torch.split(qkv, [heads + shared, shared], dim=2)
    qk = rotate_features(F.rms_norm(qk, (qk.size(-1),), eps=epsilon), cos, sin)
    q, k = torch.split(qk.transpose(1, 2), [heads, shared], dim=1)
    return q, k, v.transpose(1, 2)


def rotate_features(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate feature i of x (..., D) with feature i + D/2; cos and sin (..., D) are those of `make_rope_tables`."""
    return (x * cos + x.roll(x.size(-1) // 2, -1) * sin).type_as(x)


def is_plain_cpu(x: Tensor) -> bool:
    """Return whether a tensor is on a CPU, in a model that is not compiled."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


class RMSNormFunction(Function):
    """RMSNorm over the last dimension, with its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, epsilon: float) -> Tensor:
        """Return the normed x (..., D)."""
        scale = compute_rms_scale(x, epsilon)
        y = x * scale
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of x."""
        return remove_radial_part(gradient, *ctx.saved_tensors), None


class RotatedNormFunction(Function):
    """RMSNorm and rotation of queries and keys. It keeps lengths, so that the norm's gradient is found first.

    The gradients of queries, keys and values are written into one tensor, where autograd would copy them twice.
    """

    @staticmethod
    def forward(
        ctx: Any, qkv: Tensor, heads: int, shared: int, epsilon: float, cos: Tensor, sin: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values (B, H, T, D)."""
        qk, v = qkv[:, :, : heads + shared], qkv[:, :, heads + shared :]
        scale = compute_rms_scale(qk, epsilon)
        y = qk * scale
        z = (y * cos).addcmul_(y.roll(y.size(-1) // 2, -1), sin)
        ctx.save_for_backward(z, scale, cos, sin)
        turned = z.transpose(1, 2)
        return turned[:, :heads], turned[:, heads:], v.transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        """Return the gradient of `qkv`: of queries and keys that before the norm, rotated back."""
        z, scale, cos, sin = ctx.saved_tensors
        whole = torch.cat([gradient.transpose(1, 2) for gradient in gradients], dim=2)  # (B, T, heads, D)
        turned = whole[:, :, : z.size(2)]
        mean = (turned * z).sum(-1, keepdim=True).div_(-z.size(-1))
        turned.addcmul_(z, mean).mul_(scale)
        swapped = turned.roll(z.size(-1) // 2, -1)
        turned.mul_(cos).addcmul_(swapped, sin, value=-1)
        return whole, None, None, None, None, None


def compute_rms_scale(x: Tensor, epsilon: float) -> Tensor:
    """Return 1 / sqrt(mean(x^2) + epsilon) (..., 1) of x (..., D)."""
    norm: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    scale: Tensor = norm.square_().div_(x.size(-1)).add_(epsilon).rsqrt_()
    return scale


def remove_radial_part(gradient: Tensor, y: Tensor, scale: Tensor) -> Tensor:
    """Return scale * (g - y * mean(g * y)): the gradient before a norm whose result is y (..., D)."""
    gradient = gradient.contiguous()  # attention gives it other strides, and all that follows would be slower
    mean = (gradient * y).sum(-1, keepdim=True).div_(-y.size(-1))
    return torch.addcmul(gradient, y, mean).mul_(scale)
