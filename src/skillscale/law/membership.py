"""Which group every member belongs to, as a matrix that is multiplied by but never written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

    Example:
        >>> of = OneHot.of(["b", "a", "b"], ["a", "b"])
        >>> (of @ jnp.array([1.0, 2.0])).tolist(), (of.T @ jnp.array([3.0, 4.0, 5.0])).tolist()
        ([2.0, 1.0, 2.0], [4.0, 8.0])
        >>> (jnp.array([[3.0, 4.0, 5.0]]) @ of).tolist()
        [[4.0, 8.0]]
    """

    group: Int[Array, " member"]
    size: Float[Array, " group"]

    __array_ufunc__ = None  # NumPy's arrays leave products to this class

    @classmethod
    def of(cls, names: Sequence[str], groups: Sequence[str]) -> OneHot:
        """The matrix of members with these groups, in the order given."""
        group = pd.Index(groups).get_indexer(pd.Index(names))
        size = np.bincount(group, minlength=len(groups))
        # Where jnp.asarray compiles a program for every shape.
        return cls(*map(jax.device_put, (group.astype(np.int32), size.astype(np.float32))))

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
        return jnp.take(jnp.asarray(values), self.group, axis=_of_rows(values))

    def __rmatmul__(self, values: Float[Array, "*s member"]) -> Float[Array, "*s group"]:
        """Sums over the members of every group, along the last axis."""
        values = jnp.asarray(values)
        totals = jnp.zeros((*values.shape[:-1], len(self.size)), values.dtype)
        return totals.at[..., self.group].add(values)


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
        return jnp.take(jnp.asarray(values), self.matrix.group, axis=-1)


def _of_rows(values: Array) -> int:
    """The axis that a matrix on the left is multiplied with."""
    return -1 if jnp.ndim(values) == 1 else -2
