"""TensorBoard event files, where the config asks for them."""

from pathlib import Path
from typing import Any

from model.config import TrainerError


class Board:
    """Writes every number of a log line as a curve over the steps."""

    def __init__(self, folder: Path, step: int) -> None:
        """Go on after `step`; what a killed run wrote beyond is hidden. Raises TrainerError without the package."""
        try:
            from torch.utils.tensorboard import SummaryWriter  # an optional package, and slow to import
        except ImportError as error:
            raise TrainerError(
                "tensorboard: it is not installed; `pip install tensorboard`, or set it false"
            ) from error
        self.writer = SummaryWriter(str(folder), purge_step=step + 1)  # type: ignore[no-untyped-call]

    def show(self, line: dict[str, Any]) -> None:
        """Write one log line."""
        for key, value in line.items():
            if key != "step":
                self.writer.add_scalar(key, value, line["step"])  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Write what is still held."""
        self.writer.close()  # type: ignore[no-untyped-call]
