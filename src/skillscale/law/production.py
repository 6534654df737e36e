r"""Production functions: what size and tokens give a skill. A specification chooses one of them.

With $n = \log(N/N_0)$ and $d = \log(D/D_0)$, a family gains over the references

$$\begin{aligned}
\text{translog} \quad & \beta_1 n + \beta_2 d + \beta_3 nd \\
\text{quadratic} \quad & \beta_1 n + \beta_2 d + \beta_3 nd + \beta_4 n^2 + \beta_5 d^2 \\
\text{additive} \quad & \beta_1 n + \beta_2 d + \beta_4 n^2 + \beta_5 d^2 \\
\text{two-term} \quad & -\left(\tfrac pa + \tfrac qb\right)
\log\frac{\tfrac pa e^{-an} + \tfrac qb e^{-bd}}{\tfrac pa + \tfrac qb}
\end{aligned}$$

The translog is that of Sloth (arXiv:2412.06540, equation 2). In $u = (n + d)/2$ and $v = (n - d)/2$
its interaction is $u^2 - v^2$: curvature along compute, which scores know, dictates curvature
across it, which they don't, and which optima are made of. The quadratic has both, and the mixed
one. The additive law has an optimum where both curvatures are negative.

The two-term law is the loss surface $E + Ae^{-an} + Be^{-bd}$ of Hoffmann et al. (arXiv:2203.15556)
on a log scale, $\theta \propto -\log(L - E)$, in numbers that scores can tell: all four are
positive, $p$ and $q$ are what an e-fold of size and of tokens gives at the references, $a$ and $b$
the exponents of the loss. Level curves are those of the loss; $p/a + q/b$ says how fast they pass.
It has an optimum at every budget, at which $p\,e^{-an} = q\,e^{-bd}$, and whose sharpness (see
`slope_evidence`) is $a + b$.

Functions take and give arrays of NumPy as of JAX, so that sampler, forecasts and optima share them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from jaxtyping import Float

Numbers = Float[Any, "*m"]
"""Centred logs of size, or of tokens."""
Slopes = Float[Any, "*draw input skill"]
Skills = Float[Any, "*m skill"]


class Form(StrEnum):
    """Production functions by name."""

    TRANSLOG = "translog"
    QUADRATIC = "quadratic"
    ADDITIVE = "additive"
    TWO_TERM = "two-term"


class Declared(NamedTuple):
    """A production function and its parameters.

    Attributes:
        gain: what size and tokens add to skills.
        inputs: names of the parameters, in the order of the dimension ``input`` of slopes.
        priors: of each, the name of its prior.
        is_positive: whether they are positive, and their priors cut off at zero.
    """

    gain: Callable[[Slopes, Numbers, Numbers], Skills]
    inputs: tuple[str, ...]
    priors: tuple[str, ...]
    is_positive: bool = False


def gain(form: str, slope: Slopes, log_params: Numbers, log_tokens: Numbers) -> Skills:
    """What size and tokens add to the skills of a family over those at the references.

    Args:
        form: name of a production function.
        slope: its parameters, of one draw, or of many along the first axis.
        log_params: log size, centred at the reference.
        log_tokens: log tokens, likewise; either is of all draws, or of each.

    Returns:
        Gains in units of the skills, zero at the references.

    Example:
        >>> import numpy as np
        >>> n, d = np.array([0.0, 1.0]), np.array([0.0, 2.0])
        >>> gain("translog", np.array([[0.5], [0.25], [0.125]]), n, d).tolist()
        [[0.0], [1.25]]
    """
    return FORMS[Form(form)].gain(slope, log_params, log_tokens)


def translog(slope: Slopes, log_params: Numbers, log_tokens: Numbers) -> Skills:
    """An interaction."""
    return _columns(log_params, log_tokens, log_params * log_tokens) @ slope


def quadratic(slope: Slopes, log_params: Numbers, log_tokens: Numbers) -> Skills:
    """An interaction, and curvature in size and in tokens."""
    product = log_params * log_tokens
    return _columns(log_params, log_tokens, product, log_params**2, log_tokens**2) @ slope


def additive(slope: Slopes, log_params: Numbers, log_tokens: Numbers) -> Skills:
    """Curvature in size and in tokens, and no interaction."""
    return _columns(log_params, log_tokens, log_params**2, log_tokens**2) @ slope


def two_term(slope: Slopes, log_params: Numbers, log_tokens: Numbers) -> Skills:
    """A term of a loss that falls with size, and one that falls with tokens."""
    by_size, by_tokens, of_size, of_tokens = (slope[..., i, None, :] for i in range(4))
    share_of_size, share_of_tokens = by_size / of_size, by_tokens / of_tokens
    weight = share_of_size + share_of_tokens
    fall_of_size = of_size * log_params[..., None]
    fall_of_tokens = of_tokens * log_tokens[..., None]
    xp = (fall_of_size + fall_of_tokens).__array_namespace__()
    log_loss = xp.logaddexp(
        xp.log(share_of_size / weight) - fall_of_size,
        xp.log(share_of_tokens / weight) - fall_of_tokens,
    )
    return -weight * log_loss


def _columns(*columns: Numbers) -> Float[Any, "*m input"]:
    xp = (columns[0] + columns[1]).__array_namespace__()
    return xp.stack(xp.broadcast_arrays(*columns), axis=-1)


FORMS: Mapping[Form, Declared] = {
    Form.TRANSLOG: Declared(
        translog,
        ("log_params", "log_tokens", "log_params:log_tokens"),
        ("slope", "slope", "interaction"),
    ),
    Form.QUADRATIC: Declared(
        quadratic,
        ("log_params", "log_tokens", "log_params:log_tokens", "log_params^2", "log_tokens^2"),
        ("slope", "slope", "interaction", "curvature", "curvature"),
    ),
    Form.ADDITIVE: Declared(
        additive,
        ("log_params", "log_tokens", "log_params^2", "log_tokens^2"),
        ("slope", "slope", "curvature", "curvature"),
    ),
    Form.TWO_TERM: Declared(
        two_term,
        ("log_params", "log_tokens", "exponent:log_params", "exponent:log_tokens"),
        ("slope", "slope", "exponent", "exponent"),
        is_positive=True,
    ),
}
"""Every production function that a specification may name."""
