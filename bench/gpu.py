"""The trainer on one NVIDIA card: what never runs on a CPU, its speed, and tiny Shakespeare over seeds.

    python -m bench.gpu check         every path once: bf16, compiled, flex attention, NCCL, resume, out of memory
    python -m bench.gpu speed         124 M at T=1024, 1.3 B at T=2048: tokens/s, MFU, share of time waiting for data
    python -m bench.gpu shakespeare   the full model on `--text FILE` over ten seeds, and the wall time to 1.4697
    python -m bench.gpu sweep         the same over lengths and dropouts, one seed each, to choose the preset by

Each is meant to end within ten minutes on an H200 and needs no network; `python -m bench gpu` runs the three. `--set
a.b=value` lays keys of the trainer over all runs of a command. Runs lie in `--folder`, and are begun anew.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean, median, stdev

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer, models, pre_tokenizers

CONFIGS = Path(__file__).parent.parent / "model" / "configs"
TEXT = Path("../shared/data/text/tinyshakespeare.txt.gz")
VOCABULARY = 50_257  # GPT-2's
GOAL = 1.4697  # nanoGPT's validation loss
WARMING = 5  # steps that compile and settle, not counted
LLAMA = ["preset=llama", "model.width=256", "model.heads=4", "optimizer.learning_rate=0.001"]
WAYS: dict[str, list[str]] = {  # of `check`: what each lays over the same small model
    "plain": [],
    "compiled": ["compile=true"],
    "llama, muon": LLAMA,
    "llama, muon, compiled": [*LLAMA, "compile=true"],
    "documents apart": [*LLAMA, "model.document_mask=true"],
    "documents apart, compiled": [*LLAMA, "model.document_mask=true", "compile=true"],
    "documents apart, gpt2, compiled": ["model.document_mask=true", "compile=true"],
    "dropout, compiled": ["model.dropout=0.1", "compile=true"],
}
Run = tuple[Path, subprocess.CompletedProcess[str]]


def run(crawl: str) -> None:
    """Run all three, or say why not. `crawl` is for the other benchmarks."""
    import torch

    if not torch.cuda.is_available():
        print("no NVIDIA card here: nothing measured")
        return
    for command in ("check", "speed", "shakespeare"):
        main([command])


def main(argv: list[str] | None = None) -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.description = __doc__
    parser.add_argument("command", choices=("check", "speed", "shakespeare", "sweep"))
    parser.add_argument("--folder", type=Path, default=Path("out/bench-gpu"))
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    parser.add_argument("--text", type=Path, default=TEXT, help="tiny Shakespeare")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=3, help="seeds that share the card after the first")
    parser.add_argument("--tokens", type=float, default=24.0, help="millions in the synthetic corpus")
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    print(f"### {args.command}, on {device_name()}", flush=True)
    {"check": check, "speed": speed, "shakespeare": shakespeare, "sweep": sweep}[args.command](args)


def device_name() -> str:
    """Return the card's name and torch's version."""
    import torch

    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU"
    return f"{card}, torch {torch.__version__}"


def train(name: str, config: str, folder: Path, keys: list[str], torchrun: bool = False, fresh: bool = True) -> Run:
    """Train in a process of its own and return its folder with what it said."""
    output = folder / name
    if fresh:
        shutil.rmtree(output, ignore_errors=True)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"] if torchrun else []
    command = [sys.executable, *launch, "-m", "model", "train", str(CONFIGS / config), "--set", *keys]
    done = subprocess.run([*command, f"output={output}"], capture_output=True, text=True)
    return output, done


def log(output: Path) -> list[dict[str, float]]:
    """Return a run's log, empty where there is none."""
    path = output / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line on stderr."""
    return (done.stderr.strip().splitlines() or ["nothing"])[-1]


def write_corpus(folder: Path, millions: float) -> Path:
    """Write a corpus of words by Zipf's law and a tokenizer with a token a word, GPT-2's number of them."""
    out = folder / "corpus"
    if (out / "tokenizer/tokenizer.json").exists():
        return out
    words = np.array(["<|endoftext|>", *(f"w{n}" for n in range(VOCABULARY - 1))])
    shards = {"train": max(2, round(millions / 3)), "validation": 1}
    for split, count in shards.items():
        (out / "corpus" / split).mkdir(parents=True, exist_ok=True)
        for shard in range(count):
            draw = np.random.default_rng([count, shard])
            size = 3_000_000 if split == "train" else 20_000
            ids = np.minimum(draw.zipf(1.2, size), VOCABULARY - 1)
            texts = [" ".join(words[part]) for part in np.split(ids, range(600, size, 600))]
            pq.write_table(pa.table({"text": texts}), out / f"corpus/{split}/{shard:05}.parquet")
    tokenizer = Tokenizer(models.WordLevel({str(word): index for index, word in enumerate(words)}))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    (out / "tokenizer").mkdir(exist_ok=True)
    tokenizer.save(str(out / "tokenizer/tokenizer.json"))
    return out


def check(args: argparse.Namespace) -> None:
    """Run each path for a few steps of the same small model and compare losses; print what failed, in its own words."""
    out = write_corpus(args.folder, args.tokens)
    small = [f"data={out}", "steps=12", "batch_size=8", "gradient_accumulation=2", "compile=false", "evaluate_every=6"]
    small += ["checkpoint.every=6", "schedule.warmup=0.04", "model.depth=4", "model.width=768", "model.heads=12"]
    small += ["model.context=256", *args.set]
    losses: dict[str, list[float]] = {}
    for name, keys in WAYS.items():
        output, done = train(name.replace(", ", "-").replace(" ", "-"), "gpt2-124m.yaml", args.folder, [*small, *keys])
        losses[name] = [line["loss"] for line in log(output)]
        plain = losses.get(name.removesuffix(", compiled"))
        off = max((abs(a - b) for a, b in zip(plain, losses[name], strict=False)), default=0.0) if plain else 0.0
        report(name, done, f"loss {losses[name][-1]:.4f}, off by {off:.4f}" if losses[name] else "no step")
    output, done = train("nccl", "gpt2-124m.yaml", args.folder, small, torchrun=True)
    report("torchrun, one process", done, same(output, losses["plain"]))
    last = max((args.folder / "plain/checkpoints").glob("[0-9]*"), key=lambda path: int(path.name), default=None)
    if last is not None:
        shutil.rmtree(last)
    output, done = train("plain", "gpt2-124m.yaml", args.folder, small, fresh=False)
    report("resume", done, same(output, losses["plain"]))
    for words in (["sample", str(output), "--tokens", "40"], ["export", str(output), str(args.folder / "hf")]):
        shutil.rmtree(args.folder / "hf", ignore_errors=True)
        report(words[0], subprocess.run([sys.executable, "-m", "model", *words], capture_output=True, text=True), "")
    _, done = train("huge", "gpt2-124m.yaml", args.folder, [*small, "model.context=1024", "batch_size=8192"])
    print(f"{'a batch of 8,192 x 1,024':34} exit {done.returncode}: {said(done)}", flush=True)


def same(output: Path, losses: list[float]) -> str:
    """Return how the losses of a run differ from those of the plain one."""
    mine = [line["loss"] for line in log(output)]
    off = max((abs(a - b) for a, b in zip(mine, losses, strict=False)), default=0.0)
    return "losses equal to the last bit" if mine == losses else f"losses off by {off:.1e}"


def report(name: str, done: subprocess.CompletedProcess[str], what: str) -> None:
    """Print a line: well, or the failure's last words."""
    print(f"{name:34} {'ok    ' + what if not done.returncode else 'FAILED ' + said(done)}", flush=True)


