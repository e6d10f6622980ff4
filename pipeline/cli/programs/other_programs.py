"""`gristmill train`, `gristmill classifiers ...`: commands of the trainer and the classifiers, programs of their own.

They run in place of this process, and a folder `model/` of the user's own does not get in their way.
"""

import os
import sys
from collections.abc import Sequence

TRAINER_COMMANDS = (
    "train", "sample", "chat", "evaluate", "contamination", "export", "import", "ablate", "scaling", "cost"
)  # fmt: skip
OTHER_PROGRAMS_HELP = f"""\
The GPT trainer (each command has a --help of its own):
    {", ".join(TRAINER_COMMANDS)}
The quality and topic classifiers:
    classifiers COMMAND    train, evaluate and apply them, and prepare their data
"""


def find_program(arguments: Sequence[str]) -> list[str]:
    """Return what follows `python -m` for a command of another program; [] for the pipeline's own commands."""
    if arguments and arguments[0] in TRAINER_COMMANDS:
        return ["model", *arguments]
    if arguments and arguments[0] == "classifiers":
        return ["classifiers", *arguments[1:]]
    return []


def replace_process(program: Sequence[str]) -> None:
    """Run `python -m PROGRAM ...` in place of this process. Does not return."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", *program])
