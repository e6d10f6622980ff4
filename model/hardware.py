"""The device that trains: its choice, its number formats, its peak speed, and what it says when its memory is full."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from model.config import TrainerConfig, TrainerError

Result = TypeVar("Result")

# Dense bf16 tensor-core peaks in TFLOP/s, by the name that the driver reports, from NVIDIA's data sheets (for all but
# Ampere cards these print twice as much, with sparsity). The names are those of whole cards: a MIG slice or a laptop's
# part has another peak.
PEAK_TFLOPS = {
    r"B200": 2250.0,
    r"H200|GH200.*|H100 80GB HBM3": 989.4,
    r"H200 NVL|H100 NVL": 835.5,
    r"H100 PCIe": 756.5,
    r"A100.*|A800.*": 312.0,
    r"A30": 165.0,
    r"A40": 149.7,
    r"A10": 125.0,
    r"L40S": 362.1,
    r"L40": 181.1,
    r"L4": 121.0,
    r"GeForce RTX 4090": 165.2,  # with sums in fp32, as here (Ada whitepaper, appendix A)
    r"GeForce RTX 3090": 71.0,  # the same (GA102 whitepaper, appendix A)
}


def select_device(name: str) -> torch.device:
    """Return the named device, or for "auto" the best one here. Raises TrainerError for one that is not here."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, here in available.items() if here)
    if not available[name]:
        raise TrainerError(f"device: {name!r} is not available here; set device=auto or device=cpu")
    return torch.device(name)


def autocast_bf16(device: torch.device) -> torch.autocast:
    """Return a context with bf16 matrix products on an NVIDIA card, and with full precision elsewhere."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed torch's random numbers on the CPU and on a device, for every step.

    `torch.manual_seed` also records the call for each kind of device that is not in use, with its stack.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether bf16 matrix products are faster than fp32 ones: on NVIDIA cards since Ampere.

    On CPUs they are not: those without bf16 units emulate them many times slower, and the products of small matrices
    gain nothing on the others.
    """
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def lookup_peak_flops(name: str) -> float | None:
    """Return a card's dense bf16 peak in FLOP/s by the name that its driver gives, or None if it is not known."""
    plain = name.removeprefix("NVIDIA ").strip()
    if "MIG" in plain:
        return None
    return next((peak * 1e12 for pattern, peak in PEAK_TFLOPS.items() if re.fullmatch(pattern, plain)), None)


def find_device_peak(device: torch.device) -> float | None:
    """Return the peak of a device in FLOP/s; None for a CPU, MPS, or a card that the table lacks."""
    return lookup_peak_flops(torch.cuda.get_device_name(device)) if device.type == "cuda" else None


def is_device_memory_full(error: RuntimeError) -> bool:
    """Return whether an error says that the memory of a card, of MPS or of a CPU is full."""
    words = ("MPS backend out of memory", "DefaultCPUAllocator: can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)


def run_unless_out_of_memory(work: Callable[[], Result]) -> Result | None:
    """Return what `work` returns, or None if the memory is too small.

    Retry only after this function has returned: the error itself holds the activations that did not fit.
    """
    try:
        return work()
    except RuntimeError as error:
        if not is_device_memory_full(error):
            raise
        return None


@contextmanager
def explain_torch_errors(config: TrainerConfig) -> Iterator[None]:
    """Turn torch's errors about memory and compilers into a TrainerError."""
    try:
        yield
    except RuntimeError as error:
        if is_device_memory_full(error):
            advice = "set a smaller batch_size, model.context or model.depth"
            raise TrainerError(f"out of memory, with a batch_size of {config.batch_size}; {advice}") from error
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            reason = " ".join(str(error).partition("\n\nSet TORCH")[0].split())  # the rest is for torch's developers
            raise TrainerError(f"compile: {reason}; set compile=false") from error
        raise
