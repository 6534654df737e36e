"""Controlled runs of known surfaces, with noise of known size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skillscale.runs.estimation import isoflop
from skillscale.runs.estimators import Estimator
from skillscale.runs.sampling import ManyNuts
from skillscale.runs.surface import params_exponent
from skillscale.runs.table import Runs

SIZE, TOKENS = 2e8, 4e9
"""The size and token count that truths are about."""
BUDGETS = np.geomspace(2e17, 5e19, 8)
QUICK = ManyNuts(warmup=200, draws=250)


class Truth(NamedTuple):
    """A surface that losses are simulated from."""

    floor: float = 1.7
    size_term: float = 0.6
    tokens_term: float = 0.5
    size_exponent: float = 0.38
    tokens_exponent: float = 0.38

    def loss(self, n_params: np.ndarray, n_tokens: np.ndarray) -> np.ndarray:
        by_size = self.size_term * (n_params / SIZE) ** -self.size_exponent
        return (
            self.floor + by_size + self.tokens_term * (n_tokens / TOKENS) ** -self.tokens_exponent
        )

    def optimum(self, flops: np.ndarray | float) -> np.ndarray | float:
        ratio = self.size_exponent * self.size_term / (self.tokens_exponent * self.tokens_term)
        total = self.size_exponent + self.tokens_exponent
        pairs = flops / 6 / SIZE / TOKENS
        return SIZE * ratio ** (1 / total) * pairs ** (self.tokens_exponent / total)

    @property
    def exponent(self) -> float:
        return self.tokens_exponent / (self.size_exponent + self.tokens_exponent)

    def about(self, size: float, tokens: float) -> Truth:
        """The five numbers about another reference."""
        return self._replace(
            size_term=self.size_term * (size / SIZE) ** -self.size_exponent,
            tokens_term=self.tokens_term * (tokens / TOKENS) ** -self.tokens_exponent,
        )

    def with_optimum_times(self, factor: float) -> Truth:
        """The surface whose optimum is this one's times a factor, at every budget."""
        total = self.size_exponent + self.tokens_exponent
        half = factor ** (total / 2)
        return self._replace(size_term=self.size_term * half, tokens_term=self.tokens_term / half)


def random_truths(n: int, rng: np.random.Generator) -> list[Truth]:
    """Surfaces that differ as those of corpora and losses do."""
    normal = rng.standard_normal((n, 5))
    return [
        Truth(1.7 + 0.15 * e, *(0.6, 0.5) * np.exp(0.2 * terms), *0.38 * np.exp(0.15 * slopes))
        for e, terms, slopes in zip(normal[:, 0], normal[:, 1:3], normal[:, 3:], strict=True)
    ]


