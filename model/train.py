"""The training loop, read top-down: batch, forward, backward, step, log, evaluate, checkpoint.

Everything a step does is a function of (config, data, step): its rows, its dropout, its learning rate. So the state to
keep is the weights, the optimizers, the step and the spike guard's memory, and a resumed run's losses equal an
uninterrupted one's to the last bit (same machine, same number of threads). A run by `minutes` follows the clock
instead, and no two are alike.
"""

import copy
import json
import math
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import IO

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from model import checkpoint
from model import run as runs
from model.board import Board
from model.config import Config, TrainerError
from model.data import Corpus
from model.evaluate import autocast, total_nats
from model.examples import Examples, open_examples
from model.flops import device_peak, flops_per_token
from model.gpt import GPT, IGNORE
from model.guard import SpikeGuard
from model.memory import attempt, explained
from model.mix import Mixture, open_data
from model.objective import total_loss, validate
from model.optimizer import learning_rate_scale, make_optimizers, set_learning_rate
from model.plot import plot_losses
from model.prefetch import Prefetch
from model.progress import Progress
from model.team import Team, joined
from model.tokenizer import separator_id


def train(config: Config) -> Path:
    """Train, or take up again, the run that the config describes; return its folder.

    Raises TrainerError, before anything is written, for data or a run that cannot be used; and where the memory does
    not suffice, or the model cannot be compiled.
    """
    folder = Path(config.output)
    runs.check_config(folder, config)
    with explained(config), joined(runs.pick_device(config.device)) as (team, device):
        if config.accumulation % team.size:
            raise TrainerError(
                f"accumulation: {config.accumulation} forward passes cannot be shared evenly by {team.size} "
                f"processes; set a multiple, accumulation={team.size}"
            )
        if not team.first:
            team.wait()  # until the tokens are in the cache and the folder is begun
            with closing(open_any(config)) as corpus:
                Trainer(config, corpus, device, folder, team).run()
            return folder
        with closing(open_any(config)) as corpus:
            runs.check_tokenizer(folder, corpus.tokenizer)
            runs.check_beginning(folder, config, corpus.tokenizer)
            with runs.locked(folder):
                runs.check_config(folder, config)
                runs.write_beginning(folder, config, corpus.tokenizer)
                if team.size > 1:
                    corpus.finish()
                team.wait()
                Trainer(config, corpus, device, folder, team).run()
    return folder


def open_any(config: Config) -> Corpus | Mixture | Examples:
    """Open what the task reads."""
    return open_data(config) if config.task == "pretrain" else open_examples(config)