def speed(args: argparse.Namespace) -> None:
    """Print tokens/s and MFU, medians of the steps after the first few, and the share of time spent waiting."""
    out = write_corpus(args.folder, args.tokens)
    attention_kernels()
    plans = {
        "124 M, T=1024": ("gpt2-124m.yaml", ["steps=30"]),
        "124 M, T=1024, documents apart": ("gpt2-124m.yaml", ["steps=20", "model.document_mask=true"]),
        "1.3 B, T=2048": ("gpt2-1.3b.yaml", ["steps=12", "gradient_accumulation=8"]),
    }
    for name, (config, keys) in plans.items():
        rest = ["evaluate_every=1000000", "checkpoint.every=1000000", "optimizer.spike_sigmas=0", *args.set]
        began = time.monotonic()
        output, done = train("speed", config, args.folder, [f"data={out}", *keys, *rest])
        lines = log(output)[WARMING:]
        if done.returncode or not lines:
            report(name, done, "too few steps")
            continue
        spans = [now["seconds"] - before["seconds"] for before, now in zip(lines, lines[1:], strict=False)]
        waited = sum(line["waited"] for line in lines[1:]) / max(1e-9, sum(spans))
        mfu = f"{100 * median(line['mfu'] for line in lines):.1f} % MFU, " if "mfu" in lines[0] else ""
        tokens = median(line["tokens_per_second"] for line in lines)
        print(
            f"{name:34} {tokens:9,.0f} tokens/s, {mfu}{100 * waited:.2f} % waiting for data; "
            f"first step {log(output)[0]['seconds']:.0f} s, all {time.monotonic() - began:.0f} s",
            flush=True,
        )
        shutil.rmtree(output)