def isoflop_grid(
    budgets: np.ndarray, n_sizes: int, spread: float = 7.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, tokens and compute of runs at some budgets, sizes a factor about a middle."""
    middle = SIZE * np.sqrt(budgets / 6 / SIZE / TOKENS)
    n_params = (middle[:, None] * np.geomspace(1 / spread, spread, n_sizes)).ravel()
    flops = np.repeat(budgets, n_sizes)
    return n_params, flops / 6 / n_params, flops


def runs_at(
    n_params: np.ndarray,
    n_tokens: np.ndarray,
    flops: np.ndarray,
    losses: Mapping[str, Mapping[str, np.ndarray]],
) -> Runs:
    """Runs at the same places in every group, from losses by group and name."""
    frames, values = [], []
    for group, columns in losses.items():
        index = pd.Index([f"{group}-{i}" for i in range(len(flops))], name="run")
        counts = {"n_params": n_params, "n_tokens": n_tokens, "flops": flops}
        frames.append(pd.DataFrame({"group": group, **counts, "source": None}, index=index))
        values.append(pd.DataFrame(dict(columns), index=index))
    return Runs(pd.concat(frames), pd.concat(values))


SHARES = {"web": 0.0, "blend": 0.2, "half": 0.5, "stack": 0.9}
"""Share of code in what the groups of `skilled_truths` were trained on."""
RATIOS = {"general": 1.0, "knowledge": 1.8, "code": 1 / 1.8, "twin": 1.0}
"""Best size of every loss over that of the first, in the group without code."""
CODE_EFFECT = np.exp(-0.8)
"""Factor by which code's best size changes from a mix without code to one of nothing else."""
NOISE = 0.002
SKILL_BUDGETS = np.geomspace(2e17, 1e19, 6)
N_SKILL_SIZES = 8
METHOD = ManyNuts(warmup=250, draws=300)
"""One for all tests: another would be another program to compile."""


def skilled_truths() -> dict[tuple[str, str], Truth]:
    """Surfaces of the losses of four groups that differ in their share of code."""
    truths = {}
    for g, (group, share) in enumerate(SHARES.items()):
        base = Truth(floor=1.7 + 0.05 * g, size_exponent=0.36 + 0.02 * g)
        for loss, ratio in RATIOS.items():
            factor = ratio * (CODE_EFFECT**share if loss == "code" else 1.0)
            truths[group, loss] = base.with_optimum_times(factor)
    return truths


def skilled_runs(
    seed: int,
    *,
    common: Mapping[str, float] | None = None,
    noise: Mapping[tuple[str, str], float] | None = None,
) -> Runs:
    """Runs of `skilled_truths`, with a loss more that five runs of each group have.

    Args:
        seed: source of randomness.
        common: share of the variance of the noise that the losses of a group have in common.
        noise: of some losses, by group and loss.
    """
    rng = np.random.default_rng(seed)
    n_params, n_tokens, flops = isoflop_grid(SKILL_BUDGETS, N_SKILL_SIZES)
    losses: dict[str, dict[str, np.ndarray]] = {}
    for group in SHARES:
        share = (common or {}).get(group, 0.8)
        of_run = rng.standard_normal(len(flops))
        columns = losses.setdefault(group, {})
        for loss in RATIOS:
            own = rng.standard_normal(len(flops))
            z = np.sqrt(share) * of_run + np.sqrt(1 - share) * own
            size = (noise or {}).get((group, loss), NOISE)
            expected = skilled_truths()[group, loss].loss(n_params, n_tokens)
            columns[loss] = expected * np.exp(size * z)
        columns["rare"] = np.where(np.arange(len(flops)) < 5, columns["general"], np.nan)
    return runs_at(n_params, n_tokens, flops, losses)


def is_covered(truth: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Which true values the central 90 % of their draws hold; draws are along the last axis."""
    low, high = np.quantile(draws, [0.05, 0.95], axis=-1, method="nearest")
    return (truth >= low) & (truth <= high)


def neighbourly(
    n_params: np.ndarray, flops: np.ndarray, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Residuals of variance one that neighbouring sizes and budgets share, as those of real files.

    Their lengths, about one e-fold of size and half of one of compute, are none of the
    discrepancy's, whose shapes along sizes are others.
    """
    x, c = np.log(n_params), np.log(flops)
    apart = (x[:, None] - x) ** 2 + ((c[:, None] - c) / 0.5) ** 2
    values, vectors = np.linalg.eigh(np.exp(-0.5 * apart))
    root = vectors * np.sqrt(np.maximum(values, 0))
    return rng.standard_normal((n, len(x))) @ root.T


def coverage_of_optima(
    n: int, *, noise: float, seed: int, shared: float = 0.0
) -> dict[str, np.ndarray]:
    """Coverage of 90 % intervals of both estimators: a rate per budget, and that of the exponent.

    Known surfaces on eight budgets of ten sizes. Every simulation is a loss of one table; without
    pooling each is fitted as if it were alone.

    Args:
        n: simulations.
        noise: standard deviation of residuals, as a part of the loss.
        seed: source of randomness.
        shared: share of their variance that neighbouring runs have in common.
    """
    truths = random_truths(n, np.random.default_rng([seed, 1]))
    rng = np.random.default_rng([seed, 2])
    n_params, n_tokens, flops = isoflop_grid(BUDGETS, 10)
    own = rng.standard_normal((n, len(flops)))
    if shared:
        common = neighbourly(n_params, flops, n, rng)
        own = np.sqrt(1 - shared) * own + np.sqrt(shared) * common
    losses = {
        f"loss{i}": t.loss(n_params, n_tokens) * np.exp(noise * z)
        for i, (t, z) in enumerate(zip(truths, own, strict=True))
    }
    runs = runs_at(n_params, n_tokens, flops, {"all": losses})
    found = isoflop(runs, pooled=False, method=QUICK, seed=seed)
    assert found.keys == tuple(("all", f"loss{i}") for i in range(len(truths)))
    best = np.array([t.optimum(BUDGETS) for t in truths]).T
    exponent = np.array([t.exponent for t in truths])
    surface = np.stack([found.surfaces.optimum(budget) for budget in BUDGETS])
    at_runs = np.stack(
        [[found.optimum(row, budget) for row in range(len(truths))] for budget in BUDGETS]
    )
    parabola = np.stack(
        [
            [found.optimum(row, budget, Estimator.PARABOLA) for row in range(len(truths))]
            for budget in BUDGETS
        ]
    )
    laws = np.stack([law.exponent for law in found.power_laws])
    return {
        "surface": is_covered(best, surface).mean(axis=1),
        "surface with discrepancy": is_covered(best, at_runs).mean(axis=1),
        "surface exponent": is_covered(
            exponent, np.asarray(params_exponent(found.surfaces.surface))
        ),
        "parabola": is_covered(best, parabola).mean(axis=1),
        "parabola exponent": is_covered(exponent, laws),
    }


SIMULATIONS_PER_PART = 52


def part(name: str) -> dict[str, Any]:
    """Simulations of one noise and seed, as a study runs them."""
    noise, block = name.split("-")
    found = coverage_of_optima(SIMULATIONS_PER_PART, noise=float(noise), seed=int(block))
    return {name: np.asarray(rates).tolist() for name, rates in found.items()} | {"noise": noise}


def rates(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Coverage by noise."""
    answer: dict[str, Any] = {"simulations": len(results) * SIMULATIONS_PER_PART}
    for noise in sorted({result["noise"] for result in results}):
        some = [result for result in results if result["noise"] == noise]
        answer[noise] = {
            name: float(np.mean([result[name] for result in some]))
            for name in some[0]
            if name != "noise"
        }
    return answer


def holds(answer: Mapping[str, Any]) -> None:
    """Nine in ten, within the error of a part."""
    error = np.sqrt(0.9 * 0.1 / SIMULATIONS_PER_PART)
    for found in (value for name, value in answer.items() if name != "simulations"):
        assert all(abs(rate - 0.9) < 3 * error for rate in found.values()), found
