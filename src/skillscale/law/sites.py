r"""The parameters of the law: each is declared here, once, and everything else follows.

A declaration is the name of a field, its shape, its support, what becomes of it when skills are
shown in other coordinates, and what it means. Names of dimensions in a saved fit, the table of
priors, what `check` reports and what is drawn anew for a benchmark are read off these.

A draw of the law is one `Law`; posterior draws are a `Law` whose arrays have a leading axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

import jax.numpy as jnp
from jaxtyping import Array, Float

from skillscale.law.equation import Link

T = TypeVar("T")


class Support(StrEnum):
    """The values that a parameter may have."""

    REAL = "real"
    POSITIVE = "positive"
    UNIT_INTERVAL = "unit interval"


class Kind(StrEnum):
    """What becomes of a parameter in other coordinates of the skills."""

    TURNED = "turned"
    """It changes with them."""
    SCALE = "scale"
    """A spread of skills; of exploratory skills, which have no directions, a single number."""
    SAME = "same"
    """Nothing."""


class About(NamedTuple):
    """What a declaration adds to the shape."""

    support: Support
    kind: Kind
    meaning: str


class Benchmarks(NamedTuple):
    """How benchmarks read the skills."""

    loading: Annotated[
        Float[Array, "benchmark skill"],
        About(Support.POSITIVE, Kind.TURNED, "how a benchmark reads a skill"),
    ]
    """Of exploratory skills of either sign."""
    intercept: Annotated[
        Float[Array, " benchmark"], About(Support.REAL, Kind.SAME, "ease of a benchmark")
    ]
    asymmetry: Annotated[
        Float[Array, " benchmark"],
        About(
            Support.POSITIVE,
            Kind.SAME,
            "shape of the link: below one, slow near the ceiling; above one, slow near chance",
        ),
    ]
    ceiling_gap: Annotated[
        Float[Array, " benchmark"],
        About(Support.UNIT_INTERVAL, Kind.SAME, "share of the range above chance out of reach"),
    ]

    def link(self, chance: Float[Array, " benchmark"]) -> Link:
        """The link from skills to expected scores, of one draw or of many."""
        ceiling = 1 - self.ceiling_gap * (1 - chance)
        return Link(self.loading, self.intercept, self.asymmetry, chance, ceiling)


class Scales(NamedTuple):
    """Standard deviations of what models share, and of what is their own."""

    lineage: Float[Array, "*draw skill"]
    branch: Float[Array, "*draw skill"]
    family: Float[Array, "*draw skill"]
    slope: Float[Array, "*draw skill"]
    model: Float[Array, "*draw skill"]


class Growth(NamedTuple):
    """How skills come about: from size and tokens, tuning and date, lineage and family."""

    slope: Annotated[
        Float[Array, "input skill"],
        About(Support.REAL, Kind.TURNED, "growth of a skill per e-fold"),
    ]
    effect: Annotated[
        Float[Array, "covariate skill"],
        About(
            Support.REAL,
            Kind.TURNED,
            "instruction tuning, a year of progress, and a year of progress in tuning",
        ),
    ]
    trend_scale: Annotated[
        Float[Array, " skill"],
        About(Support.POSITIVE, Kind.SCALE, "wander of progress in half a year"),
    ]
    innovation: Annotated[
        Float[Array, "period skill"],
        About(
            Support.REAL,
            Kind.SAME,
            "steps of progress in every period, in standard deviations",
        ),
    ]
    tuning_trend_scale: Annotated[
        Float[Array, " skill"],
        About(Support.POSITIVE, Kind.SCALE, "wander of what tuning adds in half a year"),
    ]
    tuning_innovation: Annotated[
        Float[Array, "period skill"],
        About(
            Support.REAL,
            Kind.SAME,
            "steps of what tuning adds in every period, in standard deviations",
        ),
    ]
    lineage_scale: Annotated[
        Float[Array, " skill"], About(Support.POSITIVE, Kind.SCALE, "spread of lineages")
    ]
    branch_scale: Annotated[
        Float[Array, " skill"],
        About(Support.POSITIVE, Kind.SCALE, "spread of base and tuned within a lineage"),
    ]
    family_scale: Annotated[
        Float[Array, " skill"], About(Support.POSITIVE, Kind.SCALE, "spread within a branch")
    ]
    slope_scale: Annotated[
        Float[Array, " skill"],
        About(Support.POSITIVE, Kind.SCALE, "spread of families' slopes"),
    ]
    model_scale: Annotated[
        Float[Array, " skill"], About(Support.POSITIVE, Kind.SCALE, "spread within a family")
    ]

    @property
    def scales(self) -> Scales:
        """Spreads of skills."""
        return Scales(*(getattr(self, f"{name}_scale") for name in Scales._fields))

    @property
    def effects(self) -> Float[Array, "*draw covariate+2*period skill"]:
        r"""Effects of all covariates: those of every period are steps of two random walks.

        A step is $\kappa_k z_{qk}$, the scale of its walk times a standard normal innovation.
        """
        walks = (
            (self.trend_scale, self.innovation),
            (self.tuning_trend_scale, self.tuning_innovation),
        )
        steps = [scale[..., None, :] * innovation for scale, innovation in walks]
        return jnp.concatenate([self.effect, *steps], axis=-2)


class Noise(NamedTuple):
    """How scores scatter around what the law expects."""

    overdispersion: Annotated[
        Float[Array, " benchmark"],
        About(
            Support.POSITIVE,
            Kind.SAME,
            "unexplained spread anywhere, relative to that of a single item",
        ),
    ]
    discrepancy_spread: Annotated[
        Float[Array, " benchmark"],
        About(Support.POSITIVE, Kind.SAME, "unexplained spread of the linear predictor"),
    ]
    affinity_overdispersion: Annotated[
        Float[Array, " benchmark"],
        About(
            Support.POSITIVE,
            Kind.SAME,
            "spread of families' affinities anywhere, relative to that of a single item",
        ),
    ]
    affinity_spread: Annotated[
        Float[Array, " benchmark"],
        About(
            Support.POSITIVE,
            Kind.SAME,
            "spread of families' affinities in the linear predictor",
        ),
    ]
    tail: Annotated[
        Float[Array, ""],
        About(Support.POSITIVE, Kind.SAME, "degrees of freedom of the Student-t likelihood"),
    ]


class Law(NamedTuple):
    """What all models share."""

    benchmarks: Benchmarks
    growth: Growth
    noise: Noise


class Fitted(NamedTuple):
    """What is known of the fitted models and families alone."""

    unpublished_log_tokens: Annotated[
        Float[Array, " unpublished"],
        About(Support.REAL, Kind.SAME, "centred log tokens, where not published"),
    ]
    efficiency: Annotated[
        Float[Array, "family skill"],
        About(Support.REAL, Kind.TURNED, "skills of a family at the reference size and tokens"),
    ]
    skill: Annotated[
        Float[Array, "model skill"], About(Support.REAL, Kind.TURNED, "skills of a model")
    ]


class Draws(NamedTuple):
    """Posterior draws, along the first axis of every array."""

    law: Law
    fitted: Fitted


class Exploratory(NamedTuple):
    """What only fits of exploratory skills have beside."""

    unit: Annotated[
        Float[Array, " skill"],
        About(Support.POSITIVE, Kind.SAME, "unit that the sampler measures a skill in"),
    ]


class Sampled(NamedTuple):
    """What the sampler sees in place of loadings and units; not kept in a fit."""

    free_loading: Annotated[
        Float[Array, " free_loading"],
        About(Support.POSITIVE, Kind.TURNED, "how a benchmark that is no anchor reads a skill"),
    ]
    squared_unit: Annotated[
        Float[Array, " skill-1"],
        About(
            Support.POSITIVE,
            Kind.SAME,
            "squared length of what an anchor reads of no earlier exploratory skill",
        ),
    ]


class Site(NamedTuple):
    """A parameter.

    Attributes:
        name: in the model, and of the field above.
        dims: names of its dimensions.
        support: the values that it may have.
        kind: what becomes of it in other coordinates of the skills.
        meaning: what it is, with its unit.
    """

    name: str
    dims: tuple[str, ...]
    support: Support
    kind: Kind
    meaning: str

    @property
    def stored(self) -> str:
        """Its name in a saved fit: xarray refuses a variable with the name of its dimension."""
        return f"{self.dims[0]}_{self.name}" if self.name in self.dims else self.name


def sites_of(declared: type[Any]) -> dict[str, Site]:
    """The parameters that a tuple declares, those of tuples inside it in their place.

    Args:
        declared: a tuple of this module, such as `Law` or `Draws`.

    Returns:
        Parameters by name, in the order of their declaration.

    Example:
        >>> sites_of(Law)["slope"].dims
        ('input', 'skill')
    """
    found: dict[str, Site] = {}
    for name, hint in get_type_hints(declared, include_extras=True).items():
        if hasattr(hint, "__metadata__"):
            (about,) = hint.__metadata__
            found[name] = Site(name, tuple(hint.__origin__.dim_str.split()), *about)
        else:
            found |= sites_of(hint)
    return found


def build(declared: type[T], values: Mapping[str, Any]) -> T:
    """A tuple, and those inside it, from the values of its parameters by name.

    Args:
        declared: a tuple of this module, such as `Law` or `Draws`.
        values: one value for every parameter it declares; others are ignored.

    Returns:
        The tuple. Values are kept as they are, so shapes are not checked.

    Raises:
        KeyError: a parameter has no value.

    Example:
        >>> build(Fitted, {"skill": 3, "efficiency": 2, "unpublished_log_tokens": 1})
        Fitted(unpublished_log_tokens=1, efficiency=2, skill=3)
    """
    parts: dict[str, Any] = {
        name: values[name] if hasattr(hint, "__metadata__") else build(hint, values)
        for name, hint in get_type_hints(declared, include_extras=True).items()
    }
    return declared(**parts)


SITES = sites_of(Draws) | sites_of(Exploratory)
"""Every parameter that a fit may hold, by name."""
SCALES = tuple(name for name, site in SITES.items() if site.kind is Kind.SCALE)
OF_BENCHMARKS = {name: site for name, site in SITES.items() if "benchmark" in site.dims}
"""Parameters of a single benchmark."""
