"""How long things take, side by side in one run: ``make perf``. Nothing here passes or fails."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import pandas as pd
from rich.console import Console
from rich.table import Table as RichTable

import skillscale as sk
from skillscale.checks.fit import diagnostics
from skillscale.law.design import make_design
from skillscale.posterior.potential import make_potential

REPEATS = 200


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Result and seconds of a call."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


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


def main() -> None:
    """Time gradients, inference, diagnostics, forecasts, optima and controlled runs."""
    console = Console()
    report = RichTable("what", "seconds", "note", box=None, pad_edge=False)
    table, spec = sk.load_table("classic"), sk.Spec()
    for chains in (1, 4, 16):
        ms = gradient_milliseconds(table, spec, chains)
        report.add_row(
            f"gradient, {chains} chains", f"{ms / 1000:.5f}", f"{ms / chains:.3f} ms each"
        )
    method = replace(sk.Hmc(), draws=int(sys.argv[1])) if len(sys.argv) > 1 else sk.Hmc()
    _, seconds = timed(lambda: sk.fit(table, spec, method=sk.Svi()))
    report.add_row("fit, svi", f"{seconds:.1f}", "compilation included")
    fit, seconds = timed(lambda: sk.fit(table, spec, method=method))
    report.add_row("fit, hmc", f"{seconds:.1f}", f"{method.chains} x {method.draws} draws")
    worst, seconds = timed(lambda: diagnostics(fit))
    report.add_row(
        "diagnostics",
        f"{seconds:.1f}",
        f"R-hat {worst['rhat'].max():.3f}, bulk ESS {worst['ess_bulk'].min():.0f}",
    )
    plan = pd.DataFrame({"model": ["a", "b"], "n_params": [8e9, 7e10], "n_tokens": [1e13, 1e13]})
    seen = pd.DataFrame({"model": ["c"], "n_params": [1e9], "n_tokens": [1e13], "mmlu": [0.3]})
    for note in ("compilation included", "again"):
        _, seconds = timed(lambda: sk.forecast(fit, plan, seen))
        report.add_row("forecast, one model observed", f"{seconds:.3f}", note)
    mix = {"mmlu": 1, "gsm8k": 2}
    shown = table.wide()["humaneval"].dropna().iloc[:10].reset_index()
    questions: dict[str, Callable[[], object]] = {
        "skills, geomin": lambda: sk.read_skills(fit, "geomin"),
        "add a benchmark, ten models": lambda: sk.add_benchmark(fit, shown),
        "next evaluations": lambda: sk.next_evaluations(fit, plan, seen, sizes=[3e9]),
        "pass@k": lambda: sk.pass_at_k(fit, plan, seen, benchmark="gsm8k"),
        "optimum, all skills": lambda: sk.optimum(fit, [1e24]),
        "optimum, a mix": lambda: sk.optimum(fit, [1e24], sk.Goal(target=mix)),
        "regret, a mix": lambda: sk.regret(fit, [1e24], sk.Goal(target=mix)),
        "cheapest, a mix": lambda: sk.cheapest(fit, [0.7], sk.Goal(target=mix)),
    }
    for what, ask in questions.items():
        for note in ("compilation included", "again"):
            _, seconds = timed(ask)
            report.add_row(what, f"{seconds:.3f}", note)
    runs = sk.load_runs("isoflop")
    validation = runs.select(losses=[name for name in runs.loss_names if name.startswith("val_")])
    for note in ("compilation included", "again"):
        found, seconds = timed(lambda: sk.isoflop(validation))
        report.add_row("surfaces and parabolas", f"{seconds:.1f}", f"{len(found.keys)}, {note}")
    console.print(report)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    console.print(f"peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
