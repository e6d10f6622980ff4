"""What torch says when the memory does not suffice, or a model cannot be compiled, in words for the user."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from model.config import Config, TrainerError

Result = TypeVar("Result")


def out_of_memory(error: RuntimeError) -> bool:
    """Return whether an error is a card's, MPS's or a CPU's way to say that its memory is full."""
    words = ("MPS backend out of memory", "DefaultCPUAllocator: can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)


def attempt(work: Callable[[], Result]) -> Result | None:
    """Return what `work` returns, or None where the memory does not suffice.

    One may try again only after it has returned: the error itself holds on to the activations that were too many.
    """
    try:
        return work()
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return None


@contextmanager
def explained(config: Config) -> Iterator[None]:
    """Turn torch's errors about memory and compilers into a TrainerError."""
    try:
        yield
    except RuntimeError as error:
        if out_of_memory(error):
            wish = "set a smaller batch_size, model.context or model.depth"
            raise TrainerError(f"out of memory, with a batch_size of {config.batch_size}; {wish}") from error
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            reason = " ".join(str(error).partition("\n\nSet TORCH")[0].split())  # the rest is for torch's authors
            raise TrainerError(f"compile: {reason}; set compile=false") from error
        raise
