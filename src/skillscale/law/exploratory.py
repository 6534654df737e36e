r"""Exploratory skills: free to turn, with no direction among them special.

Where anchors name the skills, each skill has priors of its own. Exploratory skills share them:
every row of loadings is $\lambda_j \sim \mathcal N(0, s^2 I)$, slopes and effects have mean zero,
and all skills have one lineage scale, family scale, slope scale, model scale and trend scale.
Whatever orthogonal $Q$ turns them, $\lambda_j \to Q\lambda_j$ and $\theta_i \to Q\theta_i$ are as
probable as before and every score is the same, so the posterior of scores knows no rotation; only
reading the skills needs one (see `rotation`).

A sampler must not turn, so it is shown one rotation of the posterior: that in which the first
anchor reads the first skill alone, the second two skills, and so on. Rows of independent normals
turned so keep independent normals below the diagonal, and have on it what is left of their length,

$$u_k^2 \sim s^2\chi^2_{K - k + 1}, \quad k = 2, \dots, K$$

(Bartlett 1934), while $u_1 = 1$ is the unit that skills are measured in. Last, the sampler works
about in units of the anchors: $\theta_k \to c_k\theta_k$ and $\lambda_{jk} \to \lambda_{jk}/c_k$
with $c_k^2 = u_k^2 + 0.1^2$. Scores on an anchor tell its own predictor well, which is better than
either of its factors is known; and where an anchor happens to read nothing of its own, units do not
vanish with it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from skillscale.law.spec import NormalPrior, Priors

SMALLEST_UNIT = 0.1


def is_below_diagonal(n_skill: int) -> Bool[np.ndarray, "anchor skill"]:
    """Loadings of anchors on skills other than their own that are free.

    >>> is_below_diagonal(2).tolist()
    [[False, False], [True, False]]
    """
    return np.tri(n_skill, k=-1, dtype=bool)


class Units(NamedTuple):
    """Units of skills, and how much of its own skill every anchor reads in them."""

    unit: Float[Array, " skill"]
    own_loading: Float[Array, " skill"]


def units(squares: Float[Array, " skill-1"]) -> Units:
    """Units of all skills: the first is one.

    >>> bool(jnp.allclose(units(jnp.array([0.15])).unit, jnp.array([1.0, 0.4])))
    True
    """
    unit = jnp.sqrt(squares + SMALLEST_UNIT**2)
    first = jnp.ones(1)
    return Units(jnp.concatenate([first, unit]), jnp.concatenate([first, jnp.sqrt(squares) / unit]))


def without_direction(priors: Priors) -> Priors:
    """The same priors with means of zero where a mean would make a direction special.

    What a mean says of how large a parameter is goes into its spread.

    >>> without_direction(Priors(slope=NormalPrior(3.0, 4.0))).slope
    NormalPrior(mean=0.0, sd=5.0)
    """

    def about_zero(prior: NormalPrior) -> NormalPrior:
        return NormalPrior(0.0, math.hypot(prior.mean, prior.sd))

    return dataclasses.replace(
        priors,
        slope=about_zero(priors.slope),
        interaction=about_zero(priors.interaction),
        instruct=about_zero(priors.instruct),
        date=about_zero(priors.date),
    )
