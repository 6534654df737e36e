r"""Covariances of arrow form: groups of parameters that depend on each other through shared ones.

Given the shared parameters, those of one lineage tell nothing of another lineage's. A precision is
then block-diagonal but for a border,

$$P = \begin{pmatrix} A & B \\ B^\top & D \end{pmatrix}, \qquad
R = \begin{pmatrix} A^{-1/2} & -A^{-1} B\, S^{-1/2} \\ 0 & S^{-1/2} \end{pmatrix}, \qquad
S = D - B^\top A^{-1} B,$$

and $R R^\top = P^{-1}$ with a root $R$ as sparse as $P$. A sampler multiplies by it in every step,
where a full matrix would cost more than the posterior's gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Groups = Sequence[Int[np.ndarray, " member"]]
"""Positions of the parameters of every group; parameters of no group are shared."""

SMALLEST_PRECISION = 0.5
"""Every prior is at least this precise, so a flatter Hessian is noise of the few draws behind it.
Without it one bad direction throws the next draws, and with them the fit, far away."""


class Root(NamedTuple):
    """A root $R$ of a covariance, as its diagonal blocks and its last columns.

    Attributes:
        order: of each row of $R$, its parameter: group after group, then the shared ones.
        inverse: of each parameter, its row.
        blocks: $A^{-1/2}$, group by group.
        border: the columns of the shared parameters.
    """

    order: Int[Array, " parameter"]
    inverse: Int[Array, " parameter"]
    blocks: tuple[Float[Array, "member member"], ...]
    border: Float[Array, "parameter shared"]

    def __matmul__(self, whitened: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
        """From independent coordinates to parameters."""
        *of_groups, shared = self._parts(whitened)
        own = [block @ part for block, part in zip(self.blocks, of_groups, strict=True)]
        rows = jnp.concatenate([*own, jnp.zeros_like(shared)]) + self.border @ shared
        return _permute(rows, self.inverse, self.order)

    def dense(self) -> Float[np.ndarray, "parameter parameter"]:
        """$R$ as one matrix, whose columns are in the order of the blocks."""
        unit = jnp.eye(len(self.order))
        return np.asarray(jax.vmap(self.__matmul__, out_axes=1)(unit), np.float64)

    def scaled(self, scale: Float[np.ndarray, " parameter"]) -> Root:
        """$R$ with every column times a scale."""
        *of_groups, shared = self._parts(jnp.asarray(scale, jnp.float32))
        blocks = tuple(b * own for b, own in zip(self.blocks, of_groups, strict=True))
        return self._replace(blocks=blocks, border=self.border * shared)

    def _parts(self, of_columns: Float[Array, " parameter"]) -> list[Float[Array, " part"]]:
        """Values of the columns, group by group, then those of the shared parameters."""
        return jnp.split(of_columns, np.cumsum([len(b) for b in self.blocks]))


def inverse_root(precision: Float[np.ndarray, "p p"], groups: Groups) -> Root:
    """A root of the inverse of a precision, without what links one group to another.

    >>> root = inverse_root(np.diag([4.0, 1.0, 25.0]), [np.array([2])])
    >>> (root @ jnp.ones(3)).tolist()
    [0.5, 1.0, 0.20000000298023224]
    """
    precision = _at_least(SMALLEST_PRECISION, precision)
    is_shared = np.ones(len(precision), bool)
    is_shared[np.concatenate([*groups, np.empty(0, int)]).astype(int)] = False
    shared = np.flatnonzero(is_shared)
    schur = precision[np.ix_(shared, shared)]
    blocks, borders = [], []
    for group in groups:
        block = _dense_inverse_root(precision[np.ix_(group, group)])
        whitened = block.T @ precision[np.ix_(group, shared)]
        schur = schur - whitened.T @ whitened
        blocks.append(block)
        borders.append(-block @ whitened)
    corner = _dense_inverse_root(schur)
    order = np.concatenate([*groups, shared])
    return Root(
        jnp.asarray(order),
        jnp.asarray(np.argsort(order)),
        tuple(jnp.asarray(block, jnp.float32) for block in blocks),
        jnp.asarray(np.concatenate([*(b @ corner for b in borders), corner]), jnp.float32),
    )


def _dense_inverse_root(precision: Float[np.ndarray, "p p"]) -> Float[np.ndarray, "p p"]:
    """The symmetric root: the only one, so last digits of the precision don't turn the draws."""
    values, vectors = np.linalg.eigh(precision)
    return np.asarray((vectors / np.sqrt(np.maximum(values, SMALLEST_PRECISION))) @ vectors.T)


def _at_least(smallest: float, precision: Float[np.ndarray, "p p"]) -> Float[np.ndarray, "p p"]:
    """The precision, or where it is smaller in some direction, one that is not in any."""
    try:
        np.linalg.cholesky(precision - smallest * np.eye(len(precision)))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(precision)
        return np.asarray((vectors * np.maximum(np.abs(values), smallest)) @ vectors.T)
    return precision


@jax.custom_vjp
def _permute(
    rows: Float[Array, " n"], order: Int[Array, " n"], inverse: Int[Array, " n"]
) -> Float[Array, " n"]:
    """Take rows in some order; its gradient is a gather too, where JAX would scatter slowly."""
    return rows[order]


_permute.defvjp(
    lambda rows, order, inverse: (rows[order], inverse),
    lambda inverse, cotangent: (cotangent[inverse], None, None),
)
