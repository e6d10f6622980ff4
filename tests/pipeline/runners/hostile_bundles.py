"""Runs every function of a Beam graph as a hostile runner does: again, half, failing after its writes, two at a time.

A runner may process a bundle more than once, and throw away the results of all attempts but one. What a job writes must
be the same whichever attempt counts.
"""

import functools
import inspect
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
import pytest

WRAPPED = ("Map", "FlatMap", "Filter")  # the transforms whose functions are wrapped
CALLS: Counter[str] = Counter()  # elements of each function


def count_call(name: str) -> None:
    """Count an element. A function of the module, so that a copy of a wrapped function counts here too."""
    CALLS[name] += 1


def run_attempt(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any], steps: int = -1) -> Any:
    """Call a function and return its result, a generator's as a list. An attempt of `steps` steps dies after them."""
    result = function(*args, **options)
    if not inspect.isgenerator(result):
        return result
    if steps < 0:
        return list(result)
    for _, _ in zip(range(steps), result, strict=False):
        pass
    result.close()  # what a generator has open is closed as by an error
    return None


def run_overlapping(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
    """Make two attempts at the same time. Returns both results; raises what an attempt raised."""
    results: list[Any] = [None, None]
    errors: list[BaseException] = []
    barrier = threading.Barrier(2)

    def attempt(number: int) -> None:
        barrier.wait()
        try:
            results[number] = run_attempt(function, args, options)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def make_hostile(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes five attempts for each element; the last one counts.

    The first dies at once, the second after one result; two run at the same time and are thrown away with all their
    writes done.
    """

    @functools.wraps(function)
    def attempts(*args: Any, **options: Any) -> Any:
        count_call(getattr(function, "__name__", str(function)))
        if inspect.isgeneratorfunction(function):
            run_attempt(function, args, options, steps=0)
            run_attempt(function, args, options, steps=1)
        thrown_away = run_overlapping(function, args, options)
        result = run_attempt(function, args, options)
        assert all(other == result for other in thrown_away), f"{function}: attempts give different results"
        return result

    return attempts


@contextmanager
def hostile_bundles() -> Iterator[Counter[str]]:
    """Wrap the functions of the graphs that are built in this context. Yields how many elements each has had.

    The graphs must run in this process (`--direct_running_mode=in_memory`).
    """
    CALLS.clear()
    with pytest.MonkeyPatch.context() as patch:
        for name in WRAPPED:
            real = getattr(beam, name)
            patch.setattr(
                beam,
                name,
                lambda function, *args, _real=real, **options: _real(make_hostile(function), *args, **options),
            )
        yield CALLS
