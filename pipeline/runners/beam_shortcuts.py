"""What Beam does hundreds of times while it builds and runs a graph, done once: half of the CPU time of a small job.

- Each look at an option parses all options of its class again. `SharedOptions` keeps each view.
- Each check of a DoFn inspects the signatures of all of its methods again. `SharedSpecs` and `SharedArguments` keep
  what is found.
- Each transform is packed by bz2, in half a millisecond, to be unpacked in the same process. `LightPacking` takes zlib.
"""

import bz2
import zlib
from collections.abc import Callable
from types import MethodType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from apache_beam.internal import cloudpickle_pickler
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.options.pipeline_options_context import get_pipeline_options
from apache_beam.transforms import DoFn, core, userstate

View = TypeVar("View", bound=PipelineOptions)
Specs = tuple[set[Any], set[Any]]  # of state, and of timers
Arguments = tuple[list[str], list[Any]]  # their names, and their defaults


class SharedOptions(PipelineOptions):
    """Beam's options, each view of which is made once. All views share one table of values, as in Beam."""

    def view_as(self, cls: type[View]) -> View:
        """Return the options as a class of Beam's has them."""
        views: dict[type[PipelineOptions], Any] = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        view: View = views[cls]
        return view


def take_shortcuts() -> None:
    """Put these functions in the place of Beam's. A second call changes nothing."""
    if not isinstance(userstate.get_dofn_specs, SharedSpecs):
        userstate.get_dofn_specs = SharedSpecs(userstate.get_dofn_specs)
        vars(core)["get_function_args_defaults"] = SharedArguments(core.get_function_args_defaults)
        vars(cloudpickle_pickler)["bz2"] = LightPacking


class SharedSpecs:
    """Beam's `get_dofn_specs`. What it finds depends on the class of a DoFn, and on methods that the instance holds."""

    def __init__(self, find: Callable[[DoFn], Specs]):
        """`find` is Beam's function."""
        self.find = find
        self.found: WeakKeyDictionary[type, dict[tuple[object, ...], Specs]] = WeakKeyDictionary()

    def __call__(self, dofn: DoFn) -> Specs:
        """Return the specs of state and of timers of a DoFn."""
        methods = tuple(value.__func__ for value in vars(dofn).values() if isinstance(value, MethodType))
        found = self.found.setdefault(type(dofn), {})
        if methods not in found:
            found[methods] = self.find(dofn)
        states, timers = found[methods]
        return set(states), set(timers)


class SharedArguments:
    """Beam's `get_function_args_defaults`. What it finds depends on the function, and on whether that is bound."""

    def __init__(self, find: Callable[[Any], Arguments]):
        """`find` is Beam's function."""
        self.find = find
        self.found: WeakKeyDictionary[Any, dict[bool, Arguments]] = WeakKeyDictionary()

    def __call__(self, function: Any) -> Arguments:
        """Return the names of a function's arguments, and the defaults of the last of them."""
        bound = isinstance(function, MethodType)
        try:
            found = self.found.setdefault(function.__func__ if bound else function, {})
        except TypeError:  # what cannot be a key
            return self.find(function)
        if bound not in found:
            found[bound] = self.find(function)
        names, defaults = found[bound]
        return list(names), list(defaults)


class LightPacking:
    """What Beam's pickler takes for the module `bz2`."""

    @staticmethod
    def compress(data: bytes, compresslevel: int) -> bytes:
        """Pack a pickle: for a pipeline that never leaves this process lightly, else as Beam does."""
        options = get_pipeline_options()
        if isinstance(options, SharedOptions) and options.view_as(DirectOptions).direct_running_mode == "in_memory":
            return zlib.compress(data, 1)
        return bz2.compress(data, compresslevel)

    @staticmethod
    def decompress(data: bytes) -> bytes:
        """Unpack a pickle, however it was packed."""
        return bz2.decompress(data) if data.startswith(b"BZh") else zlib.decompress(data)
