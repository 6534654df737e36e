"""Which group every member belongs to, as a matrix that is multiplied by but never written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class OneHot:
    """One-hot matrix, a row per member and a column per group: memory grows with the members alone.

    With thousands of models in thousands of families a product with the full matrix takes thirty
    times as long; with a hundred models there is no difference.

    Attributes:
        group: position of the group of every member.
        size: members of every group.
        first: position of a member of every group; past the end where there is none.
        others: positions of the other members.

    Example:
        >>> of = OneHot.of(["b", "a", "b"], ["a", "b"])
        >>> (of @ jnp.array([1.0, 2.0])).tolist(), (of.T @ jnp.array([3.0, 4.0, 5.0])).tolist()
        ([2.0, 1.0, 2.0], [4.0, 8.0])
        >>> (jnp.array([[3.0, 4.0, 5.0]]) @ of).tolist()
        [[4.0, 8.0]]
    """

    group: Int[Array, " member"]
    size: Float[Array, " group"]
    first: Int[Array, " group"]
    others: Int[Array, " other"]

    __array_ufunc__ = None  # NumPy's arrays leave products to this class

    @classmethod
    def of(cls, names: Sequence[Any], groups: Sequence[Any]) -> OneHot:
        """The matrix of members with these groups, in the order given."""
        group = pd.Index(groups).get_indexer(pd.Index(names))
        order = np.argsort(group, kind="stable")
        size = np.bincount(group, minlength=len(groups))
        begins = np.cumsum(size) - size
        first = np.where(size > 0, np.append(order, 0)[begins], len(group)).astype(np.int32)
        others = np.setdiff1d(np.arange(len(group)), first)
        # Where jnp.asarray compiles a program for every shape.
        positions = group.astype(np.int32), size.astype(np.float32), first, others.astype(np.int32)
        return cls(*map(jax.device_put, positions))

    @property
    def shape(self) -> tuple[int, int]:
        """Members and groups."""
        return len(self.group), len(self.size)

    @property
    def T(self) -> Transposed:  # noqa: N802
        """The transpose: a row per group."""
        return Transposed(self)

    def __matmul__(
        self, values: Float[Array, "*s group column"]
    ) -> Float[Array, "*s member column"]:
        """Every member gets its group's row."""
        rows = _of_rows(values)
        return jnp.moveaxis(jnp.moveaxis(jnp.asarray(values), rows, -1) @ self.T, -1, rows)

    def __rmatmul__(self, values: Float[Array, "*s member"]) -> Float[Array, "*s group"]:
        """Sums over the members of every group, along the last axis."""
        return _totals(jnp.asarray(values), self)


@dataclass(frozen=True, eq=False)
class Transposed:
    """The transpose of a one-hot matrix."""

    matrix: OneHot

    __array_ufunc__ = None

    def __matmul__(
        self, values: Float[Array, "*s member column"]
    ) -> Float[Array, "*s group column"]:
        """Sums of rows over the members of every group."""
        rows = _of_rows(values)
        return jnp.moveaxis(jnp.moveaxis(jnp.asarray(values), rows, -1) @ self.matrix, -1, rows)

    def __rmatmul__(self, values: Float[Array, "*s group"]) -> Float[Array, "*s member"]:
        """Every member gets its group's value, along the last axis."""
        return _spread(jnp.asarray(values), self.matrix)


def _of_rows(values: Array) -> int:
    """The axis that a matrix on the left is multiplied with."""
    return -1 if jnp.ndim(values) == 1 else -2


def _sum(values: Float[Array, "*s member"], of: OneHot) -> Float[Array, "*s group"]:
    """Of most groups the first member is the only one, and XLA adds others one after another."""
    firsts = jnp.take(values, of.first, axis=-1, mode="fill", fill_value=0)
    others = jnp.take(values, of.others, axis=-1)
    return firsts.at[..., of.group[of.others]].add(others)


def _copy(values: Float[Array, "*s group"], of: OneHot) -> Float[Array, "*s member"]:
    return jnp.take(values, of.group, axis=-1)


# Each is the other's transpose, where JAX would take that of a gather for a sum over all members.
_totals, _spread = jax.custom_vjp(_sum), jax.custom_vjp(_copy)
_totals.defvjp(
    lambda values, of: (_sum(values, of), of),
    lambda of, cotangent: (_copy(cotangent, of), None),
)
_spread.defvjp(
    lambda values, of: (_copy(values, of), of),
    lambda of, cotangent: (_sum(cotangent, of), None),
)
