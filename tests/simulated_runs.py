"""Controlled runs of known surfaces, with noise of known size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from skillscale.runs.table import Runs

SIZE, TOKENS = 2e8, 4e9
"""The size and token count that truths are about."""


class Truth(NamedTuple):
    """A surface that losses are simulated from."""

    floor: float = 1.7
    size_term: float = 0.6
    tokens_term: float = 0.5
    size_exponent: float = 0.38
    tokens_exponent: float = 0.38

    def loss(self, n_params: np.ndarray, n_tokens: np.ndarray) -> np.ndarray:
        by_size = self.size_term * (n_params / SIZE) ** -self.size_exponent
        return self.floor + by_size + self.tokens_term * (n_tokens / TOKENS) ** -self.tokens_exponent

    def optimum(self, flops: np.ndarray | float) -> np.ndarray | float:
        ratio = self.size_exponent * self.size_term / (self.tokens_exponent * self.tokens_term)
        total = self.size_exponent + self.tokens_exponent
        pairs = flops / 6 / SIZE / TOKENS
        return SIZE * ratio ** (1 / total) * pairs ** (self.tokens_exponent / total)

    @property
    def exponent(self) -> float:
        return self.tokens_exponent / (self.size_exponent + self.tokens_exponent)

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
