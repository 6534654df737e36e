r"""What training and serving cost, and the sizes and tokens that a budget leaves.

Training a model of $N$ active parameters on $D$ tokens takes $6ND$ FLOP, serving $S$ tokens with it
$2NS$. A budget $C$ for both leaves a model of size $N$

$$D = \frac{C/N - 2S}{6}$$

tokens, or the most there are if that is less: then a part of the budget is not spent.

Sizes are active parameters throughout. Of a mixture of experts the law reads the active parameters,
as compute does, so inactive ones are free and of no use in it; its total size is given beside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from skillscale.errors import SpecError
from skillscale.law.compute import SERVING_FLOPS, TRAINING_FLOPS

MOST_PARAMS = 1e12
MOST_TOKENS = 1e14
"""Where the search ends without a cap."""
GRID = 121
"""Sizes searched: 8 % apart over four decades, far below what the data can tell."""


class Limit(StrEnum):
    """Why an optimum is where it is: an edge of the search, a cap that was given, or no optimum."""

    NONE = ""
    LOWER = "smaller than searched"
    UPPER = "larger than searched"
    SIZE = "limited by size"
    TOKENS = "limited by tokens"
    BOTH = "limited by size and tokens"
    HARM = "where more compute does harm"
    UNREACHED = "out of reach"


class Path(NamedTuple):
    """Sizes that a budget allows, each with all the tokens that it leaves."""

    n_params: Float[np.ndarray, " size"]
    n_tokens: Float[np.ndarray, " size"]
    limit: np.ndarray
    """A `Limit` per size."""


@dataclass(frozen=True)
class Deployment:
    """What a model will be used for, and what it may be.

    Attributes:
        serve_tokens: tokens it will serve over its life; their compute is part of every budget.
        max_tokens: training tokens that there are. A cap is a fact, and an optimum at it is one;
            without one the search ends at 1e14, and an optimum there is not known.
        max_params: largest size allowed (active parameters); without one the search ends at 1e12.
        sizes: the only sizes allowed; any size by default.
        min_params: smallest size searched.
        min_tokens: fewest training tokens searched.
        total_per_active: total over active parameters of a mixture of experts. The law reads
            active parameters, so this changes no optimum; it gives the total sizes.

    Raises:
        SpecError: a number is not positive (``serve_tokens`` may be zero), a cap leaves nothing to
            search, or ``total_per_active`` is below one.

    Example:
        >>> served = Deployment(serve_tokens=1e13)
        >>> round(served.tokens(70e9, 1e25) / 1e12, 2)
        20.48
        >>> round(served.flops(70e9, served.tokens(70e9, 1e25)) / 1e25, 6)
        1.0
    """

    serve_tokens: float = 0.0
    max_tokens: float | None = None
    max_params: float | None = None
    sizes: tuple[float, ...] = ()
    min_params: float = 1e8
    min_tokens: float = 1e10
    total_per_active: float = 1.0

    def __post_init__(self) -> None:
        if not (self.serve_tokens >= 0 and math.isfinite(self.serve_tokens)):
            raise SpecError(f"serve_tokens can't be negative, found {self.serve_tokens:g}.")
        given = [("sizes", size) for size in self.sizes]
        given += [(name, getattr(self, name)) for name in ("max_tokens", "max_params")]
        given += [(name, getattr(self, name)) for name in ("min_tokens", "min_params")]
        for name, value in given:
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise SpecError(f"{name} must be positive, found {value:g}.")
        for least, most in (
            (self.min_params, self.most_params),
            (self.min_tokens, self.most_tokens),
        ):
            if not least < most:
                raise SpecError(
                    f"nothing lies between the least, {least:g}, and the most, {most:g}: "
                    "sizes and tokens need room for a search."
                )
        if not self.total_per_active >= 1:
            raise SpecError(
                f"total_per_active is total over active parameters, one or more, found "
                f"{self.total_per_active:g}."
            )
        if self.sizes and min(self.sizes) > self.most_params:
            raise SpecError(f"no size allowed is at most max_params, {self.most_params:g}.")

    @property
    def most_params(self) -> float:
        """Largest size searched."""
        return MOST_PARAMS if self.max_params is None else self.max_params

    @property
    def most_tokens(self) -> float:
        """Most training tokens searched."""
        return MOST_TOKENS if self.max_tokens is None else self.max_tokens

    def flops(
        self, n_params: float | np.ndarray, n_tokens: float | np.ndarray
    ) -> float | np.ndarray:
        """Compute of training and serving, in FLOP.

        Args:
            n_params: active parameters.
            n_tokens: training tokens.

        Returns:
            ``6 * n_params * n_tokens + 2 * n_params * serve_tokens``.
        """
        return n_params * (TRAINING_FLOPS * n_tokens + SERVING_FLOPS * self.serve_tokens)

    def tokens(self, n_params: np.ndarray | float, flops: float) -> np.ndarray | float:
        """Training tokens that a budget leaves, or all there are; negative where none are left.

        Args:
            n_params: active parameters.
            flops: budget in FLOP, for training and serving.

        Returns:
            Tokens at every size.
        """
        left = (flops / n_params - SERVING_FLOPS * self.serve_tokens) / TRAINING_FLOPS
        return left if self.max_tokens is None else np.minimum(left, self.max_tokens)

    def params(self, n_tokens: float, flops: float) -> float:
        """Size at which a budget leaves just these training tokens.

        Args:
            n_tokens: training tokens.
            flops: budget in FLOP, for training and serving.

        Returns:
            Active parameters.
        """
        return float(flops / self.flops(1.0, n_tokens))

    def allowed(self) -> Float[np.ndarray, " size"]:
        """All sizes allowed, whatever they cost: those listed, or a grid."""
        if not self.sizes:
            return np.geomspace(self.min_params, self.most_params, GRID)
        return np.array([size for size in sorted(set(self.sizes)) if size <= self.most_params])

    def path(self, flops: float) -> Path:
        """Sizes that a budget allows, from the smallest to the largest.

        Args:
            flops: budget in FLOP, for training and serving.

        Returns:
            Sizes (active parameters), the training tokens that the budget leaves each, and what
            keeps an optimum there from being one.

        Raises:
            SpecError: the budget is not positive, or no size leaves enough tokens.

        Example:
            >>> path = Deployment(sizes=(7e9, 70e9)).path(4.2e23)
            >>> path.n_params / 1e9, path.n_tokens / 1e12
            (array([ 7., 70.]), array([10.,  1.]))
        """
        if not (flops > 0 and math.isfinite(flops)):
            raise SpecError(f"a budget must be positive, found {flops:g} FLOP.")
        largest = min(self.most_params, self.params(self.min_tokens, flops))
        kink = self.params(self.most_tokens, flops)
        sizes = self._listed(largest) if self.sizes else self._searched(kink, largest)
        if not len(sizes):
            allowed = self.allowed()
            raise SpecError(
                f"at {flops:g} FLOP no size between {allowed[0]:g} and {allowed[-1]:g} leaves "
                f"between {self.min_tokens:g} and {self.most_tokens:g} tokens to train on."
            )
        limit = np.full(len(sizes), Limit.NONE, dtype=object)
        if not self.sizes:
            limit[[0, -1]] = Limit.LOWER, Limit.UPPER
        if self.max_tokens is not None:
            limit[sizes <= kink if self.sizes else sizes == kink] = Limit.TOKENS
        if largest == self.max_params and sizes[-1] == largest:
            limit[-1] = (
                Limit.BOTH if self.max_tokens is not None and kink >= largest else Limit.SIZE
            )
        return Path(sizes, np.asarray(self.tokens(sizes, flops)), limit)

    def _listed(self, largest: float) -> Float[np.ndarray, " size"]:
        sizes = self.allowed()
        return sizes[sizes <= largest]

    def _searched(self, kink: float, largest: float) -> Float[np.ndarray, " size"]:
        """A grid of always as many sizes, with the one at which all tokens there are just fit."""
        if self.max_tokens is None:
            smallest = max(self.min_params, kink)
            return np.geomspace(smallest, largest, GRID) if smallest < largest else np.array([])
        if not self.min_params < largest:
            return np.array([])
        if not self.min_params < kink < largest:
            return np.geomspace(self.min_params, largest, GRID)
        return np.sort(np.append(np.geomspace(self.min_params, largest, GRID - 1), kink))
