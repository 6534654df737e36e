"""How long things take, side by side in one run: ``make perf``. Nothing here passes or fails.

    python tests/perf.py [commands] [page] [fits] [rivals] [protocol] [questions]

All parts by default: an hour and a half. Run it on an idle machine.
"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pandas as pd
import psutil
from rich.console import Console
from rich.table import Table as RichTable
from selenium import webdriver

import skillscale as sk
from rivals import ENOUGH, LIMIT, RIVALS, raced
from skillscale.checks.fit import diagnostics
from skillscale.law.design import make_design
from skillscale.posterior.potential import make_potential

REPEATS = 200
SKILLSCALE = str(Path(sys.executable).with_name("skillscale"))
PLAN = "model,n_params,n_tokens,tuning,release\nnova-70b,70e9,15e12,base,2024-07\n"
OBSERVED = (
    "model,n_params,n_tokens,tuning,release,mmlu,hellaswag,gsm8k\n"
    "nova-1b,1.1e9,3e12,base,2024-07,0.38,0.62,0.08\n"
)


MOVED = """
const slider = arguments[0], moves = [];
for (let i = 0; i < 40; i++) {
  slider.value = +slider.min + (+slider.max - slider.min) * ((i * 0.618) % 1);
  const start = performance.now();
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  document.body.getBoundingClientRect();
  moves.push(performance.now() - start);
}
return moves;
"""
"""Milliseconds from a slider's move to new numbers, laid out, for many moves."""


class Row(NamedTuple):
    """A line of the report."""

    what: str
    seconds: float
    note: str = ""


class Run(NamedTuple):
    """What a process took."""

    seconds: float
    cpu: float
    gibibytes: float
    """Its peak memory."""


def run(*command: str, cache: Path) -> Run:
    """Run a command in a process of its own, with a compilation cache of its own."""
    start = time.perf_counter()
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    cpu = used.ru_utime + used.ru_stime
    return Run(time.perf_counter() - start, cpu, used.ru_maxrss / 2**20)


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Result and seconds of a call."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def question(folder: Path) -> list[str]:
    """Options that ask for a forecast, of files written to a folder."""
    plan, observed = folder / "plan.csv", folder / "observed.csv"
    plan.write_text(PLAN)
    observed.write_text(OBSERVED)
    return ["--observed", str(observed), "--plan", str(plan)]


def commands(folder: Path) -> Iterator[Row]:
    """Commands in fresh processes, from the fit that ships."""
    numpy_pandas = [sys.executable, "-c", "import numpy, pandas"]
    plain = min(run(*numpy_pandas, cache=folder).cpu for _ in range(5))
    yield Row("import numpy, pandas", plain, "CPU")
    for option in ("--help", "--version"):
        cpu = min(run(SKILLSCALE, option, cache=folder).cpu for _ in range(5))
        yield Row(option, cpu, f"CPU, {cpu / plain:.2f} of that of NumPy and pandas")
    asked = question(folder)
    report = ["-o", str(folder / "report.html"), "--force"]
    for name, *rest in (
        ["forecast", *asked],
        ["optimum", "--flops", "1e23"],
        ["check"],
        ["report", *asked, "--flops", "1e24", *report],
    ):
        cache = folder / f"cache-{name}"
        for note in ("nothing cached", "cache warm"):
            took = run(SKILLSCALE, name, *rest, cache=cache)
            yield Row(name, took.seconds, f"{note}, {took.gibibytes:.2f} GiB")


