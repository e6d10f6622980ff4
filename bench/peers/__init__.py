"""Install the tools that the benchmarks compare with, each into its own environment under `bench/.peers/`."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE.parent / ".peers"
# The packages of each. xxhash 4 refuses the str that datatrove 0.10.1 hashes. text-dedup 0.4.1 needs Python 3.12.
REQUIREMENTS = {
    "datatrove": ("datatrove[io,processing]==0.10.1", "xxhash<4", "lxml_html_clean", "spacy"),
    "text-dedup": ("text-dedup==0.4.0",),
    "rs-trafilatura": ("rs-trafilatura==0.1.1", "trafilatura==2.3.1", "lxml_html_clean"),
}


def prepare_peer(name: str) -> str:
    """Return the Python of a peer's environment, and create it if needed. Exits with one line if that fails."""
    folder = FOLDER / name
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        print(f"installing {name} into {folder} ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        done = subprocess.run([str(python), "-E", "-m", "pip", "install", "--quiet", *REQUIREMENTS[name]])
        if done.returncode:
            raise SystemExit(f"{name} cannot be installed; this benchmark needs a package index")
        (folder / ".ready").touch()
    return str(python)


def locate_peer_script(name: str) -> str:
    """Return the path of a script of this folder, which runs with a peer's Python."""
    return str(HERE / f"{name}.py")
