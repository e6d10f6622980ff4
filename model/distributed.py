"""The processes that train one model together (torchrun), each on its own card or share of the cores."""

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeGuard

import torch
import torch.distributed as dist
from torch import Tensor

from model.config import TrainerError
from model.gpt import GPT

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

TIMEOUT = timedelta(hours=12)  # the other processes wait while the main one tokenises a corpus


@dataclass(frozen=True)
class ProcessGroup:
    """This process's rank, and the number of processes. The main process does all writing to disk and terminal."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def all_reduce(self, values: Tensor) -> Tensor:
        """Return the sum over all processes, element by element. Every process gets the same bits."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def broadcast(self, values: Tensor) -> Tensor:
        """Return the values of the main process."""
        if self.size > 1:
            dist.broadcast(values, 0)
        return values

    def barrier(self) -> None:
        """Wait until all processes have called this."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def init_distributed(device: torch.device) -> Iterator[tuple[ProcessGroup, torch.device]]:
    """Join the processes that torchrun's variables describe; yield the group and this process's own device.

    All processes leave together. If one left while gloo's threads still held its tensors, it would die (SIGABRT) at
    Python's end, and torchrun would end the main process, which still writes its last files. Raises TrainerError if
    there are more processes than cards.
    """
    if not dist.is_torchelastic_launched():
        yield ProcessGroup(), device
        return
    if device.type == "cuda":
        number, cards = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if number >= cards:
            raise TrainerError(f"--nproc-per-node: there are {cards} cards here, none for process {number + 1}")
        device = torch.device("cuda", number)
        torch.cuda.set_device(device)
        dist.init_process_group("nccl", timeout=TIMEOUT, device_id=device)
    else:
        dist.init_process_group("gloo", timeout=TIMEOUT)
    try:
        group = ProcessGroup(dist.get_rank(), dist.get_world_size())
        yield group, device
        group.barrier()
    finally:
        gc.collect()  # frees the trainer's tensors now, not at Python's end
        dist.destroy_process_group()


def shard_model(model: GPT, device: torch.device, group: ProcessGroup) -> None:
    """Spread a model over the processes by torch's FSDP: each holds its rows of every weight.

    Gradients and optimizer state are then spread, too. A block's weights are whole only while it computes.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (group.size,))
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh, reshard_after_forward=True)  # also after an evaluation, which has no backward pass


def is_sharded(value: Tensor) -> "TypeGuard[DTensor]":
    """Return whether a tensor is spread over processes."""
    if not dist.is_initialized():  # without processes, the import can be saved
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(value, DTensor)


def gather_tensor(value: Tensor) -> Tensor:
    """Return a tensor whole, if it is spread over the processes. All of them must call this."""
    return value.full_tensor() if is_sharded(value) else value


def gather_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors whole: in the main process, and those that are not spread in all. All processes must call this."""
    whole = {}
    for name, value in tensors.items():
        gathered = gather_tensor(value)
        if gathered is value:
            whole[name] = value
        elif dist.get_rank() == 0:
            whole[name] = gathered.cpu()
    return whole


def shard_like(value: Tensor, like: Tensor) -> Tensor:
    """Return a whole tensor, the same in all processes, on the device of `like` and spread as that is."""
    value = value.to(like.device)
    if not is_sharded(like):
        return value
    from torch.distributed.tensor import DTensor, Replicate

    whole = DTensor.from_local(value, like.device_mesh, [Replicate()], run_check=False)
    return whole.redistribute(placements=like.placements)
