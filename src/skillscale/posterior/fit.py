"""Fit the law to a table: the verb, and its frozen result."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import arviz_base as az
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import xarray as xr
from jaxtyping import Array, Float

from skillscale.data.table import Table, load_table
from skillscale.errors import SkillscaleError
from skillscale.law import equation
from skillscale.law.design import COVARIATES, Design, Observations, make_design
from skillscale.law.scores import Scatter, given_siblings, scatter
from skillscale.law.spec import Spec
from skillscale.posterior import storage
from skillscale.posterior.chains import Chains, Method
from skillscale.posterior.nuts import Nuts
from skillscale.posterior.potential import Potential, make_potential

DIMS = {
    "loading": ["benchmark", "skill"],
    "intercept": ["benchmark"],
    "asymmetry": ["benchmark"],
    "ceiling_gap": ["benchmark"],
    "slope": ["input", "skill"],
    "effect": ["covariate", "skill"],
    "trend_scale": ["skill"],
    "innovation": ["period", "skill"],
    "unit": ["skill"],
    "lineage_scale": ["skill"],
    "family_scale": ["skill"],
    "slope_scale": ["skill"],
    "model_scale": ["skill"],
    "overdispersion": ["benchmark"],
    "discrepancy_spread": ["benchmark"],
    "affinity_overdispersion": ["benchmark"],
    "affinity_spread": ["benchmark"],
    "tail": [],
    "unpublished_log_tokens": ["unpublished"],
    "efficiency": ["family", "skill"],
    "skill": ["model", "skill"],
}
"""Dimensions of every parameter in the posterior group. ``skill`` is both a parameter and a
dimension, which xarray refuses, so the parameter is stored as ``model_skill``."""

STORED_NAME = {"skill": "model_skill"}


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """A posterior, with everything needed to use it again.

    Attributes:
        tree: ArviZ tree with the groups ``posterior`` (dims ``chain, draw`` and the names of
            families, models, benchmarks and skills) and ``sample_stats``.
        table: the data it was fitted to.
        spec: the specification.
        provenance: seed, method and its options, package versions, hash of the data.

    Example:
        >>> from skillscale.posterior.gaussian import Svi
        >>> table = load_table().select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> small = fit(table, spec, method=Svi(draws=200), seed=1)
        >>> small
        Fit(23 models of 4 families, 2 benchmarks, 2 skills, 200 draws by svi)
        >>> small.tree.posterior["slope"].dims
        ('chain', 'draw', 'input', 'skill')
    """

    tree: xr.DataTree
    table: Table
    spec: Spec
    provenance: Mapping[str, object]

    def __repr__(self) -> str:
        sizes = self.tree.posterior.sizes
        return (
            f"Fit({sizes['model']} models of {sizes['family']} families, "
            f"{sizes['benchmark']} benchmarks, {sizes['skill']} skills, "
            f"{sizes['chain'] * sizes['draw']} draws by {self.provenance['method']})"
        )

    @cached_property
    def design(self) -> Design:
        """Arrays and names of the data fitted."""
        return make_design(self.table, self.spec)

    def draws(self, n: int | None = None) -> dict[str, Float[Array, "draw ..."]]:
        """Posterior draws of every parameter, chains joined.

        Args:
            n: at most so many draws, evenly spaced; all of them by default.
        """
        posterior = self.tree.posterior
        total = posterior.sizes["chain"] * posterior.sizes["draw"]
        kept = np.unique(np.linspace(0, total - 1, min(n or total, total)).astype(int))
        return {
            site: jnp.asarray(values.reshape(total, *values.shape[2:])[kept])
            for site in DIMS
            if (stored := STORED_NAME.get(site, site)) in posterior
            for values in [posterior[stored].to_numpy()]
        }

    def likelihood(
        self, n: int | None = None
    ) -> tuple[
        Float[Array, "draw benchmark model"],
        Float[Array, "draw benchmark model"],
        Float[Array, " draw"],
    ]:
        """Expected score of every fitted model on every benchmark, its scale, and the tail."""
        draws = self.draws(n)
        expected = _scatter(draws, self.design.observations)
        return expected.mean, jnp.sqrt(expected.own + expected.affinity**2), draws["tail"]

    def expected_scores(self, n: int | None = None) -> Float[Array, "draw benchmark model"]:
        """Expected score of every fitted model on every benchmark, observed or not."""
        return self.likelihood(n)[0]

    def given_siblings(
        self, n: int | None = None
    ) -> tuple[
        Float[Array, "draw benchmark model"],
        Float[Array, "draw benchmark model"],
        Float[Array, "draw benchmark model"],
    ]:
        """Student-t distribution of every score given the others of its family.

        Returns:
            Locations, scales and degrees of freedom, also for scores not observed.
        """
        return _given_siblings(self.draws(n), self.design.observations)

    def log_likelihood(self, n: int | None = None) -> Float[np.ndarray, "draw score"]:
        """Log likelihood of every observed score (see ``observed_index``) given its siblings."""
        location, scale, degrees = self.given_siblings(n)
        scores = dist.StudentT(degrees, location, scale)
        grid = np.asarray(scores.log_prob(self.design.observations.score))
        return grid[:, *self.observed_index]

    @property
    def observed_index(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions (benchmark, model) of every observed score."""
        benchmark, model = np.nonzero(np.asarray(self.design.observations.is_observed))
        return benchmark, model

    def save(self, path: str | Path) -> None:
        """Write the fit to one netCDF file, all of it or nothing.

        Raises:
            FitFileError: the file can't be written.
        """
        storage.write(Path(path), self.tree, self.table, self.spec, self.provenance)

    @classmethod
    def load(cls, path: str | Path) -> Fit:
        """Read a fit that `save` has written.

        Raises:
            FitFileError: the file is missing, truncated, no fit, or of another schema.
        """
        return cls(*storage.read(Path(path)))