def attention_kernels() -> None:
    """Print the time of causal attention, forward and backward, by each fused kernel that SDPA may choose."""
    import torch
    import torch.nn.functional as F
    from torch.nn.attention import SDPBackend, sdpa_kernel

    if not torch.cuda.is_available():
        return
    for shape in ((64, 12, 1024, 64), (8, 16, 2048, 128)):
        q, k, v = (torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
        for name in ("FLASH_ATTENTION", "CUDNN_ATTENTION"):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            try:
                with sdpa_kernel(getattr(SDPBackend, name)):
                    for step in range(13):
                        if step == 3:
                            start.record()
                        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
                        y.backward(y.detach())
                    end.record()
                torch.cuda.synchronize()
                print(f"attention {shape}, {name.lower()}: {start.elapsed_time(end) / 10:.2f} ms", flush=True)
            except RuntimeError as error:
                print(f"attention {shape}, {name.lower()}: {str(error).splitlines()[0]}", flush=True)


def shakespeare(args: argparse.Namespace) -> None:
    """Train the ladder's last step with every seed; print whole-validation losses and the time to nanoGPT's 1.4697."""
    plans = {f"seed {seed}": [f"seed={seed}"] for seed in range(args.seeds)}
    finals, bests = [], []
    for evaluated in train_on_text(args, plans):
        finals.append(evaluated[-1]["validation_loss"])
        bests.append(min(line["validation_loss"] for line in evaluated))
    if len(finals) > 1:
        print(f"mean of {len(finals)}: final {fmean(finals):.4f} ± {stdev(finals):.4f}, best {fmean(bests):.4f}")


def sweep(args: argparse.Namespace) -> None:
    """Train the ladder's last step for each length with each dropout."""
    grid = [(steps, dropout) for steps in (1000, 1500, 2000, 3000) for dropout in (0.2, 0.3, 0.4)]
    train_on_text(args, {f"{steps} steps, dropout {d}": [f"steps={steps}", f"model.dropout={d}"] for steps, d in grid})


def train_on_text(args: argparse.Namespace, plans: dict[str, list[str]]) -> list[list[dict[str, float]]]:
    """Train each plan, the first alone so that its time counts, print a line for it, and return its evaluations."""
    if not args.text.is_file():
        print(f"{args.text} is not there; --text FILE names tiny Shakespeare")
        return []
    keys = [f"data={args.text.resolve()}", "evaluate_every=125", "checkpoint.every=100000"]

    def one(name: str) -> Run:
        folder = name.replace(" ", "-").replace(",", "")
        return train(folder, "ladder-7-full.yaml", args.folder, [*keys, *plans[name], *args.set])

    found = []
    os.environ.setdefault("OMP_NUM_THREADS", "4")
    names = list(plans)
    with ThreadPoolExecutor(args.at_once) as pool:
        first = one(names[0])
        for name, (output, done) in zip(names, [first, *pool.map(one, names[1:])], strict=True):
            evaluated = [line for line in log(output) if "validation_loss" in line]
            if done.returncode or not evaluated:
                report(name, done, "no evaluation")
                continue
            best = min(evaluated, key=lambda line: line["validation_loss"])
            there = next((line for line in evaluated if line["validation_loss"] <= GOAL), None)
            reached = f"{there['seconds']:.0f} s, step {there['step']}" if there else "never"
            alone = "alone" if name == names[0] else f"{args.at_once} at once"
            print(
                f"{name}: final {evaluated[-1]['validation_loss']:.4f}, best {best['validation_loss']:.4f} at step "
                f"{best['step']}, {GOAL} reached: {reached}; {evaluated[-1]['seconds']:.0f} s in all ({alone})",
                flush=True,
            )
            found.append(evaluated)
    return found


if __name__ == "__main__":
    main()
