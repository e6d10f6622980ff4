"""Imports Beam without the libraries of clouds, databases and data frames, which no stage of ours uses.

Beam and pyarrow import them wherever they are installed, which costs every worker 70 MB of memory, and each run some
CPU-seconds. The process that workers are forks of imports this module before any other that needs Beam, unless parts
of the user's own are to run, which may need all of both. These libraries can be imported themselves afterwards.
"""

import importlib
import logging
import sys
from collections.abc import Sequence
from types import ModuleType

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


class AbsentModules:
    """A finder of modules that says of some that they are not installed."""

    def __init__(self, names: Sequence[str]):
        """Hide these modules."""
        self.names = names

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        """Leave a module to the other finders. Raises ModuleNotFoundError for those that are hidden."""
        if name in self.names:
            raise ModuleNotFoundError(f"{name} is left out", name=name)


def import_small_beam(left_out: Sequence[str]) -> None:
    """Import Beam and pyarrow as if some modules, which they can do without, were not installed."""
    loaded = {name: sys.modules.pop(name) for name in left_out if name in sys.modules}
    finder = AbsentModules(left_out)
    logging.getLogger("apache_beam.io.mongodbio").setLevel(logging.ERROR)  # it warns where pymongo is not there
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module("apache_beam")
        pyarrow.array([0])  # with the first array it looks for pandas, and never again
    finally:
        sys.meta_path.remove(finder)
        sys.modules.update(loaded)


import_small_beam(LEFT_OUT)
