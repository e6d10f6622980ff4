"""What a command imports before it needs it: a process that only waits for workers starts without Beam."""

import subprocess
import sys

import pytest

from tests.shared import ROOT


@pytest.mark.parametrize("module", ["pipeline", "pipeline.__main__", "pipeline.cli.run_jobs", "pipeline.cli.run"])
def test_beam_is_imported_only_where_it_is_used(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'apache_beam', 'torch', 'scipy', 'pandas'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