def page(folder: Path) -> Iterator[Row]:
    """Sliders of the explorer, in headless Chromium."""
    path = folder / "report.html"
    asked = [*question(folder), "--flops", "1e24"]
    run(SKILLSCALE, "report", *asked, "-o", str(path), cache=folder)
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as driver:
        driver.get(path.as_uri())
        for slider in driver.find_elements("css selector", "input[type=range]"):
            moves = sorted(driver.execute_script(MOVED, slider))
            typical, worst = moves[len(moves) // 2], moves[-1]
            name = slider.get_attribute("data-name")
            yield Row(f"slider: {name}", typical / 1000, f"median; the worst of 40 {worst:.0f} ms")


def fits(folder: Path) -> Iterator[Row]:
    """Default fits in fresh processes."""
    path, cache = folder / "fit.nc", folder / "cache-fits"
    for data, note in (
        ("classic", "nothing cached"),
        ("classic", "cache warm"),
        ("all", "nothing cached"),
        ("all", "cache warm"),
    ):
        own = cache / data
        took = run(SKILLSCALE, "fit", "--data", data, "-o", str(path), "--force", cache=own)
        worst = diagnostics(sk.Fit.load(path))
        yield Row(
            f"fit, {data}",
            took.seconds,
            f"{note}, {took.gibibytes:.2f} GiB, R-hat {worst['rhat'].max():.3f}, "
            f"ESS {worst['ess_bulk'].min():.0f}, file {path.stat().st_size / 1e6:.1f} MB",
        )


def rivals(folder: Path) -> Iterator[Row]:
    """Seconds to enough effective draws of the same density, imports and compiling included."""
    our_rate = 0.0
    for name in RIVALS:
        found = raced(name)
        if found is None:
            yield Row(name, LIMIT, "no draws yet")
            continue
        rate = found.ess / found.seconds
        our_rate = our_rate or rate
        slower = "" if rate == our_rate else f"; {our_rate / rate:.1f} times as slow"
        came = "" if found.is_enough else f"not {ENOUGH} yet: "
        yield Row(
            name,
            found.seconds,
            f"{came}ESS {found.ess:.0f} ({found.slowest}), R-hat {found.rhat:.3f}, "
            f"{found.draws} draws a chain, {rate:.2f} effective a second{slower}",
        )


def protocol(folder: Path) -> Iterator[Row]:
    """The published protocol, all settings in one command."""
    every = ["backtest", "--protocol", "sloth", "--all-settings"]
    took = run(SKILLSCALE, *every, cache=folder / "cache-protocol")
    yield Row("published protocol, six settings", took.seconds, "nothing cached")


def gradient_milliseconds(table: sk.Table, spec: sk.Spec, chains: int) -> float:
    """Milliseconds of one gradient of the posterior, for all chains together."""
    design = make_design(table, spec)
    potential = make_potential(design, spec)
    gradient = jax.vmap(jax.grad(potential.energy), in_axes=(0, None))

    @jax.jit
    def descend(points: jax.Array) -> jax.Array:
        body = lambda _, p: p - 1e-7 * gradient(p, design.observations)  # noqa: E731
        return jax.lax.fori_loop(0, REPEATS, body, points)

    points = jnp.tile(potential.start, (chains, 1))
    descend(points).block_until_ready()
    _, seconds = timed(lambda: descend(points).block_until_ready())
    return 1000 * seconds / REPEATS


def questions(folder: Path) -> Iterator[Row]:
    """Gradients, questions to a fit, and controlled runs, in this process."""
    table, spec = sk.load_table("classic"), sk.Spec()
    for chains in (1, 4, 16):
        ms = gradient_milliseconds(table, spec, chains)
        yield Row(f"gradient, {chains} chains", ms / 1000, f"{ms / chains:.3f} ms each")
    fit, seconds = timed(lambda: sk.fit(table, spec, method=sk.Svi()))
    yield Row("fit, svi", seconds, "compilation included")
    plan = pd.DataFrame({"model": ["a", "b"], "n_params": [8e9, 7e10], "n_tokens": [1e13, 1e13]})
    seen = pd.DataFrame({"model": ["c"], "n_params": [1e9], "n_tokens": [1e13], "mmlu": [0.3]})
    mix = {"mmlu": 1, "gsm8k": 2}
    shown = table.wide()["humaneval"].dropna().iloc[:10].reset_index()
    runs = sk.load_runs("isoflop")
    validation = runs.select(losses=[name for name in runs.loss_names if name.startswith("val_")])
    asked: dict[str, Callable[[], object]] = {
        "forecast, one model observed": lambda: sk.forecast(fit, plan, seen),
        "skills, geomin": lambda: sk.read_skills(fit, "geomin"),
        "add a benchmark, ten models": lambda: sk.add_benchmark(fit, shown),
        "next evaluations": lambda: sk.next_evaluations(fit, plan, seen, sizes=[3e9]),
        "pass@k": lambda: sk.pass_at_k(fit, plan, seen, benchmark="gsm8k"),
        "optimum, all skills": lambda: sk.optimum(fit, [1e24]),
        "optimum, a mix": lambda: sk.optimum(fit, [1e24], sk.Goal(target=mix)),
        "regret, a mix": lambda: sk.regret(fit, [1e24], sk.Goal(target=mix)),
        "cheapest, a mix": lambda: sk.cheapest(fit, [0.7], sk.Goal(target=mix)),
        "surfaces and parabolas": lambda: sk.isoflop(validation),
    }
    for what, ask in asked.items():
        for note in ("compilation included", "again"):
            _, seconds = timed(ask)
            yield Row(what, seconds, note)


PARTS: dict[str, Callable[[Path], Iterator[Row]]] = {
    part.__name__: part for part in (commands, page, fits, rivals, protocol, questions)
}


def main(names: Iterable[str]) -> None:
    """Print what each part took, as soon as it is known."""
    console = Console(width=160)
    memory = psutil.virtual_memory().total / 2**30
    console.print(
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({platform.machine()}), "
        f"{memory:.0f} GiB, Python {platform.python_version()}, JAX {jax.__version__}"
    )
    for name in names:
        report = RichTable("what", "seconds", "note", title=name, box=None, pad_edge=False)
        with TemporaryDirectory() as folder:
            for row in PARTS[name](Path(folder)):
                console.print(f"[dim]{row.what}: {row.seconds:.3f} s, {row.note}[/dim]")
                report.add_row(row.what, f"{row.seconds:.3f}", row.note)
        console.print(report)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    console.print(f"peak memory of this process {peak:.2f} GiB")


if __name__ == "__main__":
    main(sys.argv[1:] or PARTS)
