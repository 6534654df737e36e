"""A small part of the classic table, quick ways to fit it, and a new family to forecast."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from jaxtyping import Array

from skillscale import Fit, Hmc, Spec, Svi, Table
from skillscale.law.design import Observations
from skillscale.law.sites import Draws, sites_of
from skillscale.posterior.chains import Chains
from skillscale.posterior.gaussian import Gaussian
from skillscale.posterior.journal import FORGETFUL, Journal
from skillscale.posterior.potential import Potential

FAMILIES = (
    "llama",
    "llama-2",
    "llama-2-chat",
    "pythia",
    "qwen1.5",
    "qwen1.5-chat",
    "gpt2",
    "gpt2-large",
)
SPEC = Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
HMC = Hmc(draws=750, target_accept=0.9)
SVI = Svi(draws=400, newton_steps=60)

BACKTEST_FAMILIES = (
    "meta-llama-3",
    "meta-llama-3-instruct",
    "llama",
    "llama-2",
    "pythia",
    "opt",
    "qwen1.5",
)
BACKTEST_BENCHMARKS = ("mmlu", "gsm8k", "arc_challenge", "winogrande")
QUICK = Svi(draws=300, gradient_steps=300, newton_steps=5)
"""For back-tests, which fit several times."""
PLAN = pd.DataFrame(
    {
        "model": ["new-8b", "new-70b", "new-400b"],
        "n_params": [8e9, 70e9, 400e9],
        "n_tokens": [2e12, 2e12, 2e12],
    }
)
SEEN = pd.DataFrame(
    {
        "model": ["new-1b", "new-3b"],
        "n_params": [1.2e9, 3e9],
        "n_tokens": [2e12, 2e12],
        "mmlu": [0.42, 0.52],
        "gsm8k": [0.12, 0.26],
        "bbh": [np.nan, 0.37],
    }
)


@dataclasses.dataclass(frozen=True)
class AroundThePrior:
    """Draws near the middle of the prior: a method that has nothing to compile."""

    def prepare(self, potential: Potential, observations: Observations) -> None:
        pass

    def approximate(
        self,
        potential: Potential,
        observations: Observations,
        key: Array,
        near: Gaussian | None = None,
    ) -> Gaussian:
        raise NotImplementedError

    def run(
        self,
        potential: Potential,
        observations: Observations,
        key: Array,
        on_progress: Callable[[int, int], None],
        start: Gaussian | None = None,
        journal: Journal = FORGETFUL,
    ) -> Chains:
        noise = jax.random.normal(key, (2, 50, potential.start.size))
        return Chains(np.asarray(potential.start + 0.1 * noise), {})


def by_name(fit: Fit, n: int | None = None) -> dict[str, np.ndarray]:
    """Draws of every parameter by its name."""
    draws = fit.draws(n)
    values = [*draws.law.benchmarks, *draws.law.growth, *draws.law.noise, *draws.fitted]
    return dict(zip(sites_of(Draws), map(np.asarray, values), strict=True))


def write_table(table: Table, folder: Path) -> Path:
    """A data directory of a table, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    table.models.to_csv(folder / "models.csv")
    table.scores.to_csv(folder / "scores.csv", index=False)
    table.benchmarks.to_csv(folder / "benchmarks.csv")
    return folder
