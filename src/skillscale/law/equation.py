r"""The law: from size and tokens, through family efficiencies, to skills and benchmark scores.

$$\bar\theta_{ik} = \alpha_{f(i)k} + g\left(\log\tfrac{N_i}{N_0}, \log\tfrac{D_i}{D_0};
\beta_k\right)$$

$$\mu_{ij} = g_j + (u_j - g_j)
\left[1 - \left(1 + e^{p(k_j) + s(k_j)\,\eta_{ij}}\right)^{-k_j}\right], \qquad
\eta_{ij} = \lambda_j^\top\theta_i + b_j$$

The gain $g$ over the references is one of several production functions (see `production`). In place
of the monotone network of Sloth (arXiv:2412.06540) the link is the asymmetric logistic of
Aranda-Ordaz (1981); $k = 1$ is the logistic, and the smaller $k$, the more slowly a score nears its
ceiling $u$. The pivot $p(k)$ and the stretch $s(k)$ make the asymmetry bend the curve about one
point: at $\eta = 0$ the link has the same level $h_0 = 0.15$ and the same slope $h_0(1 - h_0)$
whatever $k$ is,

$$p(k) = \log\left((1 - h_0)^{-1/k} - 1\right), \qquad
s(k) = \frac{h_0}{k \left(1 - (1 - h_0)^{1/k}\right)}.$$

That level is where many scores are. About another point the asymmetry trades against the intercept
and loading of a benchmark near chance, along a curve that no sampler's coordinates straighten.
Everything here is a pure function of arrays, used alike by the sampler, forecasts and optima.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

PIVOT_LEVEL = 0.15
"""Share of the range above chance that a benchmark gives at linear predictor zero."""


class Link(NamedTuple):
    """How benchmarks read the skills."""

    loading: Float[Array, "benchmark skill"]
    intercept: Float[Array, " benchmark"]
    asymmetry: Float[Array, " benchmark"]
    chance: Float[Array, " benchmark"]
    ceiling: Float[Array, " benchmark"]


PER_DRAW = Link._make((0, 0, 0, None, 0))
"""Axes of a link whose parts have one row per draw, except chance."""


def expected_score(
    skill: Float[Array, "model skill"], link: Link
) -> Float[Array, "benchmark model"]:
    r"""Score $\mu$ that models with these skills are expected to reach, a fraction.

    >>> coin = Link(jnp.ones((1, 1)), *(jnp.array([v]) for v in (0.0, 1.0, 0.5, 1.0)))
    >>> expected_score(jnp.zeros((1, 1)), coin)
    Array([[0.575]], dtype=float32)
    """
    return expected_score_and_slope(skill, link)[0]


def expected_score_and_slope(
    skill: Float[Array, "model skill"], link: Link
) -> tuple[Float[Array, "benchmark model"], Float[Array, "benchmark model"]]:
    r"""Expected score and its derivative in the linear predictor $\lambda^\top\theta + b$."""
    return score_and_slope(predictor_of_skill(skill, link), link)


def predictor_of_skill(
    skill: Float[Array, "model skill"], link: Link
) -> Float[Array, "benchmark model"]:
    r"""Linear predictor $\lambda^\top\theta + b$ of models with these skills."""
    return link.loading @ skill.T + link.intercept[:, None]


def score_of_predictor(
    predictor: Float[Array, "benchmark n"], link: Link
) -> Float[Array, "benchmark n"]:
    r"""Expected score at values of the linear predictor $\lambda^\top\theta + b$.

    >>> coin = Link(jnp.ones((1, 1)), *(jnp.array([v]) for v in (0.0, 1.0, 0.5, 1.0)))
    >>> score_of_predictor(jnp.zeros((1, 1)), coin)
    Array([[0.575]], dtype=float32)
    """
    return score_and_slope(predictor, link)[0]


@jax.jit
def scores_of_predictors(
    predictor: Float[Array, "draw benchmark n"], link: Link
) -> Float[Array, "draw benchmark n"]:
    """Expected scores at values of the linear predictors, per draw.

    Args:
        predictor: any number of values per draw and benchmark.
        link: how benchmarks read them, every part with a leading draw axis, except chance.

    Returns:
        Fractions.
    """
    return jax.vmap(score_of_predictor, in_axes=(0, PER_DRAW))(predictor, link)


def predictor_of_score(score: Float[Array, "*m"], link: Link) -> Float[Array, "*m benchmark"]:
    r"""Linear predictor $\lambda^\top\theta + b$ that gives an expected score: the link's inverse.

    Infinite where no predictor does: at or above the ceiling, minus infinite at chance and below.

    >>> coin = Link(jnp.ones((1, 1)), *(jnp.array([v]) for v in (0.0, 1.0, 0.5, 1.0)))
    >>> predictor_of_score(jnp.array([0.5, 1.0]), coin).tolist()
    [[-inf], [inf]]
    """
    share = (jnp.asarray(score)[..., None] - link.chance) / (link.ceiling - link.chance)
    log_shortfall = jnp.log1p(-jnp.clip(share, 0, 1))
    pivot, stretch = _pivot(link.asymmetry)
    return (jnp.log(jnp.expm1(-log_shortfall / link.asymmetry)) - pivot) / stretch


def score_and_slope(
    predictor: Float[Array, "benchmark n"], link: Link
) -> tuple[Float[Array, "benchmark n"], Float[Array, "benchmark n"]]:
    """The link: expected score and its derivative at values of the linear predictor."""
    asymmetry = link.asymmetry[:, None]
    room = (link.ceiling - link.chance)[:, None]
    pivot, stretch = _pivot(asymmetry)
    at = pivot + stretch * predictor
    log_shortfall = -asymmetry * jax.nn.softplus(at)
    slope = room * asymmetry * stretch * jnp.exp(log_shortfall) * jax.nn.sigmoid(at)
    above_chance = -room * jnp.expm1(log_shortfall)
    return link.chance[:, None] + above_chance, slope


def _pivot(
    asymmetry: Float[Array, "*b"],
) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
    """Where the link is at the pivot level, and the stretch that gives it the logistic's slope."""
    log_odds_plus_one = -jnp.log1p(-PIVOT_LEVEL) / asymmetry
    share = -jnp.expm1(-log_odds_plus_one)
    return log_odds_plus_one + jnp.log(share), PIVOT_LEVEL / (asymmetry * share)


