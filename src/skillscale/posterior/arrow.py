r"""Precisions of arrow form: groups of parameters that depend on each other through shared ones.

Given the shared parameters, those of one lineage tell nothing of another lineage's. A precision is
then block-diagonal but for a border,

$$P = \begin{pmatrix} A & B \\ B^\top & D \end{pmatrix}, \qquad
R = \begin{pmatrix} A^{-1/2} & -A^{-1} B\, S^{-1/2} \\ 0 & S^{-1/2} \end{pmatrix}, \qquad
S = D - B^\top A^{-1} B,$$

and $R R^\top = P^{-1}$ with a root $R$ as sparse as $P$. A sampler multiplies by it in every step,
where a full matrix would cost more than the posterior's gradient; and memory grows with the number
of models, not with its square.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

Groups = Sequence[Int[np.ndarray, " member"]]
"""Positions of the parameters of every group; parameters of no group are shared."""

SMALLEST_PRECISION = 0.5
"""Every prior is at least this precise, so a flatter Hessian is noise of the few draws behind it.
Without it one bad direction throws the next draws, and with them the fit, far away."""


class Arrow(NamedTuple):
    """A symmetric matrix of arrow form, group by group.

    Attributes:
        blocks: $A$, the square of every group.
        borders: $B$, what links every group to the shared parameters.
        corner: $D$, the square of the shared parameters.
    """

    blocks: tuple[Float[np.ndarray, "member member"], ...]
    borders: tuple[Float[np.ndarray, "member shared"], ...]
    corner: Float[np.ndarray, "shared shared"]

    def mixed(self, other: Arrow, rate: float) -> Arrow:
        """This one and another, by the share of the other."""
        return Arrow(
            tuple(_mixed(a, b, rate) for a, b in zip(self.blocks, other.blocks, strict=True)),
            tuple(_mixed(a, b, rate) for a, b in zip(self.borders, other.borders, strict=True)),
            _mixed(self.corner, other.corner, rate),
        )


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
        *of_groups, shared = jnp.split(whitened, self._ends())
        own = [block @ part for block, part in zip(self.blocks, of_groups, strict=True)]
        rows = jnp.concatenate([*own, jnp.zeros_like(shared)]) + self.border @ shared
        return _permute(rows, self.inverse, self.order)

    def scaled(self, scale: Float[np.ndarray, " parameter"]) -> Root:
        """$R$ with every column times a scale; by NumPy, which compiles nothing."""
        *of_groups, shared = np.split(scale.astype(np.float32), self._ends())
        blocks = zip(self.blocks, of_groups, strict=True)
        return self._replace(
            blocks=tuple(jnp.asarray(np.asarray(block) * own) for block, own in blocks),
            border=jnp.asarray(np.asarray(self.border) * shared),
        )

    def whiten(
        self, centred: Float[np.ndarray, "point parameter"]
    ) -> Float[np.ndarray, "point parameter"]:
        """The independent coordinates of points: the inverse of a product with each."""
        rows = np.asarray(centred, np.float64).T[np.asarray(self.order)]
        blocks, borders, corner = self._parts()
        *of_groups, shared = np.split(rows, self._ends())
        last = np.linalg.solve(corner, shared)
        own = [
            np.linalg.solve(block, part - border @ last)
            for block, border, part in zip(blocks, borders, of_groups, strict=True)
        ]
        return np.concatenate([*own, last]).T

    def precision(self) -> Arrow:
        r"""The inverse of the covariance $R R^\top$."""
        blocks, borders, corner = self._parts()
        inverses = [np.linalg.inv(block) for block in blocks]
        last = np.linalg.inv(corner)
        whitened = [inv @ border @ last for inv, border in zip(inverses, borders, strict=True)]
        return Arrow(
            tuple(inv.T @ inv for inv in inverses),
            tuple(-inv.T @ part for inv, part in zip(inverses, whitened, strict=True)),
            last.T @ last + sum((part.T @ part for part in whitened), np.zeros_like(last)),
        )

    def _ends(self) -> Int[np.ndarray, " group"]:
        """Where the columns of the groups end."""
        return np.cumsum([len(block) for block in self.blocks], dtype=int)

    def _parts(self) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
        """Blocks, borders and corner, in double precision."""
        blocks = [np.asarray(block, np.float64) for block in self.blocks]
        *borders, corner = np.split(np.asarray(self.border, np.float64), self._ends())
        return blocks, borders, corner


def inverse_root(precision: Arrow, groups: Groups) -> Root:
    """A root of the inverse of a precision.

    Directions flatter than any prior are noise: they are given the least precision, and no links.

    Args:
        precision: the precision, in the order of the groups.
        groups: positions of the parameters of every group.

    Returns:
        The root, over parameters in their own order.

    >>> one = np.ones((1, 1))
    >>> precision = Arrow((25 * one,), (np.zeros((1, 2)),), np.diag([4.0, 1.0]))
    >>> (inverse_root(precision, [np.array([2])]) @ jnp.ones(3)).tolist()
    [0.5, 1.0, 0.20000000298023224]
    """
    schur = precision.corner
    roots, links = [], []
    for block, border in zip(precision.blocks, precision.borders, strict=True):
        root, is_sound = _inverse_root(block)
        whitened = is_sound @ (root.T @ border)
        schur = schur - whitened.T @ whitened
        roots.append(root)
        links.append(-root @ whitened)
    corner, is_sound = _inverse_root(schur)
    order = np.concatenate([*groups, shared_of(groups, len(schur))])
    return Root(
        jnp.asarray(order),
        jnp.asarray(np.argsort(order)),
        tuple(jnp.asarray(root, jnp.float32) for root in roots),
        jnp.asarray(
            np.concatenate([*(link @ is_sound @ corner for link in links), corner]), jnp.float32
        ),
    )


def shared_of(groups: Groups, n_shared: int) -> Int[np.ndarray, " shared"]:
    """Positions of the parameters of no group.

    >>> shared_of([np.array([2])], 2).tolist()
    [0, 1]
    """
    is_shared = np.ones(sum(map(len, groups)) + n_shared, bool)
    is_shared[np.concatenate([*groups, np.empty(0, int)]).astype(int)] = False
    return np.flatnonzero(is_shared)


def _mixed(a: np.ndarray, b: np.ndarray, rate: float) -> np.ndarray:
    return (1 - rate) * a + rate * b


def _inverse_root(
    precision: Float[np.ndarray, "p p"],
) -> tuple[Float[np.ndarray, "p p"], Float[np.ndarray, "p p"]]:
    """The symmetric root, and a projection onto the directions that are precise enough.

    The symmetric one is the only one, so last digits of the precision don't turn the draws.
    """
    values, vectors = np.linalg.eigh(precision)
    is_sound: Bool[np.ndarray, " p"] = values >= SMALLEST_PRECISION
    root = (vectors / np.sqrt(np.maximum(np.abs(values), SMALLEST_PRECISION))) @ vectors.T
    return root, np.eye(len(values)) if is_sound.all() else (vectors * is_sound) @ vectors.T


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
