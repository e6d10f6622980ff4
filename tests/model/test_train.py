import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from model import checkpoint, run_folder
from model import tokenizer as tokenizer_files
from model.__main__ import main
from model.config import ScheduleConfig, TrainerError
from model.config_reader import build_trainer_config, load_trainer_config
from model.data import BatchPrefetcher, open_corpus
from model.optimizer import learning_rate_scale
from model.run_folder import lock_run_folder, read_training_log
from model.train import Trainer, train_gpt
from tests.model.conftest import sentences, write_shard
from tests.model.test_gpt import randomised
from tests.shared import ROOT

STEPS = 160
RESUME = [f"steps={STEPS}", "gradient_accumulation=2", "model.dropout=0.1", "evaluate_every=40", "checkpoint.every=10"]


def without_time(run: Path) -> list[dict[str, float]]:
    times = ("seconds", "tokens_per_second", "waited")
    return [{key: value for key, value in line.items() if key not in times} for line in read_training_log(run)]


# The trainer, killed before the step that is its first argument: no other process has to be in time for it.
KILLED = """
import os, signal, sys
from model.__main__ import main
from model.train import Trainer

step, last = Trainer.train_step, int(sys.argv[1])

def train_or_die(self):
    if self.step == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self)

Trainer.train_step = train_or_die
sys.exit(main(sys.argv[2:]))
"""


