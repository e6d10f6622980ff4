"""What guards a run and what one sees of it: spikes, utilisation, TensorBoard, the plot."""

import math
import sys
import types
import weakref

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

from model.__main__ import main
from model.config import ScheduleConfig, TrainerError
from model.config_reader import build_trainer_config, load_trainer_config
from model.data import open_corpus
from model.gpt import GPT
from model.hardware import lookup_peak_flops
from model.optimizer import SPIKE_MINIMUM, SpikeGuard, learning_rate_scale, make_optimizers
from model.run_folder import read_training_log
from model.train import Trainer, train_gpt
from model.training_log import TensorBoardLogger, plot_losses


def test_a_cosine_falls_from_one_to_its_floor():
    schedule = ScheduleConfig(name="cosine", warmup=0.1, final_scale=0.1)
    scales = [learning_rate_scale(p, schedule) for p in (0, 0.05, 0.1, 0.55, 0.775, 1)]
    middle = 0.1 + 0.9 * (1 + math.cos(0.75 * math.pi)) / 2
    assert scales == pytest.approx([0, 0.5, 1, 0.55, middle, 0.1])
    assert learning_rate_scale(1, ScheduleConfig(final_scale=0.2)) == pytest.approx(0.2)


def test_only_what_stands_far_above_the_last_steps_is_a_spike():
    guard = SpikeGuard(6.0)
    noise = [2 + 0.1 * math.sin(7 * i) for i in range(SPIKE_MINIMUM)]
    assert not any(guard.is_spike(value, 1.0) for value in [99.0, *noise[1:]])  # too early to judge
    guard = SpikeGuard(6.0, [[value, 1.0 + 0.01 * value] for value in noise])
    assert not guard.is_spike(2.3, 1.02) and not guard.is_spike(0.1, 1.0)  # a good step is none
    assert guard.is_spike(4.0, 1.0) and guard.is_spike(2.0, 9.0)
    assert SpikeGuard(6.0, list(guard.recent)).recent == guard.recent
    assert not SpikeGuard(0.0, list(guard.recent)).is_spike(1e9, 1.0)


def test_a_spike_leaves_the_weights_alone_and_is_logged(config_file, tmp_path):
    config = load_trainer_config(config_file)
    (tmp_path / "run").mkdir()
    trainer = Trainer(config, open_corpus(config), torch.device("cpu"), tmp_path / "run")
    assert "skipped" not in trainer.train_step()
    trainer.guard = SpikeGuard(6.0, [[1.0 + i / 1000, 0.1 + i / 1000] for i in range(SPIKE_MINIMUM)])
    before = [parameter.clone() for parameter in trainer.model.parameters()]
    assert trainer.train_step()["skipped"] is True and trainer.step == 2  # the loss, 5.8, stands far above 1
    assert all(map(torch.equal, before, trainer.model.parameters()))


def test_the_peak_is_that_of_the_whole_card_or_unknown():
    assert lookup_peak_flops("NVIDIA H200") == lookup_peak_flops("NVIDIA H100 80GB HBM3") == 989.4e12
    assert lookup_peak_flops("NVIDIA H100 PCIe") == 756.5e12
    assert lookup_peak_flops("NVIDIA A100-SXM4-40GB") == 312e12
    for name in ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA GeForce RTX 4090 Laptop GPU", "Tesla T4", "Some card"):
        assert lookup_peak_flops(name) is None


def test_flops_of_gpt2_124m_are_the_known_figure():
    """6 x 123,653,376 + 12 x 12 x 768 x 1024: at 490 K tokens/s on an H200 the published 42.3 %."""
    config = build_trainer_config({"data": "x", "output": "y", "steps": 1, "preset": "gpt2"}).model
    with torch.device("meta"):
        flops = GPT(config, 50_257).count_flops_per_token()
    assert flops == 6 * (124_439_808 + 47 * 768 - 1024 * 768) + 12 * 12 * 768 * 1024
    assert flops * 490e3 / 989.4e12 == pytest.approx(0.423, abs=0.001)