def item_variance(
    mean: Float[Array, "benchmark model"], n_items: Float[Array, " benchmark"]
) -> Float[Array, "benchmark model"]:
    r"""Sampling variance $\mu(1-\mu)/n + 1/(12 n^2)$ of $n$ items: noise that no law could remove.

    Scores are multiples of $1/n$. Without the variance of rounding to them, hundreds of scores of
    exactly zero would be infinitely probable at an expected score of zero.
    """
    n = n_items[:, None]
    return mean * (1 - mean) / n + 1 / (12 * n**2)


def discrepancy_variance(
    mean: Float[Array, "benchmark model"],
    slope: Float[Array, "benchmark model"],
    overdispersion: Float[Array, " benchmark"],
    spread: Float[Array, " benchmark"],
) -> Float[Array, "benchmark model"]:
    r"""Squared scale $\phi^2(\mu(1-\mu) + 0.01) + (\psi\mu')^2$ of what the law leaves unexplained.

    The overdispersion $\phi$, relative to the spread of a single item, is what prompts and formats
    do anywhere; the spread $\psi$, in units of the linear predictor, acts where the link is steep.
    The 0.01 keeps a model of expected score near zero from becoming an outlier by one lucky answer.
    """
    anywhere = overdispersion[:, None] ** 2 * (mean * (1 - mean) + 0.01)
    return anywhere + (spread[:, None] * slope) ** 2