def start_training(config_file: Path, output: Path, keys: list[str]) -> subprocess.Popen[str]:
    """Train in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "model", "train", str(config_file), "--set", *keys, f"output={output}"],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for_log(process: subprocess.Popen[str], output: Path, lines: int) -> None:
    """Wait until the log has so many lines."""
    deadline = time.monotonic() + 100
    while process.poll() is None and time.monotonic() < deadline and len(read_training_log(output)) < lines:
        time.sleep(0.005)


def kill_at(config_file: Path, output: Path, step: int) -> None:
    """Train in a process of its own, which dies after so many steps as by kill -9."""
    arguments = [str(step), "train", str(config_file), "--set", *RESUME, f"output={output}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(read_training_log(output)) == step


def test_killed_twice_and_a_checkpoint_torn_the_curve_is_equal_to_the_last_bit(tmp_path, config_file, capsys):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train_gpt(load_trainer_config(config_file, [*RESUME, f"output={whole}"]))
    kill_at(config_file, killed, 25)
    kill_at(config_file, killed, 90)
    newest = checkpoint.list_checkpoint_steps(killed / "checkpoints")[-1]
    weights = killed / "checkpoints" / str(newest) / checkpoint.MODEL
    weights.write_bytes(weights.read_bytes()[:-1])
    with (killed / "log.jsonl").open("a") as log:  # as after a power cut
        log.write('\0\0\0\n{"step": 4}\n{"step": 4')
    capsys.readouterr()
    train_gpt(load_trainer_config(config_file, [*RESUME, f"output={killed}"]))
    assert f"{newest}: this checkpoint is damaged" in capsys.readouterr().err
    assert [line["step"] for line in read_training_log(killed)] == list(range(1, STEPS + 1))
    assert without_time(killed) == without_time(whole)
    for name in (checkpoint.MODEL, checkpoint.OPTIMIZER):
        first, second = ((run / f"checkpoints/{STEPS}" / name).read_bytes() for run in (whole, killed))
        assert first == second
    assert checkpoint.list_checkpoint_steps(killed / "checkpoints") == [STEPS - 10, STEPS]


@pytest.mark.parametrize(("number", "name", "code"), [(signal.SIGTERM, "SIGTERM", 143), (signal.SIGINT, "SIGINT", 130)])
def test_a_signal_ends_the_run_with_a_checkpoint_and_one_line_and_it_resumes(tmp_path, config_file, number, name, code):
    keys = ["steps=3000", "evaluate_every=100000", "checkpoint.every=100000"]
    process = start_training(config_file, tmp_path / "run", keys)
    wait_for_log(process, tmp_path / "run", 5)
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == code, errors
    step = checkpoint.list_checkpoint_steps(tmp_path / "run/checkpoints")[-1]
    assert errors.splitlines()[1:] == [f"model: stopped by {name}; the same command continues from step {step}"]
    log = read_training_log(tmp_path / "run")
    assert log[-1]["step"] == step and 5 <= step < 3000
    config = load_trainer_config(config_file, keys)
    with closing(open_corpus(config)) as corpus:
        trainer = Trainer(config, corpus, torch.device("cpu"), tmp_path / "run")
        assert trainer.step == step and read_training_log(tmp_path / "run") == log


def test_a_signal_while_the_run_waits_for_tokens_ends_it_too(tmp_path, config_file, monkeypatch, capsys):
    """Nothing is trained meanwhile, so it ends at once, with a checkpoint of the steps that were done."""
    get_batch = BatchPrefetcher.get_batch

    def wait(self, key, following):
        if key[0] == 3:
            signal.raise_signal(signal.SIGTERM)
            time.sleep(30)
        return get_batch(self, key, following)

    monkeypatch.setattr(BatchPrefetcher, "get_batch", wait)
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert main(["train", str(config_file), "--set", "checkpoint.every=100"]) == 143
    assert "stopped by SIGTERM; the same command continues from step 3\n" in capsys.readouterr().err
    assert checkpoint.list_checkpoint_steps(tmp_path / "run/checkpoints") == [3]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_what_a_killed_run_left_is_removed_when_it_resumes(config_file, tmp_path):
    train_gpt(load_trainer_config(config_file, ["steps=4"]))
    run = tmp_path / "run"
    (run / "checkpoints/.writing-3").mkdir()
    (run / ".log.jsonl.tmp-killed").touch()
    shutil.rmtree(run / "checkpoints/4")
    train_gpt(load_trainer_config(config_file, ["steps=4"]))
    assert not [path for path in run.rglob(".*") if path.name != ".lock"]


def test_a_run_leaves_what_the_contract_names_and_is_not_done_twice(config_file, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["train", str(config_file)]) == 0
    lines = read_training_log(run)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line["tokens"] for line in lines] == [32 * step for step in range(1, 7)]
    assert {"step", "loss", "tokens", "seconds"} <= set(lines[0])
    assert ["validation_loss" in line and "bits_per_byte" in line for line in lines] == [False, False, True] * 2
    assert (run / "loss.png").read_bytes()[:4] == b"\x89PNG"
    assert load_trainer_config(run / "config.yaml") == load_trainer_config(config_file)
    assert sorted(path.name for path in (run / "checkpoints/6").iterdir()) == sorted(
        [checkpoint.MODEL, checkpoint.OPTIMIZER, checkpoint.STATE]
    )
    capsys.readouterr()
    assert main(["train", str(config_file)]) == 0
    assert "complete (6 steps)" in capsys.readouterr().out
    assert read_training_log(run) == lines


def test_what_is_not_this_run_is_refused_with_what_differs(config_file, tmp_path, out, fails):
    train_gpt(load_trainer_config(config_file))
    assert "optimizer.gradient_clip: 1.0 -> 2.0" in fails("train", config_file, "--set", "optimizer.gradient_clip=2")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").touch()
    assert "is not a run" in fails("train", config_file, "--set", f"output={tmp_path}/full")
    write_shard(out / "corpus/train/00000.parquet", sentences(60, 5))
    assert "is not the data that" in fails("train", config_file)
    with lock_run_folder(tmp_path / "held"):
        assert "another process" in fails("train", config_file, "--set", f"output={tmp_path}/held")
    assert "no run here" in fails("sample", tmp_path / "none")
    assert "no undamaged checkpoint" in fails("sample", checkpointless(tmp_path, config_file))


def test_what_ended_before_its_first_step_is_tried_again_with_another_config(config_file, tmp_path, out, monkeypatch):
    monkeypatch.setattr(
        Trainer, "accumulate_gradients", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("full"))
    )
    assert main(["train", str(config_file)]) == 2
    monkeypatch.undo()
    assert read_training_log(tmp_path / "run") == [] and (tmp_path / "run/config.yaml").exists()
    keys = ["batch_size=1", "gradient_accumulation=2", f"tokenizer={tmp_path}/other.json"]
    content = json.loads((out / "tokenizer/tokenizer.json").read_text())
    content["model"]["merges"].pop()
    (tmp_path / "other.json").write_text(json.dumps(content))
    train_gpt(load_trainer_config(config_file, keys))
    assert load_trainer_config(tmp_path / "run/config.yaml").batch_size == 1
    assert (
        run_folder.load_trained_run(tmp_path / "run", "cpu").tokenizer.to_str()
        == tokenizer_files.load_tokenizer_file(tmp_path / "other.json").to_str()
    )
    (tmp_path / "run/config.yaml").write_text("steps: [")
    with pytest.raises(TrainerError, match="config.yaml: not YAML"):
        train_gpt(load_trainer_config(config_file, keys))


def test_another_models_checkpoint_and_a_full_disk_are_one_line(config_file, tmp_path, fails, monkeypatch):
    train_gpt(load_trainer_config(config_file))
    for keys in (["model.width=64"], ["preset=gpt2", "model.depth=2"]):
        other = tmp_path / keys[-1]
        train_gpt(load_trainer_config(config_file, [*keys, f"output={other}"]))
        shutil.copytree(other / "checkpoints/6", tmp_path / "run/checkpoints/6", dirs_exist_ok=True)
        assert "another model's weights: " in fails("sample", tmp_path / "run")

    def full(tensors, path, metadata):
        Path(path).touch()
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    assert "No space left" in fails("export", other, tmp_path / "hf") and not (tmp_path / "hf").exists()
    keys = ["train", str(config_file), "--set", f"output={tmp_path}/full"]
    assert main(keys) == 2  # its last line is looked at above; progress lines stand before it
    assert not list((tmp_path / "full/checkpoints").iterdir())
    monkeypatch.undo()
    assert main(keys) == 0


@pytest.mark.parametrize("name", [checkpoint.STATE, checkpoint.MODEL, checkpoint.OPTIMIZER])
def test_a_torn_checkpoint_is_named_and_passed_over(config_file, tmp_path, capsys, name):
    train_gpt(load_trainer_config(config_file, ["steps=4"]))
    folder = tmp_path / "run/checkpoints"
    (folder / ".writing-6").mkdir()  # killed while it wrote
    whole = (folder / "4" / name).read_bytes()
    for torn in (whole[:-2], b"", b"[]", whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], None):
        (folder / "4" / name).write_bytes(torn) if torn is not None else (folder / "4" / name).unlink()
        found = checkpoint.find_newest_checkpoint(folder)
        assert found is not None and found[0].name == "2"
        assert capsys.readouterr().err.endswith("4: this checkpoint is damaged; taking the one before it\n")
    shutil.rmtree(folder / "2")
    assert checkpoint.find_newest_checkpoint(folder) is None
    assert capsys.readouterr().err.endswith("4: this checkpoint is damaged; there is none before it\n")


def checkpointless(tmp_path: Path, config_file: Path) -> Path:
    """A run killed before its first checkpoint."""
    (tmp_path / "young").mkdir()
    (tmp_path / "young/config.yaml").write_text(config_file.read_text())
    return tmp_path / "young"


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_small_text_is_learned_by_heart_and_written_down(tmp_path, optimizer, capsys):
    line = "the quick brown fox jumps over the lazy dog; "
    (tmp_path / "a.txt").write_text(line * 20)
    (tmp_path / "c.yaml").write_text(
        f"data: {tmp_path}/a.txt\noutput: {tmp_path}/run\nsteps: 120\nbatch_size: 4\nevaluate_every: 60\n"
        f"optimizer: {{name: {optimizer}, learning_rate: 0.01}}\n"
        "model: {depth: 2, width: 32, heads: 2, context: 32}\n"
    )
    assert main(["train", str(tmp_path / "c.yaml")]) == 0
    assert read_training_log(tmp_path / "run")[-1]["loss"] < 0.3
    capsys.readouterr()
    command = ["sample", str(tmp_path / "run"), "--prompt", line[:20], "--tokens", "60", "--temperature", "0"]
    assert main(command) == 0
    assert capsys.readouterr().out.rstrip("\n") == (line * 2)[:80]


def test_bits_per_byte_of_the_validation_set_is_its_whole_loss(config_file, out):
    """Counted by hand, token by token, on a model that has learned a little."""
    train_gpt(load_trainer_config(config_file, ["steps=20"]))
    config = load_trainer_config(config_file, ["steps=20"])
    trainer = Trainer(config, open_corpus(config), torch.device("cpu"), Path(config.output))
    ids = torch.from_numpy(trainer.data.validation.ids.astype("int64"))
    nats = 0.0
    for start in range(0, len(ids) - 1, 16):
        row = ids[start : start + 17]
        logp = trainer.model.eval()(row[None, :-1]).log_softmax(-1)[0]
        nats -= sum(logp[t, row[t + 1]].item() for t in range(len(row) - 1))
    last = read_training_log(Path(config.output))[-1]
    size = sum(len(text.encode()) for text in sentences(20, 7))
    assert last["validation_loss"] == pytest.approx(nats / (len(ids) - 1), rel=1e-5)
    assert last["bits_per_byte"] == pytest.approx(nats / 0.6931471805599453 / size, rel=1e-5)


def test_the_decay_phase_draws_its_share_from_the_anneal_set(config_file):
    keys = ["steps=10", "schedule.decay=0.5", "schedule.anneal=0.5", "batch_size=4", "checkpoint.every=100"]
    config = load_trainer_config(config_file, keys)
    train_gpt(config)
    trainer = Trainer(config, open_corpus(config), torch.device("cpu"), Path(config.output))
    assert trainer.decay_from == 5
    seen, annealed = [], []
    for trainer.step in range(10):
        tokens, targets = trainer.make_batch(trainer.step, 5 if trainer.step >= 5 else None)
        table = np.concatenate((tokens, targets[:, -1:]), axis=1)
        seen += table[:2].tolist() if trainer.step >= 5 else table.tolist()
        annealed += table[2:].tolist() if trainer.step >= 5 else []
    assert seen == trainer.train_rows.get_rows(0, 30).tolist()  # none skipped, none twice
    assert annealed == trainer.anneal_rows.get_rows(0, 10).tolist()


@pytest.mark.parametrize(("rows", "share", "expected"), [(4, 0, 0), (4, 1, 20), (1, 0.5, 2), (3, 0.5, 8), (4, 0.3, 6)])
def test_any_share_of_the_anneal_set_is_kept_to_over_the_decay_phase(config_file, rows, share, expected):
    keys = ["steps=10", "schedule.decay=0.5", f"schedule.anneal={share}", f"batch_size={rows}"]
    config = load_trainer_config(config_file, keys)
    train_gpt(config)
    trainer = Trainer(config, open_corpus(config), torch.device("cpu"), Path(config.output))
    seen = [row for step in range(5, 10) for row in torch.cat(trainer.make_batch(step, 5), dim=1).tolist()]
    tables = (set(), trainer.train_rows.get_rows(5 * rows, 5 * rows), trainer.anneal_rows.get_rows(0, 5 * rows))
    before, after = ([row[:-1].tolist() + row[1:].tolist() for row in table] for table in tables[1:])
    assert sorted(seen) == sorted(before[: 5 * rows - expected] + after[:expected])


def test_every_step_drops_other_features_and_the_same_ones_when_done_again(config_file, monkeypatch):
    config = load_trainer_config(config_file, ["model.dropout=0.5", "optimizer.learning_rate=1e-30"])
    Path(config.output).mkdir()
    trainer = Trainer(config, open_corpus(config), torch.device("cpu"), Path(config.output))
    trainer.model.load_state_dict(randomised(config.model, trainer.model.vocabulary).state_dict())
    rows = torch.arange(34).view(2, 17)
    monkeypatch.setattr(trainer.prefetcher, "make", lambda step, phase: (rows[:, :-1], rows[:, 1:]))
    losses = [trainer.train_step()["loss"] for trainer.step in (0, 1, 0)]
    assert losses[0] == losses[2] != losses[1]


def test_the_learning_rate_rises_stays_and_falls_to_zero():
    schedule = ScheduleConfig(warmup=0.1, decay=0.4)
    scales = [learning_rate_scale(p, schedule) for p in (0, 0.05, 0.1, 0.6, 0.8, 1)]
    assert scales == pytest.approx([0, 0.5, 1, 1, 0.5, 0])


def test_minutes_stop_by_the_clock(config_file, tmp_path):
    train_gpt(load_trainer_config(config_file, ["steps=null", "minutes=0.05", "evaluate_every=1000"]))
    log = read_training_log(tmp_path / "run")
    last = log[-1]
    assert log[-2]["seconds"] <= 3.0 <= last["seconds"] and "bits_per_byte" in last
    assert last["learning_rate"] < max(entry["learning_rate"] for entry in log)  # it decays towards the end
    assert checkpoint.list_checkpoint_steps(tmp_path / "run/checkpoints")[-1] == last["step"]


def test_by_the_clock_the_first_step_learns_and_a_run_that_learned_nothing_says_so(
    config_file, tmp_path, capsys, monkeypatch
):
    keys = ["steps=null", "minutes=0.02", "evaluate_every=1000", "optimizer.learning_rate=1e-9"]
    train_gpt(load_trainer_config(config_file, keys))
    assert read_training_log(tmp_path / "run")[0]["learning_rate"] > 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "learned next to nothing" in line]
    assert len(lines) == 1 and "for the frequencies of the tokens alone; give it more minutes" in lines[0]
    monkeypatch.setattr(Trainer, "evaluate", lambda self: {"validation_loss": 3.0})  # 3.2 for the frequencies
    train_gpt(load_trainer_config(config_file, [*keys, f"output={tmp_path}/other"]))
    assert "learned next to nothing" not in capsys.readouterr().err


def test_a_loss_that_blows_up_stops_the_run_and_keeps_the_last_whole_checkpoint(config_file, tmp_path, fails):
    keys = ["steps=40", "optimizer.learning_rate=1e25", "optimizer.gradient_clip=0", "optimizer.name=adamw"]
    line = fails_last(fails, config_file, keys)
    assert "learning rate below 1e+25" in line
    assert all(json.dumps(entry).find("NaN") < 0 for entry in read_training_log(tmp_path / "run"))


def fails_last(fails, config_file: Path, keys: list[str]) -> str:
    """Train in a process of its own: the progress lines stand before the error."""
    done = subprocess.run(
        [sys.executable, "-m", "model", "train", str(config_file), "--set", *keys],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_help_does_not_wait_for_torch():
    code = "import sys, model.__main__ as m; m.make_parser().format_help(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_the_shipped_configs_are_valid_and_within_their_limits():
    from model.gpt import GPT

    # The runs that the demo's fine-tuning starts from are not here.
    configs = {path.stem: load_trainer_config(path, stored=True) for path in (ROOT / "model/configs").glob("*.yaml")}
    config = configs["shakespeare-char-cpu"]
    assert GPT(config.model, 65).count_parameters() <= 810_000
    assert config.steps * config.batch_size * config.gradient_accumulation * config.model.context <= 1_540_000
    assert configs["demo"].minutes == 1
    assert 10.6e6 < GPT(configs["ladder-7-full"].model, 65).count_parameters() < 10.8e6
    assert build_trainer_config({"data": "x", "output": "y", "steps": 1, "preset": "char"}).model.dropout == 0.2


def test_every_step_of_the_ladder_runs_and_learns(tmp_path):
    """All but the last, which needs a GPU."""
    text = "To be, or not to be, that is the question: whether 'tis nobler in the mind to suffer. " * 40
    (tmp_path / "a.txt").write_text(text)
    for path in sorted((ROOT / "model/configs").glob("ladder-[1-6]*.yaml")):
        keys = [f"data={tmp_path}/a.txt", f"output={tmp_path}/{path.stem}", "steps=80", "optimizer.learning_rate=0.02"]
        train_gpt(load_trainer_config(path, keys))
        lines = read_training_log(tmp_path / path.stem)
        assert lines[-1]["validation_loss"] < 2.6 < lines[0]["loss"], path.stem
