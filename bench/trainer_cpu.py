"""The trainer on a CPU beside a trainer like nanoGPT: CPU time a step, and CPU time to a loss.

    python -m bench trainer_cpu                        CPU time a step at nanoGPT's CPU setting, in turns, one thread
    python -m bench.trainer_cpu --text FILE            instead: the CPU time to nanoGPT's loss on tiny Shakespeare

The setting is 4 layers, 4 heads, width 128, 12 rows of 64 characters. The peer is `bench/peers/nano_gpt.py`. For the
loss, the peer does its 2,000 steps, and ours the run of `model/configs/shakespeare-char-short.yaml`, in turns. Both are
evaluated on the whole last tenth of the text, in rows of 64 characters; that is not counted in the CPU time.
`ONEDNN_MAX_CPU_ISA=AVX2` shows what a CPU without bf16 units does.
"""

import argparse
import gzip
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from bench.peers.nano_gpt import NanoConfig, NanoTrainer
from model.config_reader import load_trainer_config
from model.data import open_corpus
from model.train import Trainer

CONFIG, SHORT = "shakespeare-char-cpu", "shakespeare-char-short"  # in model/configs
ROUNDS, STEPS = 7, 10  # rounds in turns, and steps of each arm in a round
NANO_GPT = "like nanoGPT (AdamW)"
ARMS = {
    "ours, Muon": [],
    "ours, AdamW": ["optimizer.name=adamw"],
    "ours, AdamW, GPT-2's shape": ["optimizer.name=adamw", "preset=gpt2"],
}


def run(crawl: str) -> None:
    """Print the CPU time a step. `crawl` is for the other benchmarks."""
    torch.set_num_threads(1)
    letters = "\n !$&',-.3:;?" + "".join(chr(code) for code in [*range(65, 91), *range(97, 123)])
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        text.write_text("".join(random.Random(0).choices(letters, k=300_000)))
        print_step_times(text, Path(folder))


def make_trainer(text: Path, output: Path, keys: list[str], name: str = CONFIG) -> Trainer:
    """Return a trainer of a config in model/configs on a text."""
    config = load_trainer_config(name, [f"data={text}", f"output={output}", "device=cpu", *keys])
    output.mkdir(parents=True)
    return Trainer(config, open_corpus(config), torch.device("cpu"), output)


def print_step_times(text: Path, folder: Path) -> None:
    """Time every arm in turns; print CPU milliseconds a step, and the ratio to the peer of the same round."""
    steps: dict[str, Callable[[], object]] = {}
    config = NanoConfig()
    steps[NANO_GPT] = NanoTrainer(config, torch.randint(config.vocabulary, (300_000,))).train_step
    for number, (name, keys) in enumerate(ARMS.items()):
        steps[name] = make_trainer(text, folder / str(number), keys).train_step
    rounds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(ROUNDS + 1):
        for name, step in steps.items():
            start = time.process_time()
            for _ in range(STEPS):
                step()
            if number:  # the first round is a warm-up
                rounds[name].append(1000 * (time.process_time() - start) / STEPS)
    print(f"| one thread, {ROUNDS} rounds of {STEPS} steps | CPU ms a step, median | best | ratio to the peer |")
    print("|---|---|---|---|")
    for name, times in rounds.items():
        ratio = median(mine / peer for mine, peer in zip(times, rounds[NANO_GPT], strict=True))
        print(f"| {name} | {median(times):.1f} | {min(times):.1f} | {ratio:.2f} |")


def print_losses(text: Path) -> None:
    """Train the peer and ours in turns, each to its own end; print their losses and CPU times."""
    torch.set_num_threads(1)
    raw = gzip.decompress(text.read_bytes()) if text.suffix == ".gz" else text.read_bytes()
    content = raw.decode()
    letters = {letter: number for number, letter in enumerate(sorted(set(content)))}
    ids = torch.tensor([letters[letter] for letter in content])
    cut = int(0.9 * len(ids))
    peer = NanoTrainer(NanoConfig(vocabulary=len(letters)), ids[:cut])
    with tempfile.TemporaryDirectory() as folder:
        ours = make_trainer(text, Path(folder) / "run", [], SHORT)
        assert ours.config.steps is not None
        peer_seconds = our_seconds = 0.0
        while not ours.is_finished:
            our_seconds += measure_cpu_time(ours.train_step)
            while peer.step * ours.config.steps < peer.config.steps * ours.step:
                peer_seconds += measure_cpu_time(peer.train_step)
        goal, loss = peer.validation_loss(ids[cut:]), ours.evaluate()["validation_loss"]
    print(f"{NANO_GPT}: {goal:.3f} after {peer.step:,} steps and {peer_seconds:.1f} CPU s")
    share = our_seconds / peer_seconds
    print(f"ours, Muon: {loss:.3f} after {ours.step:,} steps and {our_seconds:.1f} CPU s, {share:.2f} of that time")


def measure_cpu_time(step: Callable[[], object]) -> float:
    """Do a step; return the CPU seconds of this process that it took."""
    start = time.process_time()
    step()
    return time.process_time() - start


def main() -> None:
    """Run one of the two parts."""
    parser = argparse.ArgumentParser(prog="python -m bench.trainer_cpu", description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, help="tiny Shakespeare (.txt or .txt.gz)")
    arguments = parser.parse_args()
    if arguments.text:
        print_losses(arguments.text)
    else:
        run("")


if __name__ == "__main__":
    main()
