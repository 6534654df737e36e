"""The law of a family that is not in the fit: that of its models, where these are many."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import skillscale as sk
from skillscale.errors import SpecError, TableError
from skillscale.forecasts.own_family import own_production
from skillscale.posterior.one_family import production
from small import SEEN


def described(fit, family: str) -> pd.DataFrame:
    """Models of a fitted family, as observed models of a new one of its lineage."""
    models = fit.models[fit.models["family"] == family]
    columns = ["n_params", "n_active_params", "n_tokens", "tuning", "release"]
    renamed = models[columns].rename(index=lambda name: f"my-{name}")
    scores = fit.table.wide().loc[models.index, fit.design.coords["benchmark"]]
    return (
        renamed.join(scores.set_axis(renamed.index))
        .assign(family="mine", lineage="mine")
        .rename_axis("model")
        .reset_index()
    )


@pytest.mark.slow
def test_a_familys_models_tell_its_efficiency_as_a_fit_would(approximate):
    """The models of Llama under another name: as efficient as Llama is found to be."""
    own = own_production(approximate, described(approximate, "llama"))
    fitted = production(approximate, "llama")
    spread = fitted.efficiency.std(axis=0)
    assert np.abs(own.efficiency.mean(axis=0) - fitted.efficiency.mean(axis=0)).max() < spread.max()
    assert (np.abs(own.efficiency.std(axis=0) / spread - 1) < 0.5).all()
    of_own, of_fitted = (law.slope[:, 0] + law.own_slope[:, 0] for law in (own, fitted))
    gap = np.abs(of_own.mean(axis=0) - of_fitted.mean(axis=0))
    assert (gap < of_fitted.std(axis=0)).all()


def test_without_much_to_go_by_it_is_a_typical_family_with_a_slope_of_its_own(approximate):
    own = own_production(approximate, SEEN)
    typical = production(approximate)
    of_own, of_typical = ((law.slope + law.own_slope)[:, 0].std(axis=0) for law in (own, typical))
    np.testing.assert_allclose(of_own, of_typical, rtol=0.25)
    np.testing.assert_array_equal(own.unit, 1)


def test_the_optimum_is_that_of_the_observed_family(approximate):
    goal = sk.Goal(benchmarks=["mmlu"], observed=SEEN)
    mine, typical = (
        sk.optimum(approximate, [1e23], g) for g in (goal, sk.Goal(benchmarks=["mmlu"]))
    )
    assert (mine["n_params_upper"] > mine["n_params_lower"]).all()
    # Both are open: their intervals may be all that was searched.
    assert not mine["prob_interior"].equals(typical["prob_interior"])
    least = sk.cheapest(approximate, [0.6], goal)
    assert float(least["flops"].item()) > 0
    assert sk.regret(approximate, [1e23], goal)["score_lost"].sizes["objective"] == 1


def test_of_one_family_only(approximate):
    two = SEEN.assign(family=["one", "other"])
    with pytest.raises(TableError, match="an optimum is of one family, found one, other"):
        own_production(approximate, two)
    with pytest.raises(SpecError, match="not both"):
        sk.Goal(family="llama", observed=SEEN)