@jax.jit
def _scatter(draws: dict[str, Array], observations: Observations) -> Scatter:
    """Scatter of every fitted model, arrays of (draw, benchmark, model)."""

    def one(params: dict[str, Array]) -> Scatter:
        return scatter(params, params["skill"], observations.chance, observations.n_items)

    return jax.vmap(one)(draws)


@jax.jit
def _given_siblings(
    draws: dict[str, Array], observations: Observations
) -> tuple[Float[Array, "draw benchmark model"], ...]:
    def one(params: dict[str, Array]) -> tuple[Array, ...]:
        expected = scatter(params, params["skill"], observations.chance, observations.n_items)
        return given_siblings(
            expected,
            observations.score,
            observations.is_observed,
            observations.in_family,
            params["tail"],
        )

    return jax.vmap(one)(draws)


def fit(
    table: Table | None = None,
    spec: Spec | None = None,
    *,
    method: Method | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Fit:
    """Fit the law to a table of scores.

    Args:
        table: models, scores and benchmarks; the shipped table by default.
        spec: skills, benchmarks and priors; the declared configuration by default.
        method: ``Nuts(...)`` by default, or ``Svi(...)`` for a quick approximation.
        seed: the only source of randomness; the same seed gives the same draws.
        on_progress: called with the steps done and all steps, for a progress bar.

    Returns:
        The posterior, as a frozen `Fit`.

    Raises:
        SpecError: the specification does not fit the table.
        UnknownNameError: a benchmark of the specification is not in the table.

    Example:
        >>> from skillscale.posterior.gaussian import Svi
        >>> table = load_table().select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit(table, spec, method=Svi(draws=200)).expected_scores().shape
        (200, 2, 23)
    """
    table = load_table() if table is None else table
    spec = Spec() if spec is None else spec
    method = Nuts() if method is None else method
    design = make_design(table, spec)
    potential = make_potential(design, spec)
    chains = method.run(potential, design.observations, jax.random.key(seed), on_progress)
    if not np.isfinite(chains.flat).all():
        raise SkillscaleError(
            "the posterior could not be sampled: draws are not finite. "
            "Check the table for extreme values, or try another seed."
        )
    provenance = {
        "method": type(method).__name__.lower(),
        "options": dataclasses.asdict(method),  # type: ignore[call-overload]
        "seed": seed,
        "data_hash": table.hash,
        "versions": {name: version(name) for name in ("skillscale", "jax", "numpyro", "numpy")},
    }
    return Fit(
        name_draws(chains, potential, design), table, spec, json.loads(json.dumps(provenance))
    )


def name_draws(chains: Chains, potential: Potential, design: Design) -> xr.DataTree:
    """Name the draws of all chains."""
    constrain = jax.jit(jax.vmap(potential.constrain, in_axes=(0, None)))
    n_chain, n_draw, size = chains.flat.shape
    sites = constrain(chains.flat.reshape(-1, size), design.observations)
    posterior = {
        STORED_NAME.get(name, name): np.asarray(value).reshape(n_chain, n_draw, *value.shape[1:])
        for name, value in sites.items()
    }
    unpublished = [design.coords["model"][i] for i in design.unpublished]
    coords = design.coords | {
        "input": list(equation.INPUTS),
        "covariate": list(COVARIATES),
        "unpublished": unpublished,
    }
    dims = {STORED_NAME.get(name, name): dims for name, dims in DIMS.items()}
    groups = {"posterior": posterior}
    if chains.stats:
        groups["sample_stats"] = dict(chains.stats)
    return az.from_dict(groups, coords=coords, dims=dims)
