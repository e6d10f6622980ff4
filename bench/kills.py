"""Kills a run again and again, in all three jobs and in all its processes, and compares what comes out in the end.

`python -m bench kills --count 40`: the main process gets SIGKILL, SIGTERM or SIGINT; a worker, the server of which
workers are forks, or the sandbox of an engine gets SIGKILL. After some kills the run is left alone, and its files must
be those of a run that was never disturbed.
"""

import hashlib
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from pipeline.warc.reader import CrawlRecord, read_crawl_records

ROOT = Path(__file__).parents[1]
PAGES = 120
COMPARED = ("corpus", "tokenizer", "documents", "rejected", "duplicates", "ledger.json", "README.md")
BEGUN = {"extract": ".work/extract/*/*", "dedup": ".work/extract.json", "publish": ".work/dedup.json"}
PER_OUTPUT = 4  # kills before a run is left alone


class Attack(NamedTuple):
    """In which job which process gets which signal."""

    job: str
    process: str
    number: signal.Signals


ATTACKS = (
    Attack("extract", "main", signal.SIGKILL),
    Attack("extract", "worker", signal.SIGKILL),
    Attack("dedup", "main", signal.SIGKILL),
    Attack("publish", "main", signal.SIGTERM),
    Attack("extract", "main", signal.SIGTERM),
    Attack("extract", "sandbox", signal.SIGKILL),
    Attack("dedup", "main", signal.SIGINT),
    Attack("publish", "main", signal.SIGKILL),
    Attack("extract", "server", signal.SIGKILL),
)


def take_sample(folder: Path) -> list[str]:
    """Write the first records of the demo's crawl as three files, and return their paths."""
    sample = ROOT / "demo" / "sample.warc.gz"
    with open(sample, "rb") as source:
        records = (item for item in read_crawl_records(source) if isinstance(item, CrawlRecord))
        ends = [item.offset + item.length for item in itertools.islice(records, PAGES)]
    data, bounds = sample.read_bytes(), [0, ends[PAGES // 3], ends[2 * PAGES // 3], ends[-1]]
    paths = []
    for n, (start, end) in enumerate(itertools.pairwise(bounds)):
        (folder / f"{n}.warc.gz").write_bytes(data[start:end])
        paths.append(str(folder / f"{n}.warc.gz"))
    return paths


def digest_output(output: Path) -> dict[str, str]:
    """Return a hash of each file that a user sees."""
    files = [path for name in COMPARED for path in ([output / name] if (output / name).is_file() else [])]
    files += [path for name in COMPARED for path in (output / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def find_processes(main: int) -> dict[str, list[int]]:
    """Return the running processes of a run by what they are: main, server (of the forks), worker, sandbox."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError):
                continue
    found: dict[str, list[int]] = {"main": [main], "server": [], "worker": [], "sandbox": []}
    for pid in parents:
        above, seen = parents.get(pid), 0
        while above and above != main and seen < 10:
            above, seen = parents.get(above), seen + 1
        if above != main:
            continue
        command = read_command(pid)
        if b"pipeline.html.engines" in command:
            found["sandbox"].append(pid)
        elif b"resource_tracker" not in command:  # multiprocessing's, which is none of these
            found["server" if parents[pid] == main else "worker"].append(pid)
    return found


def read_command(pid: int) -> bytes:
    """Return the command line of a process; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def start_run(config: Path) -> subprocess.Popen[str]:
    """Start a run."""
    command = [sys.executable, "-m", "pipeline", "run", str(config)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )


def attack(process: subprocess.Popen[str], output: Path, plan: Attack, draw: random.Random) -> bool:
    """Wait for the job and send the signal; False where the run ended before."""
    while not any(output.glob(BEGUN[plan.job])):
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    time.sleep(draw.random() * (1.5 if plan.job == "extract" else 0.5))
    while process.poll() is None:
        victims = find_processes(process.pid)[plan.process]
        if victims:
            os.kill(draw.choice(victims), plan.number)
            return True
        time.sleep(0.05)
    return False


def count_orphans(children: list[int]) -> int:
    """Return how many processes are left five seconds after their parent."""
    end = time.monotonic() + 5
    while time.monotonic() < end and any(Path(f"/proc/{pid}").exists() for pid in children):
        time.sleep(0.1)
    return sum(Path(f"/proc/{pid}").exists() for pid in children)


def make_config(folder: Path, name: str, inputs: list[str]) -> Path:
    """Write the config of one output."""
    settings = {"workers": 2, "extract": {"engine": "trafilatura"}, "tokenizer": {"vocab_size": 600}}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"inputs": inputs, "output": str(folder / name), **settings}))
    return path


def disturb(folder: Path, name: str, inputs: list[str], plans: Iterator[Attack], hits: Counter[Attack]) -> int:
    """Kill the run of an output PER_OUTPUT times, then let it end. Returns the number of orphans."""
    config, output, orphans = make_config(folder, name, inputs), folder / name, 0
    draw = random.Random(name)
    for plan in itertools.islice(plans, PER_OUTPUT):
        process = start_run(config)
        if attack(process, output, plan, draw):
            hits[plan] += 1
        children = [pid for pids in find_processes(process.pid).values() for pid in pids if pid != process.pid]
        said = process.communicate()[1]
        orphans += count_orphans(children)
        last = said.strip().splitlines()[-1:] or [""]
        print(
            f"{name} {plan.job} {plan.process} {plan.number.name}: exit {process.returncode}, {last[0][:90]}",
            flush=True,
        )
    process = start_run(config)
    said = process.communicate()[1]
    if process.returncode:
        raise RuntimeError(f"the run did not end after the kills: {said}")
    return orphans


def run(crawl: str, count: int = 40) -> None:
    """Kill `count` times and print how many outputs differ from the undisturbed one."""
    with tempfile.TemporaryDirectory(prefix="gristmill-kills-") as name:
        folder = Path(name)
        inputs = take_sample(folder)
        process = start_run(make_config(folder, "undisturbed", inputs))
        process.communicate()
        wanted, hits = digest_output(folder / "undisturbed"), Counter[Attack]()
        plans, outputs, different, orphans = itertools.cycle(ATTACKS), 0, 0, 0
        while hits.total() < count:
            orphans += disturb(folder, f"killed-{outputs}", inputs, plans, hits)
            same = digest_output(folder / f"killed-{outputs}") == wanted
            print(f"killed-{outputs} {'is that of' if same else 'DIFFERS from'} an undisturbed run", flush=True)
            different += not same
            outputs += 1
        partial = sum(1 for _ in folder.glob("killed-*/**/*.partial"))
        print("| job | process | signal | kills that hit |\n|---|---|---|---|")
        for plan, n in sorted(hits.items()):
            print(f"| {plan.job} | {plan.process} | {plan.number.name} | {n} |")
        print(f"\n{outputs} outputs of {len(wanted)} files, {different} differ from the undisturbed one; ", end="")
        print(f"{orphans} orphans, {partial} partial files left")
