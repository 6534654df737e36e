r"""The loss surface: how a loss falls with size and tokens.

$$L(N, D) = E + A\left(\tfrac{N}{N_0}\right)^{-\alpha} + B\left(\tfrac{D}{D_0}\right)^{-\beta}$$

(Hoffmann et al. 2022, arXiv:2203.15556, about a reference size and token count). At a budget
$C = 6ND$ it is least where both terms fall at the same rate, so that

$$N^* = N_0 \left(\tfrac{\alpha A}{\beta B}\right)^{1/(\alpha+\beta)}
\left(\tfrac{C}{6 N_0 D_0}\right)^{a}, \qquad a = \frac{\beta}{\alpha+\beta}.$$
"""

from __future__ import annotations

from typing import NamedTuple

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
    tokens_exponent: Float[Array | np.ndarray, "*s"]


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
    by_size = surface.size_term * jnp.exp(-surface.size_exponent * log_params)
    by_tokens = surface.tokens_term * jnp.exp(-surface.tokens_exponent * log_tokens)
    return surface.floor + by_size + by_tokens


def optimal_log_params(
    surface: Surface, log_pairs: Float[Array | np.ndarray, "*s"]
) -> Float[Array | np.ndarray, "*s"]:
    r"""Log of $N^*/N_0$ at a budget, from $\log\frac{C}{6 N_0 D_0}$.

    Args:
        surface: the loss surface, or draws of it.
        log_pairs: log of the budget, over six times the reference size and token count.

    Returns:
        Logs of sizes over the reference.

    Example:
        >>> even = Surface(*map(jnp.array, (1.7, 0.5, 0.5, 0.3, 0.3)))
        >>> float(optimal_log_params(even, jnp.array(2.0)))
        1.0
    """
    ratio = surface.size_exponent * surface.size_term
    ratio /= surface.tokens_exponent * surface.tokens_term
    total = surface.size_exponent + surface.tokens_exponent
    return (jnp.log(ratio) + surface.tokens_exponent * log_pairs) / total


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
    return surface.tokens_exponent / (surface.size_exponent + surface.tokens_exponent)