class Trainer:
    """The state of a run, and its loop."""

    def __init__(
        self,
        config: Config,
        corpus: Corpus | Mixture | Examples,
        device: torch.device,
        folder: Path,
        team: Team | None = None,
    ) -> None:
        self.config, self.corpus, self.device, self.folder = config, corpus, device, folder
        self.team = team or Team()
        torch.set_float32_matmul_precision("high")  # TF32 on NVIDIA cards; no change on a CPU
        torch.manual_seed(config.seed)
        separator = separator_id(corpus.tokenizer)
        if config.model.document_mask and separator is None:
            raise TrainerError("model.document_mask: a tokenizer of characters marks no documents; set it false")
        self.model = GPT(config.model, corpus.tokenizer.get_vocab_size(), separator).to(device)
        self.optimizers = make_optimizers(self.model, config.optimizer)
        context = config.model.context
        if not isinstance(corpus, Examples):
            train_rows = corpus.rows("train", context, config.seed)
            assert train_rows is not None  # open_data refuses a corpus without
            self.train_rows, self.anneal_rows = train_rows, corpus.rows("anneal", context, config.seed)
        self.reference: GPT | None = None
        if config.init_from is not None:
            checkpoint.load_weights(folder / runs.INITIAL, self.model)
        if config.task == "dpo":
            self.reference = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.prefetch = Prefetch(self.batch)
        self.guard = SpikeGuard(config.optimizer.spike)
        self.step, self.tokens = 0, 0  # steps done, and tokens read in them
        self.seconds = 0.0  # spent on them, over all sessions
        self.decay_from: int | None = None  # the step at which the decay phase began
        self.resume()
        wrapped = DistributedDataParallel(self.model) if self.team.size > 1 else self.model
        if isinstance(wrapped, DistributedDataParallel):
            wrapped.broadcast_buffers = False  # RoPE's tables stay the same; as an argument it is deprecated
        self.forward: Callable[..., Tensor] = torch.compile(wrapped) if config.compile else wrapped

    def resume(self) -> None:
        """Load the newest whole checkpoint, if there is one. Raises TrainerError where the data is not the run's."""
        found = checkpoint.newest(self.folder / "checkpoints")
        if found is not None:
            path, state = found
            if state["data"] != self.corpus.fingerprint():
                raise TrainerError(
                    f"data: {self.config.data} is not what {self.folder} was begun with; name a new output"
                )
            checkpoint.load_model(path, self.model)
            checkpoint.load_optimizers(path, self.model, self.optimizers)
            self.step, self.tokens = state["step"], state["tokens"]
            self.seconds, self.decay_from = state["seconds"], state["decay_from"]
            self.guard = SpikeGuard(self.config.optimizer.spike, state["recent"])
        if self.team.first:
            runs.cut_log(self.folder, self.step)

    def run(self) -> None:
        """Train to the end."""
        config, began, first = self.config, self.step, self.team.first
        progress = (
            Progress(config, self.model.parameter_count(), self.device, self.step, self.team.size) if first else None
        )
        board = Board(self.folder / "tensorboard", self.step) if config.tensorboard and first else None
        peak, flops = device_peak(self.device), flops_per_token(self.model)
        before = time.monotonic() - self.seconds
        with ExitStack() as seen:
            for view in (board, progress):
                if view is not None:
                    seen.callback(view.close)
            log = seen.enter_context(open(self.folder / "log.jsonl" if first else os.devnull, "a"))
            while not self.finished():
                step_began, tokens_before = time.monotonic(), self.tokens
                line = self.train_step()
                speed = (self.tokens - tokens_before) / (time.monotonic() - step_began)
                self.look_at_clock(before)
                line |= {"tokens": self.tokens, "seconds": round(self.seconds, 3)}
                line["tokens_per_second"] = round(speed)
                if peak is not None:
                    line["mfu"] = round(speed * flops / (peak * self.team.size), 4)
                if self.step % config.evaluate_every == 0 or self.finished():
                    line |= self.validate()
                    self.look_at_clock(before)
                log.write(json.dumps(line) + "\n")
                log.flush()
                if board is not None:
                    board.show(line)
                if progress is not None:
                    progress.show(line, self.progress)
                if first and (self.step % config.checkpoint.every == 0 or self.finished()):
                    self.save(log)
        self.prefetch.close()
        if first:
            for name in ("loss.png", "loss.svg"):
                plot_losses(runs.read_log(self.folder), self.folder / name)
            if began == self.step:
                print(f"{self.folder}: this run is complete ({self.step} steps)")

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 to 1: by steps, or by the clock."""
        if self.config.steps is not None:
            return self.step / self.config.steps
        assert self.config.minutes is not None
        return min(1.0, self.seconds / (60 * self.config.minutes))

    @property
    def rows_per_example(self) -> int:
        """Rows that one of `batch_size` takes: DPO's are pairs."""
        return 2 if self.config.task == "dpo" else 1

    def look_at_clock(self, before: float) -> None:
        """Set the seconds spent; of several processes the first one's clock holds for all."""
        self.seconds = time.monotonic() - before
        if self.team.size > 1:
            clock = torch.tensor([self.seconds], dtype=torch.float64, device=self.device)
            self.seconds = self.team.from_first(clock).item()

    def finished(self) -> bool:
        """Whether the run is at its end."""
        return self.progress >= 1

    def train_step(self) -> dict[str, float]:
        """Do one step and return its log line's beginning. Raises TrainerError where the loss blows up."""
        config = self.config
        # The middle of the step, so that neither the first nor the last has a learning rate of zero.
        progress = (self.step + 0.5) / config.steps if config.steps is not None else self.progress
        if self.decay_from is None and progress >= 1 - config.schedule.decay:
            self.decay_from = self.step
        rate = config.optimizer.learning_rate * learning_rate_scale(progress, config.schedule)
        set_learning_rate(self.optimizers, rate)
        torch.manual_seed((self.team.rank << 52) + (config.seed << 32) + self.step)  # dropout

        began = time.monotonic()
        tokens, targets = self.prefetch.get((self.step, self.decay_from), (self.step + 1, self.decay_from))
        waited = time.monotonic() - began
        loss = attempt(lambda: self.gradients(tokens, targets, config.batch_size * self.rows_per_example))
        if loss is None:
            raise TrainerError(self.what_fits(tokens, targets))
        limit = config.optimizer.clip or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        line = {"step": self.step + 1, "loss": loss.item(), "gradient_norm": norm.item(), "learning_rate": rate}
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

    def gradients(self, tokens: Tensor, targets: Tensor, rows: int) -> Tensor:
        """Add up the gradients of a step's rows (B * accumulation, T), `rows` a forward pass, and return the mean loss.

        Of several processes each takes every size-th pass; DDP averages, so each one's loss is scaled up by them.
        """
        count, team = int((targets != IGNORE).sum()) if self.reference is None else len(targets) // 2, self.team
        passes = list(zip(tokens.split(rows), targets.split(rows), strict=True))[team.rank :: team.size]
        loss, config = torch.zeros((), device=self.device), self.config
        for number, (x, y) in enumerate(passes, 1):  # (B, T) each
            x, y = (part.to(self.device, non_blocking=True) for part in (x, y))
            last = team.size == 1 or number == len(passes)
            with nullcontext() if last else self.forward.no_sync():  # type: ignore[attr-defined]
                with autocast(self.device):
                    part = total_loss(self.forward, x, y, self.reference, config.beta) / count
                (part * team.size).backward()
            loss += part.detach()
        return team.sum(loss)

    def what_fits(self, tokens: Tensor, targets: Tensor) -> str:
        """Return what to do after the memory ran out: the largest divisor of the batch that fits."""
        batch, context = self.config.batch_size, self.config.model.context
        wish = f"batch_size: {batch} rows of {context} tokens do not fit into the memory of {self.device}"
        for rows in (rows for rows in range(batch // 2, 0, -1) if batch % rows == 0 and self.team.size == 1):
            self.model.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            if attempt(partial(self.rehearse, tokens, targets, rows * self.rows_per_example)) is not None:
                accumulation = self.config.accumulation * batch // rows
                return f"{wish}; {rows} do: set batch_size={rows} accumulation={accumulation} for the same steps"
        return f"{wish}; set a smaller batch_size, or a smaller model.context"

    def rehearse(self, tokens: Tensor, targets: Tensor, rows: int) -> Tensor:
        """Do one pass of so many rows, beside the memory that the optimizers take from their first step on."""
        begun = any(optimizer.state for optimizer in self.optimizers)
        room = [torch.empty_like(p) for p in self.model.parameters() for _ in range(0 if begun else 2)]
        loss = self.gradients(tokens[:rows], targets[:rows], rows)
        del room
        return loss

    def batch(self, step: int, decay_from: int | None) -> tuple[Tensor, Tensor]:
        """Return the tokens and targets (B * accumulation, T) of a step: which ones is a function of the arguments."""
        rows = self.config.batch_size * self.config.accumulation
        if isinstance(self.corpus, Examples):
            return self.corpus.batch(step * rows, rows, self.config.compile)
        if decay_from is None or self.anneal_rows is None:
            table = torch.from_numpy(self.train_rows.rows(step * rows, rows))
        else:
            # Over the steps their share is kept to, also where it is no whole number of rows in each.
            before, after = (round(self.config.schedule.anneal * rows * (step - decay_from + n)) for n in (0, 1))
            parts = [
                self.train_rows.rows(step * rows - before, rows - (after - before)),
                self.anneal_rows.rows(before, after - before),
            ]
            table = torch.cat([torch.from_numpy(part) for part in parts])
        pin = self.device.type == "cuda"  # pinned and contiguous, so that the copy to the card waits for nothing
        tokens, targets = (part.contiguous() for part in (table[:, :-1], table[:, 1:]))
        return (tokens.pin_memory(), targets.pin_memory()) if pin else (tokens, targets)

    def validate(self) -> dict[str, float]:
        """Return the mean loss (nats a token) over the whole validation set, and its bits per UTF-8 byte of text."""
        if isinstance(self.corpus, Examples):
            config = self.config
            return validate(self.model, self.corpus, config.batch_size, self.reference, config.beta)
        tokens = self.corpus.validation
        nats = total_nats(self.model, tokens.ids, self.config.batch_size, self.team)
        bits_per_byte = nats / math.log(2) / tokens.text_bytes
        return {"validation_loss": nats / (len(tokens.ids) - 1), "bits_per_byte": bits_per_byte}

    def save(self, log: IO[str]) -> None:
        """Write a checkpoint, after the log's lines up to it are on disk."""
        os.fsync(log.fileno())
        state = {
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "decay_from": self.decay_from,
            "recent": list(self.guard.recent),
            "data": self.corpus.fingerprint(),
        }
        checkpoint.save(self.folder / "checkpoints", self.model, self.optimizers, state, self.config.checkpoint.keep)
