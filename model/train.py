"""The training loop, read top-down: batch, forward, backward, step, log, evaluate, checkpoint.

Everything in a step is a function of (config, data, step): its rows, its dropout, its learning rate. So a checkpoint
holds the weights, the optimizers, the step and the spike guard's memory, and the losses of a resumed run are equal to
those of an uninterrupted one to the last bit (on one machine, with one number of threads). A run by `minutes` follows
the clock instead, and no two are equal.
"""

import copy
import json
import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from model import checkpoint, run_folder
from model.config import PAIR_TASKS, TrainerConfig, TrainerError
from model.data import BatchPrefetcher, CorpusMixture, TokenCorpus, open_training_data
from model.distributed import ProcessGroup, gather_tensor, init_distributed, shard_model
from model.evaluation.text_loss import sum_nll
from model.finetuning.examples import ExampleDataset, open_examples
from model.finetuning.losses import evaluate_examples, sum_losses
from model.gpt import GPT, IGNORE
from model.hardware import (
    autocast_bf16,
    explain_torch_errors,
    find_device_peak,
    run_unless_out_of_memory,
    seed_generators,
    select_device,
)
from model.optimizer import SpikeGuard, learning_rate_scale, make_optimizers, set_learning_rate
from model.reinforcement import build_task_model
from model.run_folder import LogLine
from model.stop_signals import StopSignals, TrainingStopped
from model.tokenizer import find_separator_id
from model.training_log import ProgressLine, StepLogger, TensorBoardLogger, WandbLogger, plot_losses

TrainingData: TypeAlias = TokenCorpus | CorpusMixture | ExampleDataset


def train_gpt(config: TrainerConfig, trainer: "type[Trainer] | None" = None) -> Path:
    """Train, or resume, the run that the config describes; return its folder. `trainer` has another kind of step.

    Raises TrainerError, before anything is written, for data or a run that cannot be used; also if the memory is too
    small or the model cannot be compiled. Raises TrainingStopped after SIGTERM or SIGINT.
    """
    folder, signals, kind = Path(config.output), StopSignals(), trainer or Trainer
    run_folder.check_run_config(folder, config)
    with (
        explain_torch_errors(config),
        signals.catch(),
        init_distributed(select_device(config.device)) as (group, device),
    ):
        if config.gradient_accumulation % group.size:
            raise TrainerError(
                f"gradient_accumulation: {config.gradient_accumulation} forward passes cannot be shared evenly by "
                f"{group.size} processes; set a multiple, gradient_accumulation={group.size}"
            )
        if not group.is_main:
            group.barrier()  # until the tokens are in the cache and the run's files are written
            with closing(open_task_data(config)) as data:
                kind(config, data, device, folder, group, signals).run()
            return folder
        with closing(open_task_data(config)) as data:
            run_folder.check_run_tokenizer(folder, data.tokenizer)
            run_folder.check_initial_run(folder, config, data.tokenizer)
            with run_folder.lock_run_folder(folder):
                run_folder.check_run_config(folder, config)
                run_folder.write_run_files(folder, config, data.tokenizer)
                if group.size > 1:
                    data.finish()
                group.barrier()
                kind(config, data, device, folder, group, signals).run()
    return folder


def open_task_data(config: TrainerConfig) -> TrainingData:
    """Open what the task reads. Raises TrainerError."""
    return open_training_data(config) if config.task == "pretrain" else open_examples(config)


