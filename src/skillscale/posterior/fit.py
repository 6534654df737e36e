"""Fit the law to a table: the verb, and its frozen result."""

from __future__ import annotations

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
import pandas as pd
import xarray as xr
from jaxtyping import Array, Float, Int

from skillscale.data.table import Table, load_table
from skillscale.errors import SkillscaleError
from skillscale.law import equation
from skillscale.law.design import COVARIATES, Design, Observations, make_design
from skillscale.law.scores import Scatter, given_siblings, scatter
from skillscale.law.sites import SITES, Draws, Site, build, sites_of
from skillscale.law.spec import Spec
from skillscale.posterior import storage
from skillscale.posterior.chains import Chains
from skillscale.posterior.method import Method, name_and_options
from skillscale.posterior.nuts import Nuts
from skillscale.posterior.potential import Potential, make_potential


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
        >>> from skillscale.posterior.svi import Svi
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

    @cached_property
    def models(self) -> pd.DataFrame:
        """What is known of the fitted models, in the order of the dimension ``model``."""
        return self.table.models.loc[self.design.coords["model"]]

    def draws(self, n: int | None = None) -> Draws:
        """Posterior draws of every parameter, chains joined.

        Args:
            n: at most so many draws, evenly spaced; all of them by default.
        """
        values = {name: self._drawn(site, n) for name, site in sites_of(Draws).items()}
        return build(Draws, values)

    def units(self, n: int | None = None) -> Float[Array, "draw skill"]:
        """Units of the skills in every draw: ones where skills are named (see `exploratory`)."""
        unit = SITES["unit"]
        if unit.stored in self.tree.posterior:
            return self._drawn(unit, n)
        return jnp.ones((len(self._kept(n)), len(self.spec.skills)))

    def _kept(self, n: int | None) -> Int[np.ndarray, " draw"]:
        """Positions of at most so many draws, evenly spaced."""
        sizes = self.tree.posterior.sizes
        total = sizes["chain"] * sizes["draw"]
        return np.unique(np.linspace(0, total - 1, min(n or total, total)).astype(int))

    def _drawn(self, site: Site, n: int | None) -> Float[Array, "draw ..."]:
        """Draws of one parameter, chains joined; nothing where the fit has no entries of it."""
        kept = self._kept(n)
        if site.stored not in self.tree.posterior:
            return jnp.zeros((len(kept), 0))
        values = self.tree.posterior[site.stored].to_numpy()
        joined = values.reshape(values.shape[0] * values.shape[1], *values.shape[2:])
        return jnp.asarray(joined[kept])

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
        return expected.mean, jnp.sqrt(expected.own + expected.affinity**2), draws.law.noise.tail

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


def _scatter_of_fitted(draw: Draws, observations: Observations) -> Scatter:
    law, skill = draw.law, draw.fitted.skill
    return scatter(law.benchmarks, law.noise, skill, observations.chance, observations.n_items)


@jax.jit
def _scatter(draws: Draws, observations: Observations) -> Scatter:
    """Scatter of every fitted model, arrays of (draw, benchmark, model)."""
    return jax.vmap(_scatter_of_fitted, in_axes=(0, None))(draws, observations)


@jax.jit
def _given_siblings(
    draws: Draws, observations: Observations
) -> tuple[Float[Array, "draw benchmark model"], ...]:
    def one(draw: Draws) -> tuple[Array, ...]:
        return given_siblings(
            _scatter_of_fitted(draw, observations),
            observations.score,
            observations.is_observed,
            observations.in_family,
            draw.law.noise.tail,
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
        >>> from skillscale.posterior.svi import Svi
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
    tree = name_draws(chains, potential, design)
    return Fit(tree, table, spec, provenance_of(method, seed, table))


def provenance_of(method: Method, seed: int, table: Table) -> dict[str, object]:
    """Where a fit is from: method and options, seed, hash of the data, package versions."""
    name, options = name_and_options(method)
    return {
        "method": name,
        "options": options,
        "seed": seed,
        "data_hash": table.hash,
        "versions": {name: version(name) for name in ("skillscale", "jax", "numpyro", "numpy")},
    }


def name_draws(chains: Chains, potential: Potential, design: Design) -> xr.DataTree:
    """Name the draws of all chains."""
    constrain = jax.jit(jax.vmap(potential.constrain, in_axes=(0, None)))
    n_chain, n_draw, size = chains.flat.shape
    sites = constrain(chains.flat.reshape(-1, size), design.observations)
    posterior = {
        SITES[name].stored: np.asarray(value).reshape(n_chain, n_draw, *value.shape[1:])
        for name, value in sites.items()
    }
    unpublished = [design.coords["model"][i] for i in design.unpublished]
    coords = design.coords | {
        "input": list(equation.INPUTS),
        "covariate": list(COVARIATES),
        "unpublished": unpublished,
    }
    dims = {site.stored: list(site.dims) for site in SITES.values()}
    groups = {"posterior": posterior}
    if chains.stats:
        groups["sample_stats"] = dict(chains.stats)
    return az.from_dict(groups, coords=coords, dims=dims)
