"""The workers' environment: the project as a wheel, its dependencies, and no path into the checkout."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.shared import ROOT


def make_worker_environment(folder: Path) -> Path:
    """Make a virtual environment with the project's wheel; return its Python.

    The dependencies are read from the environment of the tests by a .pth file. Python does not process .pth files that
    lie in a folder which another one names, so the editable install of the checkout does not come along.
    """
    wheels, environment = folder / "wheels", folder / "worker"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)], check=True)
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    (wheel,) = wheels.glob("*.whl")
    packages = next((environment / "lib").glob("python*/site-packages"))
    subprocess.run([*pip, "install", "--no-deps", "--target", str(packages), str(wheel)], check=True)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    data = Path(sys.prefix, "share", "gristmill")  # the language model, where `make setup` has put it
    if data.exists():
        (environment / "share").mkdir(exist_ok=True)
        (environment / "share" / data.name).symlink_to(data)
    return python