def test_a_cpu_has_speed_but_no_utilisation_and_the_curves_are_there(config_file, tmp_path, capsys):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    train_gpt(load_trainer_config(config_file, ["tensorboard=true"]))
    lines = read_training_log(run)
    assert all(line["tokens_per_second"] > 0 and line["waited"] >= 0 and "mfu" not in line for line in lines)
    assert "MFU" not in capsys.readouterr().err
    curves = EventAccumulator(str(run / "tensorboard")).Reload()
    assert [event.step for event in curves.Scalars("loss")] == [1, 2, 3, 4, 5, 6]
    assert curves.Scalars("validation_loss")[-1].value == pytest.approx(lines[-1]["validation_loss"])
    svg = (run / "loss.svg").read_bytes()
    assert svg.startswith(b"<?xml") and b"<svg" in svg
    plot_losses(lines, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == svg


def test_what_a_run_that_dies_has_shown_is_there_up_to_its_checkpoint(config_file, tmp_path, monkeypatch, capsys):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(TensorBoardLogger, "close", lambda self: None)  # killed, it has no time for it
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    step = Trainer.train_step

    def dies_at_five(self):
        if self.step == 4:
            raise TrainerError("it died")
        return step(self)

    monkeypatch.setattr(Trainer, "train_step", dies_at_five)
    assert main(["train", str(config_file), "--set", "tensorboard=true", "checkpoint.every=4"]) == 2
    curves = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    assert [event.step for event in curves.Scalars("loss")] == [1, 2, 3, 4]
    assert capsys.readouterr().err.endswith("\r\x1b[Kmodel: it died\n")  # not behind the living line


def test_without_tensorboard_the_line_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match="pip install tensorboard"):
        TensorBoardLogger(tmp_path, 0)


def test_wandb_gets_every_line_and_a_resumed_run_continues_there(config_file, tmp_path, monkeypatch, fails):
    keys = ["--set", "wandb=true", f"output={tmp_path}/w"]
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert "pip install wandb" in fails("train", config_file, *keys)
    calls: list[tuple[str, object]] = []

    class FakeWandb(types.ModuleType):
        def init(self, **options: object) -> "FakeWandb":
            calls.append(("init", (options["id"], options["resume"], options["config"]["model"]["depth"])))
            return self

        def log(self, values: dict[str, float], step: int) -> None:
            calls.append(("log", (step, "loss" in values, "validation_loss" in values)))

        def finish(self) -> None:
            calls.append(("finish", None))

    monkeypatch.setitem(sys.modules, "wandb", FakeWandb("wandb"))
    for _ in range(2):  # the second time, the run is complete
        assert main(["train", str(config_file), *keys]) == 0
    assert [name for name, _ in calls] == ["init", *["log"] * 6, "finish", "init", "finish"]
    assert calls[0] == calls[8] and calls[0][1][1:] == ("allow", 2)
    assert [values for name, values in calls if name == "log"] == [(n, True, n in (3, 6)) for n in range(1, 7)]


CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("error", [CUDA, CPU])
def test_out_of_memory_says_which_batch_fits(config_file, tmp_path, monkeypatch, error):
    """And looks for it after the activations that did not fit are gone: an error in flight would keep them."""
    config = load_trainer_config(config_file, ["batch_size=12", "gradient_accumulation=3"])
    (tmp_path / "run").mkdir()
    trainer = Trainer(config, open_corpus(config), torch.device("cpu"), tmp_path / "run")
    seen: list[weakref.ref[torch.Tensor]] = []
    tried = []

    def forward(x, y, reduction):
        assert all(activations() is None for activations in seen)
        activations = torch.zeros(len(x))
        seen.append(weakref.ref(activations))
        tried.append(len(x))
        if len(x) > 3:
            raise type(error)(*error.args)
        return trainer.model(x, y, reduction=reduction)

    monkeypatch.setattr(trainer, "forward", forward)
    with pytest.raises(TrainerError, match="12 rows .* 3 do: set batch_size=3 gradient_accumulation=12"):
        trainer.train_step()
    assert tried == [12, 6, 4, 3]

    def full(tensor):  # the batch is not all that must fit: AdamW keeps two numbers a weight
        raise type(error)(*error.args)

    monkeypatch.setattr(torch, "empty_like", full)
    with pytest.raises(TrainerError, match="set a smaller batch_size, or a smaller model.context"):
        trainer.train_step()


def test_out_of_memory_elsewhere_and_a_failing_compiler_are_one_line_too(config_file, monkeypatch):
    def fail(error):
        def step(self):
            raise error

        monkeypatch.setattr(Trainer, "train_step", step)
        with pytest.raises(TrainerError) as caught:
            train_gpt(load_trainer_config(config_file))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "out of memory, with a batch_size of 2; set a smaller" in fail(CUDA)
    line = fail(BackendCompilerFailed(make_optimizers, RuntimeError("no C compiler.\nSet CC"), None))
    assert "no C compiler. Set CC" in line and line.endswith("; set compile=false")
    with pytest.raises(RuntimeError, match="something else"):
        monkeypatch.setattr(Trainer, "train_step", lambda self: (_ for _ in ()).throw(RuntimeError("something else")))
        train_gpt(load_trainer_config(config_file))
