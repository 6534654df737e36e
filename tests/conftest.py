"""Fits shared by the tests. Compiling is nearly all of their cost, so programs are shared.

Every program is compiled once for all workers, in a cache that lasts as long as pytest's. Fits of
the session are made once and loaded by whoever else needs them. Examples of docstrings, which fit
the same small table over and over, are given the first fit again.
"""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeVar
from unittest.mock import patch

import jax
import psutil
import pytest
from filelock import FileLock
from threadpoolctl import threadpool_limits

import skillscale as sk
from memoised import memoised
from simulated_runs import METHOD as RUNS_METHOD
from simulated_runs import skilled_runs
from skillscale import Fit, Spec, Table, fit, load_table
from skillscale.law.design import Design, make_design
from skillscale.posterior.potential import Potential, make_potential
from skillscale.runs import estimation, surfaces
from skillscale.runs.estimation import isoflop
from skillscale.runs.estimators import IsoFlop
from small import FAMILIES, HMC, SPEC, SVI

T = TypeVar("T")

GROWTH = 1.2 * 2**30
"""Bytes by which a process may grow before it drops compiled programs. They are also what takes
memory maps, and at 65,530 of these Linux ends a process."""
LEAST_SECONDS = 0.15
"""Of compiling, of programs worth keeping: whenever one is added, JAX looks at all the others."""
CACHE_BYTES = 4 * 2**30
"""A limit, that JAX locks its cache: workers write to it at the same time."""
LONGEST_FIRST = (
    "tests/test_notebooks.py",
    "tests/test_studies.py",
    "tests/cli/test_commands.py",
    "tests/runs/test_best_sizes.py",
    "tests/posterior/test_add_benchmark.py",
    "tests/cli/test_isoflop.py",
    "tests/report/test_explorer.py",
    "tests/backtest/test_protocols.py",
    "examples",
    "tests/law/test_exploratory.py",
    "tests/posterior/test_inference.py",
    "other examples",
    "tests/test_package.py",
    "tests/runs",
    "tests/cli",
)
"""Beginnings of scopes: no worker is left with them at the end, and those that wait for the same
programs don't begin together."""
LONG_EXAMPLES = ("fit(", "isoflop(", "_surfaces(", "check_", "prior", "make_")
SLOW_EXAMPLES = ("isoflop(runs", "_surfaces(", "backtest(", "Refits(")
"""What examples of docstrings do that takes long, or so long that `make test` leaves them out."""
FIRST_EXAMPLES = ("data", "law", "posterior", "forecasts")
"""Rooms whose examples take as long as those of all others."""
FITTED = {"sampled", "approximate", "skilled", "explored", "plain_fit", "refits", "report"}
ASKED = {"compiled", "drawn", "draws", "folder", "odd", "result"}
"""Fixtures that take long: fits, and what is compiled or asked of them."""


def pytest_configure(config: pytest.Config) -> None:
    """Share compiled programs, and let BLAS of workers that share the cores not wait in threads."""
    config.pluginmanager.register(BoundedMemory())
    config.pluginmanager.register(MemoisedExamples())
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # in what tests start
        threadpool_limits(1, user_api="blas")
    options = {
        "jax_compilation_cache_dir": str(config.rootpath / ".pytest_cache" / "jax"),
        "jax_compilation_cache_max_size": CACHE_BYTES,
        "jax_persistent_cache_min_compile_time_secs": LEAST_SECONDS,
        "jax_persistent_cache_min_entry_size_bytes": 0,
    }
    for name, value in options.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)  # for commands that tests start


class BoundedMemory:
    """Drop compiled programs that nobody needs: JAX keeps them for every shape that it has seen."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.before = self.process.memory_info().rss

    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        if nextitem is None or nextitem.path == item.path:
            return
        if self.process.memory_info().rss > self.before + GROWTH:
            jax.clear_caches()
            gc.collect()
            if sys.platform == "linux":  # glibc gives nothing back by itself
                ctypes.CDLL("libc.so.6").malloc_trim(0)
            self.before = self.process.memory_info().rss


class MemoisedExamples:
    """Examples of docstrings get the fit that an earlier one has made, if they ask for the same."""

    def __init__(self) -> None:
        self.fit = memoised(sk.fit)
        self.isoflop = memoised(estimation.isoflop)
        self.fit_surfaces = memoised(surfaces.fit_surfaces)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        if not isinstance(item, pytest.DoctestItem):
            return (yield)
        with ExitStack() as stack:
            for module in (sk, sk.runs, estimation, surfaces):
                for name in ("fit", "isoflop", "fit_surfaces"):
                    if hasattr(module, name):
                        stack.enter_context(patch.object(module, name, getattr(self, name)))
            return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first; what needs a fit is long."""

    def rank(item: pytest.Item) -> int:
        of_item = scope(item.nodeid)
        ranks = (i for i, start in enumerate(LONGEST_FIRST) if of_item.startswith(start))
        return next(ranks, len(LONGEST_FIRST))

    items.sort(key=rank)
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            examples = "".join(example.source for example in item.dtest.examples)
            if any(verb in examples for verb in SLOW_EXAMPLES):
                item.add_marker(pytest.mark.slow)
            is_long = any(verb in examples for verb in LONG_EXAMPLES)
        else:
            is_long = bool((FITTED | ASKED) & set(getattr(item, "fixturenames", ())))
        if is_long:
            item.add_marker(pytest.mark.long)


def scope(nodeid: str) -> str:
    """What one worker is sent: the tests of a file, or half of the examples, which share a fit."""
    file = nodeid.split("::")[0]
    if not file.startswith("src"):
        return file
    return "examples" if file.split("/")[2] in FIRST_EXAMPLES else "other examples"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Send scopes to workers."""
    from xdist.scheduler import LoadScopeScheduling

    class ByScope(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    config.option.loadscopereorder = False
    return ByScope(config, log)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[], T]], T]:
    """Make a result of the session, or load it if another worker has made it."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder

    def make(name: str, do: Callable[[], T]) -> T:
        path = folder / f"{name}.pickle"
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                path.write_bytes(pickle.dumps(do()))
        return pickle.loads(path.read_bytes())

    return make


@pytest.fixture(scope="session")
def table() -> Table:
    """36 models of 8 families, some without BBH, some without published tokens."""
    return load_table("classic").select(benchmarks=["mmlu", "gsm8k", "bbh"], families=FAMILIES)


@pytest.fixture(scope="session")
def spec() -> Spec:
    return SPEC


@pytest.fixture(scope="session")
def design(table: Table, spec: Spec) -> Design:
    return make_design(table, spec)


@pytest.fixture(scope="session")
def potential(design: Design, spec: Spec) -> Potential:
    return make_potential(design, spec)


@pytest.fixture(scope="session")
def sampled(table: Table, spec: Spec, once: Callable[..., Fit]) -> Fit:
    """A fit by HMC."""
    return once("sampled", lambda: fit(table, spec, method=HMC, seed=3))


@pytest.fixture(scope="session")
def approximate(table: Table, spec: Spec, once: Callable[..., Fit]) -> Fit:
    """A fit by a Gaussian approximation."""
    return once("approximate", lambda: fit(table, spec, method=SVI, seed=3))


@pytest.fixture(scope="session")
def skilled(once: Callable[..., IsoFlop]) -> IsoFlop:
    """Surfaces and parabolas of simulated runs: four groups, four losses."""
    return once("skilled", lambda: isoflop(skilled_runs(0), method=RUNS_METHOD, seed=3))
