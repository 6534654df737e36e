"""Controlled runs of known surfaces, with noise of known size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from skillscale.runs.sampling import ManyNuts
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