class Trainer:
    """The state of a run, and its loop."""

    def __init__(
        self,
        config: TrainerConfig,
        data: TrainingData,
        device: torch.device,
        folder: Path,
        group: ProcessGroup | None = None,
        signals: StopSignals | None = None,
    ) -> None:
        self.config, self.data, self.device, self.folder = config, data, device, folder
        self.group, self.signals = group or ProcessGroup(), signals or StopSignals()
        torch.set_float32_matmul_precision("high")  # TF32 on NVIDIA cards; no change on a CPU
        torch.manual_seed(config.seed)
        separator = find_separator_id(data.tokenizer)
        if config.model.document_mask and separator is None:
            raise TrainerError("model.document_mask: a tokenizer of characters marks no documents; set it false")
        self.model = build_task_model(config, data.tokenizer.get_vocab_size(), separator).to(device)
        if not isinstance(data, ExampleDataset):
            train_rows = data.make_dataset("train", config.model.context, config.seed)
            assert train_rows is not None  # open_training_data refuses a corpus without
            self.train_rows = train_rows
            self.anneal_rows = data.make_dataset("anneal", config.model.context, config.seed)
        self.reference: GPT | None = None
        if config.init_from is not None:
            checkpoint.load_weights(folder / run_folder.INITIAL, self.model, ignore_heads=True)
        if config.task in ("dpo", "ppo"):
            self.reference = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.is_sharded = config.shard and self.group.size > 1
        if self.is_sharded:
            shard_model(self.model, device, self.group)
        self.optimizers = make_optimizers(self.model, config.optimizer)
        self.prefetcher = BatchPrefetcher(self.make_batch)
        self.guard = SpikeGuard(config.optimizer.spike_sigmas)
        self.step, self.tokens = 0, 0  # steps done, and tokens read in them
        self.seconds = 0.0  # spent on them, over all sessions
        self.decay_from: int | None = None  # the step at which the decay phase began
        self.stop_signal = 0  # the signal that asked for the end of the run; 0: none
        self.resume()
        self.saved_step = self.step
        wrapped = DistributedDataParallel(self.model) if self.group.size > 1 and not self.is_sharded else self.model
        if isinstance(wrapped, DistributedDataParallel):
            wrapped.broadcast_buffers = False  # RoPE's tables are constant; the argument is deprecated
        self.forward: Callable[..., Tensor] = torch.compile(wrapped) if config.compile else wrapped

    def resume(self) -> None:
        """Load the newest undamaged checkpoint, if there is one. Raises TrainerError if the data is not the run's."""
        found = checkpoint.find_newest_checkpoint(self.folder / "checkpoints")
        if found is not None:
            path, state = found
            if state.data != self.data.fingerprint():
                raise TrainerError(
                    f"data: {self.config.data} is not the data that {self.folder} was started with; name a new output"
                )
            checkpoint.load_weights(path / checkpoint.MODEL, self.model)
            checkpoint.load_optimizers(path, self.model, self.optimizers)
            self.step, self.tokens = state.step, state.tokens
            self.seconds, self.decay_from = state.seconds, state.decay_from
            self.guard = SpikeGuard(self.config.optimizer.spike_sigmas, state.recent)
        if self.group.is_main:
            run_folder.truncate_training_log(self.folder, self.step)

    def run(self) -> None:
        """Train to the end. Raises TrainingStopped, after a checkpoint, for a signal."""
        resumed_at = self.step
        with ExitStack() as stack:
            stack.callback(self.prefetcher.close)
            progress, boards = self.open_views(stack)
            log = stack.enter_context(open(self.folder / "log.jsonl" if self.group.is_main else os.devnull, "a"))
            stack.enter_context(self.signals.defer())
            try:
                self.train_until_end(log, progress, boards)
            except TrainingStopped as stopped:
                if self.step > self.saved_step:
                    self.save(log)
                raise TrainingStopped(stopped.signal_number, self.step) from None
        if self.group.is_main:
            self.plot_log(run_folder.read_training_log(self.folder))
            if resumed_at == self.step:
                print(f"{self.folder}: this run is complete ({self.step} steps)")
            self.warn_if_nothing_learned()

    def plot_log(self, lines: list[LogLine]) -> None:
        """Write the pictures of a log."""
        for name in ("loss.png", "loss.svg"):
            plot_losses(lines, self.folder / name)

    def open_views(self, stack: ExitStack) -> tuple[ProgressLine | None, list[StepLogger]]:
        """Return what shows the run; only the main process shows it."""
        progress: ProgressLine | None = None
        boards: list[StepLogger] = []
        if self.group.is_main:
            if self.config.tensorboard:
                boards.append(TensorBoardLogger(self.folder / "tensorboard", self.step))
            if self.config.wandb:
                boards.append(WandbLogger(self.folder, self.config))
            for board in boards:
                stack.callback(board.close)
            parameters = self.model.count_parameters()
            progress = ProgressLine(self.config, parameters, self.device, self.step, self.group.size)
            stack.callback(progress.close)
        return progress, boards

    def train_until_end(self, log: IO[str], progress: ProgressLine | None, boards: list[StepLogger]) -> None:
        """Do the steps that are left, each with its log line. Raises TrainingStopped for a signal."""
        config = self.config
        peak, flops = find_device_peak(self.device), self.model.count_flops_per_token()
        start = time.monotonic() - self.seconds
        while not self.is_finished:
            step_start, tokens_before = time.monotonic(), self.tokens
            line = self.train_step()
            speed = (self.tokens - tokens_before) / (time.monotonic() - step_start)
            self.update_clock(start)
            line |= {"tokens": self.tokens, "seconds": round(self.seconds, 3)}
            line["tokens_per_second"] = round(speed)
            if peak is not None:
                line["mfu"] = round(speed * flops / (peak * self.group.size), 4)
            if self.step % config.evaluate_every == 0 or self.is_finished:
                line |= self.evaluate()
                self.update_clock(start)
            log.write(json.dumps(line) + "\n")
            log.flush()
            for board in boards:
                board.log(line)
            if progress is not None:
                progress.show(line, self.progress)
            if self.step % config.checkpoint.every == 0 or self.is_finished:
                self.save(log)
            if self.stop_signal and not self.is_finished:
                raise TrainingStopped(self.stop_signal)

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 to 1: by steps, or by the clock."""
        if self.config.steps is not None:
            return self.step / self.config.steps
        assert self.config.minutes is not None
        return min(1.0, self.seconds / (60 * self.config.minutes))

    @property
    def is_finished(self) -> bool:
        """Whether the run is at its end."""
        return self.progress >= 1

    @property
    def rows_per_example(self) -> int:
        """Rows of one example of `batch_size`: those of a reward model and of DPO are pairs."""
        return 2 if self.config.task in PAIR_TASKS else 1

    def update_clock(self, start: float) -> None:
        """Set the seconds spent, and the signal that has arrived. Those of the main process hold for all."""
        self.seconds, self.stop_signal = time.monotonic() - start, self.signals.received
        if self.group.size > 1:
            values = torch.tensor([self.seconds, self.stop_signal], dtype=torch.float64, device=self.device)
            seconds, number = self.group.broadcast(values).tolist()
            self.seconds, self.stop_signal = seconds, int(number)

    def schedule_position(self) -> float:
        """Return the progress (0 to 1) at the middle of the next step. It gives the step's learning rate.

        At its middle, neither the first step nor the last has a learning rate of zero. By the clock, a step is expected
        to take as long as the mean of those done. Nothing is known about the first one: its position is in the warm-up.
        """
        if self.config.steps is not None:
            return (self.step + 0.5) / self.config.steps
        if self.step == 0:
            return 0.01 * self.config.schedule.warmup
        return self.progress + min(self.progress / self.step, 1 - self.progress) / 2

    def train_step(self) -> LogLine:
        """Do one step and return the start of its log line. Raises TrainerError if the loss is not finite."""
        config = self.config
        position = self.schedule_position()
        if self.decay_from is None and position >= 1 - config.schedule.decay:
            self.decay_from = self.step
        rate = config.optimizer.learning_rate * learning_rate_scale(position, config.schedule)
        set_learning_rate(self.optimizers, rate)
        seed_generators((self.group.rank << 52) + (config.seed << 32) + self.step, self.device)  # for dropout

        wait_start = time.monotonic()
        tokens, targets = self.wait_for_batch()
        waited = time.monotonic() - wait_start
        rows = config.batch_size * self.rows_per_example
        loss = run_unless_out_of_memory(lambda: self.accumulate_gradients(tokens, targets, rows))
        if loss is None:
            raise TrainerError(self.explain_memory(tokens, targets))
        limit = config.optimizer.gradient_clip or math.inf
        norm = gather_tensor(torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit))
        line: LogLine = {"step": self.step + 1, "loss": loss.item(), "gradient_norm": norm.item()}
        line["learning_rate"] = rate
        if not (math.isfinite(line["loss"]) and math.isfinite(line["gradient_norm"])):
            raise TrainerError(
                f"step {self.step + 1}: the loss is {line['loss']}, its gradient {line['gradient_norm']}; "
                f"start a new output with a learning rate below {config.optimizer.learning_rate}"
            )
        if self.guard.is_spike(line["loss"], line["gradient_norm"]):
            line["skipped"] = True
        else:
            for optimizer in self.optimizers:
                optimizer.step()
        self.model.zero_grad()
        self.step, self.tokens = self.step + 1, self.tokens + tokens.numel()
        return line | {"waited": round(waited, 6)}

    def wait_for_batch(self) -> tuple[Tensor, Tensor]:
        """Return the batch of the next step. A signal ends the wait, except where other processes would wait for us."""
        key, following = (self.step, self.decay_from), (self.step + 1, self.decay_from)
        with self.signals.wait() if self.signals.deferred and self.group.size == 1 else nullcontext():
            return self.prefetcher.get_batch(key, following)

    def accumulate_gradients(self, tokens: Tensor, targets: Tensor, rows: int) -> Tensor:
        """Add up the gradients of a step's rows (B * accumulation, T), `rows` a forward pass; return the mean loss.

        Each of several processes takes every size-th pass. DDP averages, so each one's loss is scaled by their number.
        """
        count = len(targets) // 2 if self.config.task in PAIR_TASKS else int((targets != IGNORE).sum())
        group, config = self.group, self.config
        passes = list(zip(torch.split(tokens, rows), torch.split(targets, rows), strict=True))[group.rank :: group.size]
        loss = torch.zeros((), device=self.device)
        for number, (x, y) in enumerate(passes, 1):  # (B, T) each
            x, y = (part.to(self.device, non_blocking=True) for part in (x, y))
            is_summed = group.size == 1 or self.is_sharded or number == len(passes)
            with nullcontext() if is_summed else self.forward.no_sync():  # type: ignore[attr-defined]
                with autocast_bf16(self.device):
                    part = sum_losses(self.forward, x, y, config, self.reference) / count
                (part * group.size).backward()  # type: ignore[no-untyped-call]
            loss += part.detach()
        return group.all_reduce(loss)

    def explain_memory(self, tokens: Tensor, targets: Tensor) -> str:
        """Return what to do after the memory was too small: it names the largest divisor of the batch that fits."""
        batch, context = self.config.batch_size, self.config.model.context
        problem = f"batch_size: {batch} rows of {context} tokens do not fit into the memory of {self.device}"
        for rows in (rows for rows in range(batch // 2, 0, -1) if batch % rows == 0 and self.group.size == 1):
            self.model.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            attempt = partial(self.rehearse_step, tokens, targets, rows * self.rows_per_example)
            if run_unless_out_of_memory(attempt) is not None:
                accumulation = self.config.gradient_accumulation * batch // rows
                return (
                    f"{problem}; {rows} do: set batch_size={rows} gradient_accumulation={accumulation} "
                    "for the same steps"
                )
        return f"{problem}; set a smaller batch_size, or a smaller model.context"

    def rehearse_step(self, tokens: Tensor, targets: Tensor, rows: int) -> Tensor:
        """Do one pass of `rows` rows, beside the memory that the optimizers take from their first step on."""
        has_state = any(optimizer.state for optimizer in self.optimizers)
        room = [torch.empty_like(p) for p in self.model.parameters() for _ in range(0 if has_state else 2)]
        loss = self.accumulate_gradients(tokens[:rows], targets[:rows], rows)
        del room
        return loss

    def make_batch(self, step: int, decay_from: int | None) -> tuple[Tensor, Tensor]:
        """Return the tokens and targets (B * accumulation, T) of a step; they are a function of the arguments."""
        rows = self.config.batch_size * self.config.gradient_accumulation
        if isinstance(self.data, ExampleDataset):
            return self.data.make_batch(step * rows, rows, self.config.compile)
        if decay_from is None or self.anneal_rows is None:
            table = torch.from_numpy(self.train_rows.get_rows(step * rows, rows))
        else:
            # The anneal set's share holds over all steps, also if it is no whole number of rows in a step.
            before, after = (round(self.config.schedule.anneal * rows * (step - decay_from + n)) for n in (0, 1))
            parts = [
                self.train_rows.get_rows(step * rows - before, rows - (after - before)),
                self.anneal_rows.get_rows(before, after - before),
            ]
            table = torch.cat([torch.from_numpy(part) for part in parts])
        tokens, targets = (part.contiguous() for part in (table[:, :-1], table[:, 1:]))
        if self.device.type == "cuda":  # pinned, so that the copy to the card runs beside the computation
            return tokens.pin_memory(), targets.pin_memory()
        return tokens, targets

    def evaluate(self) -> LogLine:
        """Return the mean loss (nats a token) over the whole validation set, and its bits per UTF-8 byte of text."""
        config = self.config
        if isinstance(self.data, ExampleDataset):
            return evaluate_examples(self.model, self.data, config, self.reference)
        tokens = self.data.validation
        nll = sum_nll(self.model, tokens.ids, config.batch_size, self.group)
        return {
            "validation_loss": nll / (len(tokens.ids) - 1),
            "bits_per_byte": nll / math.log(2) / tokens.text_bytes,
        }

    def warn_if_nothing_learned(self) -> None:
        """Say on stderr if a run by the clock ended with a loss that the tokens' frequencies alone would give."""
        if self.config.minutes is None or isinstance(self.data, ExampleDataset):
            return
        loss = run_folder.read_training_log(self.folder)[-1]["validation_loss"]
        counts = np.bincount(self.data.validation.ids[1:])
        shares = counts[counts > 0] / counts.sum()
        entropy = -float((shares * np.log(shares)).sum())
        if loss >= entropy:
            print(
                f"model: {self.folder} has learned next to nothing in its {self.step} steps: its validation loss is "
                f"{loss:.3f}, and {entropy:.3f} for the frequencies of the tokens alone; give it more minutes, or make "
                "model.depth or batch_size smaller",
                file=sys.stderr,
            )

    def save(self, log: IO[str]) -> None:
        """Write a checkpoint, after the log's lines up to it are on disk. The main process writes."""
        if not (self.group.is_main or self.is_sharded):
            return
        if self.group.is_main:
            os.fsync(log.fileno())
        state = checkpoint.TrainingState(
            step=self.step,
            tokens=self.tokens,
            seconds=self.seconds,
            decay_from=self.decay_from,
            recent=list(self.guard.recent),
            data=self.data.fingerprint(),
        )
        keep, is_main = self.config.checkpoint.keep, self.group.is_main
        checkpoint.save_checkpoint(self.folder / "checkpoints", self.model, self.optimizers, state, keep, is_main)
        self.saved_step = self.step
