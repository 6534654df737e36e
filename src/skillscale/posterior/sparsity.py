"""Which parameters depend on each other, given those that all share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from skillscale.posterior.arrow import Arrow, Groups

GROUP_SIZE = 128
"""Lineages share a group up to this many parameters: a few larger products are the fastest."""


@dataclass(frozen=True, eq=False)
class Sparsity:
    """The lineage of every parameter: those of different lineages meet through shared ones only.

    A Hessian needs no column of its own for each of them: columns of different lineages have no
    row in common but shared ones, so that one product with their sum gives them all (Curtis, Powell
    and Reid 1974). Such columns have one color.

    Attributes:
        lineage: of every parameter; `SHARED` where it is of none.

    Example:
        >>> sparsity = Sparsity(np.array([0, 0, 1, Sparsity.SHARED]))
        >>> sparsity.color.tolist(), sparsity.n_colors
        ([0, 1, 0, 2], 3)
    """

    lineage: Int[np.ndarray, " parameter"]

    SHARED: ClassVar[int] = -1

    @cached_property
    def is_shared(self) -> Bool[np.ndarray, " parameter"]:
        """Whether all models depend on it."""
        return self.lineage == self.SHARED

    @cached_property
    def color(self) -> Int[np.ndarray, " parameter"]:
        """Columns of one color have no row in common, but shared ones: numbers from zero."""
        color = np.zeros(len(self.lineage), np.int32)
        order = np.argsort(self.lineage, kind="stable")
        own = order[~self.is_shared[order]]
        lineage = self.lineage[own]
        color[own] = np.arange(len(own)) - np.searchsorted(lineage, lineage)
        n_own = int(color[own].max(initial=-1)) + 1
        color[self.is_shared] = n_own + np.arange(self.is_shared.sum())
        return color

    @property
    def n_colors(self) -> int:
        """How many products give the whole Hessian."""
        return int(self.color.max()) + 1

    @cached_property
    def groups(self) -> Groups:
        """Positions of the parameters of some lineages each, small lineages together."""
        own = self.lineage[~self.is_shared]
        order = np.argsort(self.lineage, kind="stable")[self.is_shared.sum() :]
        members = np.split(order, np.flatnonzero(np.diff(np.sort(own))) + 1) if len(own) else []
        groups: list[list[np.ndarray]] = []
        room: list[int] = []
        for member in sorted(members, key=len, reverse=True):
            fits = next((i for i, left in enumerate(room) if left >= len(member)), None)
            if fits is None:
                groups.append([member])
                room.append(GROUP_SIZE - len(member))
            else:
                groups[fits].append(member)
                room[fits] -= len(member)
        return [np.concatenate(group) for group in groups]

    def diagonal(self, values: Float[np.ndarray, " parameter"]) -> Arrow:
        """A diagonal matrix."""
        shared = values[self.is_shared]
        return Arrow(
            tuple(np.diag(values[group]) for group in self.groups),
            tuple(np.zeros((len(group), len(shared))) for group in self.groups),
            np.diag(shared),
        )

    def matrix(self, products: Float[np.ndarray, "color parameter"]) -> Arrow:
        """The matrix of which these are the products with the sums of columns of one color."""
        shared = np.flatnonzero(self.is_shared)
        of_shared = products[self.color[shared]].astype(np.float64)
        blocks = []
        for group in self.groups:
            together = self.lineage[group][:, None] == self.lineage[group]
            block = np.where(together, products[self.color[group][:, None], group], 0.0)
            blocks.append((block + block.T) / 2)
        corner = of_shared[:, shared]
        return Arrow(
            tuple(blocks),
            tuple(of_shared[:, group].T for group in self.groups),
            (corner + corner.T) / 2,
        )
