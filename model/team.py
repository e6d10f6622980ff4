"""The processes that train one model together (torchrun), each on its own card or share of the cores; or just one."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from model.config import TrainerError

PATIENCE = timedelta(hours=12)  # the others wait while the first tokenises a corpus


@dataclass(frozen=True)
class Team:
    """Who this process is among how many. Everything written to disk or the terminal is the first one's work."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes, element by element; everyone gets the same bits."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def from_first(self, values: Tensor) -> Tensor:
        """Return what the first process holds."""
        if self.size > 1:
            dist.broadcast(values, 0)
        return values

    def wait(self) -> None:
        """Go on once all have come here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def joined(device: torch.device) -> Iterator[tuple[Team, torch.device]]:
    """Join the team that torchrun's variables describe, and yield it with this process's own device.

    All leave it together: one that went while gloo's threads still held its tensors would die of it (SIGABRT) at
    Python's end, and take the first process, at work on its last files, with it. Raises TrainerError where there are
    more processes than cards.
    """
    if not dist.is_torchelastic_launched():
        yield Team(), device
        return
    if device.type == "cuda":
        number, cards = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if number >= cards:
            raise TrainerError(f"--nproc-per-node: there are {cards} cards here, none for process {number + 1}")
        device = torch.device("cuda", number)
        torch.cuda.set_device(device)
        dist.init_process_group("nccl", timeout=PATIENCE, device_id=device)
    else:
        dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        team = Team(dist.get_rank(), dist.get_world_size())
        yield team, device
        team.wait()
    finally:
        gc.collect()  # the trainer's tensors go now, not at Python's end
        dist.destroy_process_group()
