"""The temporary folder of a run: its own, private, and emptied after a kill."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from pipeline.io.temporary import TemporaryFolderError, machine_folder, run_folder


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files as that of a machine."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_what_a_killed_run_left_is_removed_at_the_next_start(machine: Path) -> None:
    with run_folder("out"):
        folder = Path(tempfile.mkdtemp(prefix="beam-pipeline-temp")).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert os.environ["TMPDIR"] == str(folder) and machine_folder() == str(machine)
    assert os.environ["TMPDIR"] == str(machine) and not any(machine.iterdir())
    (folder / "beam-pipeline-temp1").mkdir(parents=True)  # as SIGKILL leaves it
    (folder / "beam-pipeline-temp1" / "a").write_text("left")
    (machine / "beam-pipeline-temp2").mkdir()  # of a run of another program
    (machine / "link").symlink_to(machine / "beam-pipeline-temp2")
    (machine / "link").rename(folder / "link")
    with run_folder("other"):
        assert (folder / "beam-pipeline-temp1").exists()
    with run_folder("out"):
        assert not any(folder.iterdir())
    assert (machine / "beam-pipeline-temp2").exists()


def test_a_folder_of_someone_else_is_one_line(machine: Path) -> None:
    with run_folder("out"):
        folder = Path(tempfile.gettempdir())
    folder.symlink_to(machine)
    with pytest.raises(TemporaryFolderError, match="belongs to another user"), run_folder("out"):
        pass
