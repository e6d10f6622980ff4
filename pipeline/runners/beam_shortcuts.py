"""What Beam does hundreds of times while it builds and runs a graph, done once: half of the CPU time of a small job.

- Each look at an option parses all options of its class again. `SharedOptions` keeps each view.
- Each check of a DoFn inspects the signatures of all of its methods again. `share_dofn_specs` keeps what is found.
"""

from collections.abc import Callable
from types import MethodType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import DoFn, userstate

View = TypeVar("View", bound=PipelineOptions)
Specs = tuple[set[Any], set[Any]]  # of state, and of timers


class SharedOptions(PipelineOptions):
    """Beam's options, each view of which is made once. All views share one table of values, as in Beam."""

    def view_as(self, cls: type[View]) -> View:
        """Return the options as a class of Beam's has them."""
        views: dict[type[PipelineOptions], Any] = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        view: View = views[cls]
        return view


def share_dofn_specs() -> None:
    """Have Beam look once for the state and the timers of each kind of DoFn. A second call changes nothing."""
    if not isinstance(userstate.get_dofn_specs, SharedSpecs):
        userstate.get_dofn_specs = SharedSpecs(userstate.get_dofn_specs)


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
