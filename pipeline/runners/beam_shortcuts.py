"""What Beam does hundreds of times while it builds and runs a graph, done once: half of the CPU time of a small job.

- Each look at an option parses all options of its class again. `SharedOptions` keeps each view.
  `list_visible_options` keeps the names that a view has.
- Each check of a DoFn inspects the signatures of all of its methods again. `SharedSpecs` and `SharedAnswers` keep
  what is found. `AdviceForOthers` leaves out a look at the source of our functions.
- Each transform is packed by bz2, in half a millisecond, to be unpacked in the same process. `LightPacking` takes zlib.
- Each bundle starts a thread and waits for it, so that a lock that is never free is noticed after an hour.
  `InlineExecutor` does its work at once.
"""

import bz2
import concurrent.futures
import zlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from types import MethodType, SimpleNamespace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from apache_beam.internal import cloudpickle_pickler
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.options.pipeline_options_context import get_pipeline_options
from apache_beam.runners.worker import bundle_processor
from apache_beam.transforms import DoFn, core, userstate
from apache_beam.typehints import decorators

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


def take_shortcuts() -> None:
    """Put these functions in the place of Beam's. A second call changes nothing. Where a version of Beam has a function
    no more, nothing is put in its place.
    """
    if isinstance(getattr(userstate, "get_dofn_specs", None), SharedSpecs):
        return
    futures = SimpleNamespace(**vars(concurrent.futures) | {"ThreadPoolExecutor": InlineExecutor})
    for owner, name, make in (
        (userstate, "get_dofn_specs", SharedSpecs),
        (core, "get_function_args_defaults", lambda find: SharedAnswers(find, copy_lists)),
        (decorators.IOTypeHints, "from_callable", lambda find: staticmethod(SharedAnswers(find))),
        (core, "_check_fn_use_yield_and_return", AdviceForOthers),
        (cloudpickle_pickler, "bz2", lambda _: LightPacking),
        (bundle_processor, "concurrent", lambda _: SimpleNamespace(futures=futures)),
        (PipelineOptions, "_visible_option_list", lambda _: list_visible_options),
    ):
        if hasattr(owner, name):
            setattr(owner, name, make(getattr(owner, name)))


def list_visible_options(options: PipelineOptions) -> list[str]:
    """Return the names of the options of a view, which never change, sorted."""
    names: list[str] | None = vars(options).get("_visible_names")
    if names is None:
        shown = vars(options)["_visible_options"]
        names = vars(options)["_visible_names"] = [name for name in dir(shown) if not name.startswith("_")]
    return names


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


def copy_lists(found: tuple[list[Any], ...]) -> tuple[list[Any], ...]:
    """Return the same lists, which may be changed."""
    return tuple(map(list, found))


class SharedAnswers:
    """A function of Beam's on functions, whose answer depends on a function alone, and on whether that is bound."""

    def __init__(self, find: Callable[[Any], Any], copy: Callable[[Any], Any] = lambda found: found):
        """`find` is Beam's function; `copy` makes of what it found what its callers may change."""
        self.find, self.copy = find, copy
        self.found: WeakKeyDictionary[Any, dict[bool, Any]] = WeakKeyDictionary()

    def __call__(self, function: Any) -> Any:
        """Return what Beam's function does."""
        bound = isinstance(function, MethodType)
        try:
            found = self.found.setdefault(function.__func__ if bound else function, {})
        except TypeError:  # what cannot be a key
            return self.find(function)
        if bound not in found:
            found[bound] = self.find(function)
        return self.copy(found[bound])


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


class AdviceForOthers:
    """Beam's `_check_fn_use_yield_and_return`, which reads the source of a function and warns of what may be wrong."""

    def __init__(self, check: Callable[[Any], bool]):
        """`check` is Beam's function."""
        self.check = check

    def __call__(self, function: Any) -> bool:
        """Return whether a function both yields and returns values; not asked of the package's and of Beam's own."""
        package = (getattr(function, "__module__", None) or "").partition(".")[0]
        return package not in ("pipeline", "apache_beam") and self.check(function)


class InlineExecutor(Executor):
    """Does what it is given at once, in this thread."""

    def __init__(self, max_workers: int | None = None, **_: object):
        """Take the arguments of a ThreadPoolExecutor."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Call the function, and return a future that has its result or what it raised."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **named))
        except Exception as error:
            future.set_exception(error)
        return future
