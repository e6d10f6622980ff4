"""Muon beside torch's own, and what its step looks like."""

import torch
from torch import nn

from model.optimizer import (
    FIRST_NONIC,
    SECOND_NONIC,
    Muon,
    orthogonalize_matrices,
)


def test_muon_takes_torchs_steps_in_fewer_kernels(monkeypatch):
    """In bf16, as torch's own does everywhere; this one does on hardware that computes it fast."""
    monkeypatch.setattr("model.optimizer.has_fast_bf16", lambda device: True)

    def make() -> list[nn.Parameter]:
        torch.manual_seed(1)
        return [nn.Parameter(torch.randn(shape)) for shape in [(16, 16), (40, 16), (16, 40), (16, 16), (16, 40)]]

    ours, theirs = make(), make()
    rates = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.9}
    optimizers = [Muon(ours, **rates), torch.optim.Muon(theirs, adjust_lr_fn="match_rms_adamw", **rates)]
    for step in range(6):
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            gradient = None if number == 3 and step % 2 else torch.randn(mine.shape)
            mine.grad, other.grad = gradient, None if gradient is None else gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)


def test_a_step_has_singular_values_near_one():
    torch.manual_seed(0)
    for shape in [(3, 40, 20), (1, 16, 16), (2, 8, 64)]:
        values = torch.linalg.svdvals(orthogonalize_matrices(torch.randn(shape)).float())
        assert values.min() > 0.4 and values.max() < 1.3
    left, right = (torch.linalg.qr(torch.randn(64, 64)).Q for _ in range(2))
    spread = torch.logspace(-2, 0, 64)  # three steps are enough for a hundredth of the largest singular value
    values = torch.linalg.svdvals(orthogonalize_matrices((1e-12 * left * spread @ right)[None]))
    assert values.min() > 0.3 and values.max() < 1.3
    for shape in [(1, 8, 8), (1, 8, 16)]:
        assert orthogonalize_matrices(torch.zeros(shape)).abs().max() == 0


def test_both_steps_are_their_polynomials_for_every_shape():
    """A singular value s becomes q(p(s)), also where the step is found on the Gram matrix alone."""
    torch.manual_seed(0)

    def apply(coefficients, values):
        return sum(c * values ** (2 * k + 1) for k, c in enumerate(coefficients))

    for rows, columns in [(16, 16), (16, 40), (40, 16)]:
        x = torch.randn(2, rows, columns, dtype=torch.float64)
        left, values, right = torch.linalg.svd(x, full_matrices=False)
        scaled = values / (values**4).sum(1, keepdim=True) ** 0.25  # divided by the root of the Gram matrix's norm
        moved = apply(SECOND_NONIC, apply(FIRST_NONIC, scaled))
        expected = (left * moved[:, None]) @ right
        torch.testing.assert_close(orthogonalize_matrices(x.float()).double(), expected, rtol=1e-3, atol=1e-3)
