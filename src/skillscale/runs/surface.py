r"""The loss surface: how a loss falls with size and tokens.

$$L(N, D) = E + A\left(\tfrac{N}{N_0}\right)^{-\alpha} + B\left(\tfrac{D}{D_0}\right)^{-\beta}$$

(Hoffmann et al. 2022, arXiv:2203.15556, about a reference size and token count). At a budget
$C = 6ND$ with $s = \log\frac{C}{6 N_0 D_0}$ it is a valley about the best size,

$$L = E + R\, e^{-\gamma s}\,
\frac{\beta e^{-\alpha u} + \alpha e^{\beta u}}{\alpha + \beta}, \qquad
u = \log\frac{N}{N^*(s)}, \qquad \log N^*(s) = \log N^*(0) + a\, s,$$

and the same two exponents say how steep its sides are, how fast it falls,
$\gamma = \alpha\beta/(\alpha+\beta)$, and how it moves, $a = \beta/(\alpha+\beta)$. Real grids are
less rigid than that: a valley that is steeper on one side than the other would have to move that
way, whatever the budgets show. So one number lets it go its own way,

$$\operatorname{logit} a = \log\tfrac{\beta}{\alpha} + \zeta,$$

and at zero the surface is that of Hoffmann et al. (A factor on $\gamma$ of its own was tried: it
explains more, but floor and pace then trade against each other, and forecasts of the next budget
from the shipped runs were off by half as much again, all too high.)
"""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Surface(NamedTuple):
    """A loss surface, in nats per token or whatever the loss is in."""

    floor: Float[Array | np.ndarray, "*s"]
    """Loss $E$ that neither size nor tokens reduce."""
    size_term: Float[Array | np.ndarray, "*s"]
    """Loss $A$ that the reference size leaves."""
    tokens_term: Float[Array | np.ndarray, "*s"]
    """Loss $B$ that the reference token count leaves."""
    size_exponent: Float[Array | np.ndarray, "*s"]
    """Steepness $\\alpha$ of the valley towards small sizes."""
    tokens_exponent: Float[Array | np.ndarray, "*s"]
    """Steepness $\\beta$ towards large ones."""
    turn: Float[Array | np.ndarray, "*s"] | float = 0.0
    """How far the valley turns, $\\zeta$: of the odds of $a$, as a logarithm."""


def expected_loss(
    surface: Surface,
    log_params: Float[Array | np.ndarray, "*s"],
    log_tokens: Float[Array | np.ndarray, "*s"],
) -> Float[Array | np.ndarray, "*s"]:
    """Loss of runs, from logs centred at the reference size and token count.

    Args:
        surface: the loss surface, or draws of it.
        log_params: logs of sizes over the reference.
        log_tokens: logs of token counts over the reference.

    Returns:
        Losses in the unit of the surface.

    Example:
        >>> chinchilla = Surface(*map(jnp.array, (1.7, 0.5, 0.6, 0.34, 0.28)))
        >>> round(float(expected_loss(chinchilla, jnp.array(0.0), jnp.array(0.0))), 3)
        2.8
    """
    xp = _library(surface, log_params)
    alpha, beta = surface.size_exponent, surface.tokens_exponent
    log_pairs = log_params + log_tokens
    off = log_params - optimal_log_params(surface, log_pairs)
    sides = (beta * xp.exp(-alpha * off) + alpha * xp.exp(beta * off)) / (alpha + beta)
    pace = alpha * beta / (alpha + beta)
    return surface.floor + _reducible(surface) * xp.exp(-pace * log_pairs) * sides


def _reducible(surface: Surface) -> Float[Array | np.ndarray, "*s"]:
    """Loss $R$ above the floor of the best size at the reference budget."""
    xp, best = _library(surface), _log_best(surface)
    by_size = surface.size_term * xp.exp(-surface.size_exponent * best)
    return by_size + surface.tokens_term * xp.exp(surface.tokens_exponent * best)


def _library(surface: Surface, *others: object) -> ModuleType:
    """JAX for what it has made or is tracing, NumPy for draws: it compiles nothing."""
    is_jax = any(isinstance(part, jax.Array) for part in (*surface, *others))
    return jnp if is_jax else np


def _log_best(surface: Surface) -> Float[Array | np.ndarray, "*s"]:
    """Log of the best size at the reference budget: both terms fall at the same rate there."""
    ratio = surface.size_exponent * surface.size_term
    ratio = ratio / (surface.tokens_exponent * surface.tokens_term)
    return _library(surface).log(ratio) / (surface.size_exponent + surface.tokens_exponent)


def optimal_log_params(
    surface: Surface,
    log_pairs: Float[Array | np.ndarray, "*s"],
    tilt: Float[Array | np.ndarray, "*s"] | float = 0.0,
) -> Float[Array | np.ndarray, "*s"]:
    r"""Log of $N^*/N_0$ at a budget, from $\log\frac{C}{6 N_0 D_0}$.

    Where $\log\frac{C}{6ND}$ is $t \log\frac{N}{N_0}$ and not zero, larger models cost more of the
    budget, and the loss is least off the valley, at
    $e^{(\alpha+\beta)u} = (1 - q\beta)/(1 + q\alpha)$ with
    $q = t / ((\alpha+\beta)(1 + a t))$.

    Args:
        surface: the loss surface, or draws of it.
        log_pairs: log of the budget, over six times the reference size and token count.
        tilt: change $t$ of the log of compute over $6ND$ per e-fold of size.

    Returns:
        Logs of sizes over the reference.

    Example:
        >>> even = Surface(*map(jnp.array, (1.7, 0.5, 0.5, 0.3, 0.3)))
        >>> float(optimal_log_params(even, jnp.array(2.0)))
        1.0
    """
    alpha, beta, a = surface.size_exponent, surface.tokens_exponent, params_exponent(surface)
    xp, q = _library(surface, log_pairs), tilt / ((alpha + beta) * (1 + a * tilt))
    off = (xp.log1p(-q * beta) - xp.log1p(q * alpha)) / (alpha + beta)
    return (_log_best(surface) + a * log_pairs + off) / (1 + a * tilt)


def params_exponent(surface: Surface) -> Float[Array | np.ndarray, "*s"]:
    r"""Exponent $a$ of $N^* \propto C^a$.

    Args:
        surface: the loss surface, or draws of it.

    Returns:
        Numbers between 0 and 1.

    Example:
        >>> even = Surface(*map(jnp.array, (1.7, 0.5, 0.5, 0.3, 0.3)))
        >>> float(params_exponent(even))
        0.5
    """
    xp, odds = _library(surface), surface.tokens_exponent / surface.size_exponent
    return 1 / (1 + xp.exp(-surface.turn) / odds)
