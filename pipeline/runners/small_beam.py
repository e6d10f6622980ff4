"""Imports Beam without the libraries of clouds, databases and data frames, which no stage of ours uses.

Beam and pyarrow import them wherever they are installed, which costs every worker 70 MB of memory, and each run some
CPU-seconds. Other libraries, which Beam must have and our jobs do not need, are imported where Beam first uses them.
The process that workers are forks of imports this module before any other that needs Beam, unless parts of the user's
own are to run, which may need all of both. All of these libraries can be imported themselves afterwards.
"""

import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pyarrow

LEFT_OUT = (
    "absl",
    "apache_beam.io.gcp.bigquery",
    "apache_beam.io.gcp.gcsfilesystem",
    "apitools",
    "boto3",
    "bson",
    "dill",
    "google.cloud",
    "pandas",
    "pymongo",
)
POSTPONED = ("beartype", "cryptography", "fastavro", "httplib2", "proto")  # with the modules in them


class PostponedModule(ModuleType):
    """Stands for a module whose names Beam uses in functions alone: the first use imports the module itself."""

    complete = False  # whether Beam is imported; before that it only takes names

    def __getattr__(self, name: str) -> Any:
        """Return the name of the module itself, or what stands for it in the modules of Beam that take it now."""
        if name.startswith("__"):
            raise AttributeError(name)
        if self.complete:
            return getattr(importlib.import_module(self.__name__), name)
        if name.endswith("Exception"):
            return type(name, (Exception,), {})
        return is_subhint if name == "is_subhint" else postpone_call(self.__name__, name)


def postpone_call(module: str, name: str) -> Callable[..., Any]:
    """Return a function that calls what a module has under a name."""

    def call(*args: Any, **named: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*args, **named)

    return call


def is_subhint(hint: Any, base: Any) -> bool:
    """Return what beartype's function of this name does, or False where it raises; of classes, without beartype."""
    if isinstance(hint, type) and isinstance(base, type):
        return issubclass(hint, base)
    door, roar = (importlib.import_module(f"beartype.{name}") for name in ("door", "roar"))
    with suppress(roar.BeartypeDoorException):
        found: bool = door.is_subhint(hint, base)
        return found
    return False


class SmallImports(Loader):
    """A finder of modules that says of some that they are not installed, and gives others that stand for them."""

    def __init__(self, left_out: Sequence[str], postponed: Sequence[str]):
        """Hide the first, stand for the second."""
        self.left_out, self.postponed = left_out, postponed
        self.made: list[PostponedModule] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Leave a module to the other finders. Raises ModuleNotFoundError for those that are hidden."""
        if name in self.left_out:
            raise ModuleNotFoundError(f"{name} is left out", name=name)
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in self.postponed else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return a module that stands for another."""
        self.made.append(PostponedModule(spec.name))
        return self.made[-1]

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Let the modules themselves be imported from now on."""
        for module in self.made:
            module.complete = True
            del sys.modules[module.__name__]


def import_small_beam(left_out: Sequence[str], postponed: Sequence[str]) -> None:
    """Import Beam and pyarrow as if some modules, which they can do without, were not installed."""
    loaded = {name: sys.modules.pop(name) for name in left_out if name in sys.modules}
    finder = SmallImports(left_out, [name for name in postponed if name not in sys.modules])
    logging.getLogger("apache_beam.io.mongodbio").setLevel(logging.ERROR)  # it warns where pymongo is not there
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module("apache_beam")
        pyarrow.array([0])  # with the first array it looks for pandas, and never again
    finally:
        sys.meta_path.remove(finder)
        finder.close()
        sys.modules.update(loaded)


import_small_beam(LEFT_OUT, POSTPONED)
