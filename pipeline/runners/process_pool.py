"""Worker processes that are kept for the length of a job, and take its elements one by one.

    with open_process_pool(workers):
        for result in map_in_pool(function, elements):
            ...

Results come as they are ready, so that a slow element delays no other. Without an open pool the elements are worked on
here, one after the other.
"""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from pipeline.runners.beam_options import LaunchError
from pipeline.runners.worker_processes import open_worker_context, prepare_worker

T = TypeVar("T")
R = TypeVar("R")
WAITING = 2  # elements a worker that are handed over and not yet done

# The pool of the job that this process runs.
_pools: list[tuple[ProcessPoolExecutor, int]] = []


@contextmanager
def open_process_pool(workers: int, modules: Sequence[str] = ()) -> Iterator[None]:
    """Keep `workers` processes for `map_in_pool` while the block runs; none for fewer than two.

    `modules` are those that all of them import.
    """
    if workers < 2:
        yield
        return
    others = set(multiprocessing.active_children())
    with open_worker_context(modules) as context:
        pool = ProcessPoolExecutor(workers, context, initializer=prepare_worker)
        _pools.append((pool, workers))
        try:
            yield
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise
        finally:
            _pools.pop()
            pool.shutdown(cancel_futures=True)


def map_in_pool(function: Callable[[T], R], elements: Iterable[T]) -> Iterator[R]:
    """Yield the function's result for each element, in the order in which they are ready.

    Raises what the function raises; LaunchError where a worker was killed.
    """
    if not _pools:
        yield from map(function, elements)
        return
    (pool, workers), left = _pools[-1], iter(elements)
    running: set[Future[R]] = set()
    try:
        while True:
            while len(running) < WAITING * workers and (element := next(left, None)) is not None:
                running.add(pool.submit(function, element))
            if not running:
                return
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ready:
                yield future.result()
    except BrokenProcessPool as error:
        raise LaunchError(
            "a worker was killed, likely for want of memory; run the same command again to go on from what is done, "
            "with fewer --set workers=N"
        ) from error
