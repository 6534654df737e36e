"""Processes that folds are spread over, and what each of them keeps while it lives."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

import joblib
from joblib.externals.loky import process_executor

from skillscale.backtest.refits import Refits

T = TypeVar("T")

WORKERS = ("LokyProcess", "Dask Worker")
"""Beginnings of the names of processes that joblib and Dask start for tasks."""


def spread(
    task: Callable[..., T], arguments: Iterable[tuple[Refits, *tuple[Any, ...]]], jobs: int
) -> Iterator[T]:
    """Run a task on many arguments, in any order.

    Args:
        task: a function of fits with something held out, and of more.
        arguments: what to call it with, one tuple each.
        jobs: processes to use; with one, all runs here. Within ``joblib.parallel_config("dask")``
            tasks run on the cluster.

    Yields:
        Results as they come.

    Example:
        >>> refits = Refits(table=None)  # not used by this task
        >>> list(spread(lambda refits, x: x**2, [(refits, 2), (refits, 3)], jobs=1))
        [4, 9]
    """
    calls = (joblib.delayed(_in_a_process)(task, *given) for given in arguments)
    yield from joblib.Parallel(jobs, return_as="generator_unordered")(calls)


def _in_a_process(task: Callable[..., T], refits: Refits, *rest: Any) -> T:
    """Run a task; a worker process uses the first of equal refits, whose programs are compiled.

    In the user's own process nothing is kept, and nothing changed.
    """
    if not multiprocessing.current_process().name.startswith(WORKERS):
        return task(refits, *rest)
    # Joblib would take the memory of compiled programs for a leak, and start its worker anew.
    process_executor._USE_PSUTIL = False
    return task(_first_of_equal(refits), *rest)


@lru_cache(maxsize=2)
def _first_of_equal(refits: Refits) -> Refits:
    return refits
