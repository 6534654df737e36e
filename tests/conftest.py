"""Fits shared by the tests. Compiling is nearly all of their cost, so shapes are shared too."""

from __future__ import annotations

import os
from pathlib import Path

import jax
import pytest
from threadpoolctl import threadpool_limits

from simulated_runs import METHOD as RUNS_METHOD
from simulated_runs import skilled_runs
from skillscale import Fit, Spec, Table, fit, load_table
from skillscale.law.design import Design, make_design
from skillscale.posterior.potential import Potential, make_potential
from skillscale.runs.estimators import IsoFlop, isoflop
from small import FAMILIES, NUTS, SPEC, SVI

SHARED_FITS = ("checks", "forecasts", "optima", "plots", "posterior", "skills")
"""Rooms whose tests ask the same fits."""

MOST_MAPS = 20_000
"""Memory maps of a process beyond which its compiled programs are dropped."""


class BoundedMaps:
    """Drop compiled programs that nobody needs: at 65,530 memory maps, Linux ends the process.

    JAX keeps those of plain functions for every shape that they were called with.
    """

    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        if nextitem is None or nextitem.path == item.path:
            return
        maps = Path("/proc/self/maps")
        if maps.exists() and len(maps.read_bytes().splitlines()) > MOST_MAPS:
            jax.clear_caches()


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled programs, one folder per worker: JAX does not write them atomically."""
    config.pluginmanager.register(BoundedMaps())
    if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: threads of BLAS would wait
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # in what tests start
        threadpool_limits(1, user_api="blas")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    folder = str(config.cache.mkdir(f"jax-{worker}"))  # type: ignore[union-attr]
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder  # for commands that tests start
    jax.config.update("jax_compilation_cache_dir", folder)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Send tests that share a fit to one worker, and the examples of the source; not notebooks."""
    from xdist.scheduler import LoadScopeScheduling

    class BySharedProgram(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            if "test_notebooks" in file:
                return nodeid
            room = Path(file).parent.name
            if room in SHARED_FITS:
                return "shared fits"
            if room == "cli" or "test_readme" in file:
                return "commands"
            if room == "runs":
                return "controlled runs"
            return "examples" if "src/" in file or file.endswith(".md") else file

    return BySharedProgram(config, log)


@pytest.fixture(scope="session")
def table() -> Table:
    """36 models of 8 families, some without BBH, some without published tokens."""
    return load_table().select(benchmarks=["mmlu", "gsm8k", "bbh"], families=FAMILIES)


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
def sampled(table: Table, spec: Spec) -> Fit:
    """A fit by NUTS."""
    return fit(table, spec, method=NUTS, seed=3)


@pytest.fixture(scope="session")
def approximate(table: Table, spec: Spec) -> Fit:
    """A fit by a Gaussian approximation."""
    return fit(table, spec, method=SVI, seed=3)


@pytest.fixture(scope="session")
def skilled() -> IsoFlop:
    """Surfaces and parabolas of simulated runs: four groups, four losses."""
    return isoflop(skilled_runs(0), method=RUNS_METHOD, seed=3)
