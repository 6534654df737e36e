"""The model and the numbers of its priors keep to the one declaration of parameters."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from numpyro.handlers import seed, trace

from skillscale.law.design import COVARIATES, make_design, token_prior
from skillscale.law.model import make_model
from skillscale.law.priors import CONSTRAINTS, make_priors
from skillscale.law.sites import SITES, Draws, Kind, Law, Sampled, build, sites_of
from skillscale.law.spec import LogNormalPrior, NormalPrior, Priors


@pytest.fixture(params=["named", "exploratory"])
def asked(request, spec, table):
    return spec if request.param == "named" else spec.explore(2, table.benchmarks.index)


def shapes_of(table, spec) -> dict[str, tuple[int, ...]]:
    """Shapes of all sites of the model, but the scores."""
    design = make_design(table, spec)

    def values(observations):
        keyed = seed(make_model(design, spec), jax.random.key(0))
        return {name: site["value"] for name, site in trace(keyed).get_trace(observations).items()}

    found = jax.eval_shape(values, design.observations)
    return {name: value.shape for name, value in found.items() if name != "score"}


def test_the_model_has_the_declared_parameters_and_no_others(table, asked):
    declared = set(SITES | sites_of(Sampled)) - {"unit"}  # for which squared_unit stands
    absent = set() if asked.exploratory else {"squared_unit"}
    assert set(shapes_of(table, asked)) == declared - absent


def test_every_parameter_has_the_declared_dimensions(table, asked):
    design = make_design(table, asked)
    coords = design.coords | {
        "covariate": COVARIATES,
        "unpublished": design.unpublished,
        "free_loading": range(int(design.is_free.sum())),
        "skill-1": range(len(asked.skills) - 1),
    }
    for name, shape in shapes_of(table, asked).items():
        site = (SITES | sites_of(Sampled))[name]
        size = 1 if asked.exploratory and site.kind is Kind.SCALE else None
        assert shape == tuple(size or len(coords[dim]) for dim in site.dims), name


@pytest.mark.long
def test_a_prior_allows_what_its_parameter_may_be(table, spec):
    for prior in make_priors(make_design(table, spec), spec):
        draws = prior.distribution.sample(jax.random.key(1), (100,))
        assert np.all(CONSTRAINTS[prior.site.support](draws)), prior.site.name


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Priors)])
def test_every_number_of_a_prior_is_that_of_some_parameter(table, spec, name):
    """And what is no number of a declared parameter's prior has no place in the specification."""
    if name == "exploratory_loading_sd":
        spec = spec.explore(2, table.benchmarks.index)
    form = {"curvature": "quadratic", "exponent": "two-term"}.get(name, spec.form)
    spec = dataclasses.replace(spec, form=form)
    value = getattr(spec.priors, name)
    other = {
        LogNormalPrior: lambda: LogNormalPrior(2 * value.median, value.sigma),
        NormalPrior: lambda: NormalPrior(value.mean + 1, value.sd),
        float: lambda: value + 1.0,
    }[type(value)]()
    changed = dataclasses.replace(spec, priors=dataclasses.replace(spec.priors, **{name: other}))

    def drawn(spec):
        priors = make_priors(make_design(table, spec), spec)
        draws = {p.site.name: p.distribution.sample(jax.random.key(0)) for p in priors}
        return draws | {"unpublished_log_tokens": np.array(token_prior(table.models, spec))}

    before, after = drawn(spec), drawn(changed)
    assert any(not np.array_equal(before[site], after[site]) for site in before)


def test_a_tuple_is_built_from_its_declaration():
    values = {name: i for i, name in enumerate(sites_of(Draws))}
    draws = build(Draws, values)
    flat = [*draws.law.benchmarks, *draws.law.growth, *draws.law.noise, *draws.fitted]
    assert flat == list(values.values())
    assert build(Law, values) == draws.law
