"""Several processes train one model."""

import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from model.config_reader import load_trainer_config
from model.distributed import ProcessGroup, init_distributed
from model.run_folder import read_training_log
from model.train import train_gpt
from tests.shared import ROOT

KEYS = ["gradient_accumulation=2", "steps=8", "checkpoint.every=4", "evaluate_every=4"]


def torchrun(config_file: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    """Train in two processes."""
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "model",
         "train", str(config_file), "--set", *KEYS, *keys],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip


def test_two_processes_give_one_processs_curve_and_either_takes_up_the_others_run(config_file, tmp_path):
    one, two = tmp_path / "one", tmp_path / "run"
    train_gpt(load_trainer_config(config_file, [*KEYS, f"output={one}"]))
    done = torchrun(config_file)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert done.stderr.count("from the start") == 1 and "2 x cpu" in done.stderr
    lines, expected = read_training_log(two), read_training_log(one)
    assert [line["step"] for line in lines] == list(range(1, 9))
    for key in ("loss", "gradient_norm", "learning_rate", "tokens"):
        assert [line[key] for line in lines] == pytest.approx([line[key] for line in expected], rel=1e-4), key
    for line, other in zip(lines[3::4], expected[3::4], strict=True):
        assert line["validation_loss"] == pytest.approx(other["validation_loss"], rel=1e-5)
    weights = (two / "checkpoints/8/model.safetensors").read_bytes()
    shutil.rmtree(two / "checkpoints/8")  # as after a crash: the run stands at step 4
    third = tmp_path / "third"
    shutil.copytree(two, third)
    train_gpt(load_trainer_config(config_file, [*KEYS, f"output={third}"]))
    again = read_training_log(third)
    assert [line["loss"] for line in again] == pytest.approx([line["loss"] for line in expected], rel=1e-4)
    assert torchrun(config_file).returncode == 0
    assert [line["loss"] for line in read_training_log(two)] == [line["loss"] for line in lines]  # to the last bit
    assert (two / "checkpoints/8/model.safetensors").read_bytes() == weights


def test_sharded_processes_go_on_with_one_processs_run_and_write_what_it_would(config_file, tmp_path):
    """With Muon and AdamW, and with matrices that cannot be divided evenly."""
    keys = [*KEYS, "model.width=30", "model.heads=3", "model.feed_forward_width=33", "batch_size=3"]
    one, two = tmp_path / "one", tmp_path / "run"
    train_gpt(load_trainer_config(config_file, [*keys, f"output={one}"]))
    shutil.copytree(one, two)
    shutil.rmtree(two / "checkpoints/8")  # the run stands at step 4
    done = torchrun(config_file, *keys, "shard=true")
    assert done.returncode == 0, done.stderr
    lines, expected = read_training_log(two), read_training_log(one)
    assert len(lines) == 8
    for key in ("loss", "gradient_norm"):
        assert [line[key] for line in lines] == pytest.approx([line[key] for line in expected], rel=1e-4), key
    assert lines[-1]["validation_loss"] == pytest.approx(expected[-1]["validation_loss"], rel=1e-5)
    for name in ("model.safetensors", "optimizer.safetensors"):
        mine, other = (load_file(run / "checkpoints/8" / name) for run in (two, one))
        assert mine.keys() == other.keys()
        for key, value in mine.items():
            torch.testing.assert_close(value, other[key], rtol=1e-2, atol=1e-4)


def test_all_leave_together_unless_one_fails(monkeypatch):
    calls: list[str] = []
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    for name, result in {"init_process_group": None, "get_rank": 1, "get_world_size": 2}.items():
        monkeypatch.setattr(dist, name, lambda *_, result=result, **__: result)
    for name in ("barrier", "destroy_process_group"):
        monkeypatch.setattr(dist, name, lambda name=name: calls.append(name))
    with init_distributed(torch.device("cpu")) as (team, _):
        assert (team.rank, team.size, calls) == (1, 2, [])
    assert calls == ["barrier", "destroy_process_group"]
    with pytest.raises(OSError), init_distributed(torch.device("cpu")):
        raise OSError("the disk is full")
    assert calls[2:] == ["destroy_process_group"]


def test_passes_that_cannot_be_shared_are_one_line(config_file, tmp_path, fails, monkeypatch):
    monkeypatch.setattr("model.train.init_distributed", lambda device: nullcontext((ProcessGroup(0, 2), device)))
    line = fails("train", config_file, "--set", "gradient_accumulation=3")
    assert "gradient_accumulation: 3 forward passes cannot be shared evenly by 2" in line
    assert not (tmp_path / "run").exists()
