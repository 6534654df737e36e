"""Forecasts: intervals that are honest about what is known of a model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skillscale import fit, forecast
from skillscale.data.plan import describe
from skillscale.errors import TableError
from skillscale.forecasts.forecast import SOURCES, forecast_rows
from skillscale.forecasts.question import ask
from skillscale.forecasts.weights import RELIABLE_PARETO_K
from skillscale.intervals import INTERVALS
from small import PLAN, SEEN, SVI


def width(result, interval: int = 80):
    return result[f"upper_{interval}"] - result[f"lower_{interval}"]


@pytest.fixture(scope="module")
def unseen(sampled):
    return forecast(sampled, PLAN, n_draws=1000)


@pytest.fixture(scope="module")
def one_seen(sampled):
    return forecast(sampled, PLAN, SEEN.iloc[:1], n_draws=1000)


@pytest.fixture(scope="module")
def two_seen(sampled):
    return forecast(sampled, PLAN, SEEN, n_draws=1000)


@pytest.fixture(scope="module")
def of_family(sampled):
    return forecast(sampled, PLAN.assign(family="llama-2"), n_draws=1000)


@pytest.fixture(params=["unseen", "one_seen", "two_seen", "of_family"])
def result(request):
    return request.getfixturevalue(request.param)


def test_intervals_are_nested_ordered_and_fractions(result):
    ends = [f"lower_{i}" for i in reversed(INTERVALS)] + ["median"]
    ends += [f"upper_{i}" for i in INTERVALS]
    stacked = np.stack([result[name].to_numpy() for name in ends])
    assert (np.diff(stacked, axis=0) >= 0).all()
    assert stacked.min() >= 0
    assert stacked.max() <= 1
    assert bool((result["lower_95"] <= result["mean"]).all())
    assert bool((result["mean"] <= result["upper_95"]).all())


def test_intervals_are_quantiles_of_the_draws(result):
    draws = result["draws"]
    for interval in INTERVALS:
        inside = (draws >= result[f"lower_{interval}"]) & (draws <= result[f"upper_{interval}"])
        np.testing.assert_allclose(inside.mean("draw"), interval / 100, atol=0.05)


def test_variance_shares_are_a_composition(result):
    share = result["variance_share"]
    assert list(share["source"].to_numpy()) == list(SOURCES)
    assert float(share.min()) >= 0
    np.testing.assert_allclose(share.sum("source"), 1, atol=1e-5)


def test_variance_parts_add_up_to_the_variance_of_the_draws(sampled, unseen):
    # Away from zero and one, where clipping is rare, item noise gives the unit of the shares.
    cell = {"model": "new-8b", "benchmark": "mmlu"}
    share = unseen["variance_share"].sel(cell)
    mean = unseen["mean"].sel(cell).item()
    n_items = sampled.table.benchmarks.loc["mmlu", "n_items"]
    item = mean * (1 - mean) / n_items
    total = item / share.sel(source="item_noise").item()
    assert total == pytest.approx(unseen["draws"].sel(cell).var().item(), rel=0.5)


def test_intervals_widen_with_distance_from_what_was_observed(sampled):
    # Near a ceiling nothing can vary, so the scores forecast are those of weak models.
    weak = SEEN.iloc[:1].assign(mmlu=0.27, gsm8k=0.02)
    widths = width(forecast(sampled, PLAN, weak, n_draws=1000)).mean("benchmark").to_numpy()
    assert widths[0] < widths[1] < widths[2]


def test_a_model_observed_narrows_the_forecast(unseen, one_seen):
    assert float(width(one_seen).mean()) < float(width(unseen).mean())
    near = {"model": "new-8b", "benchmark": "mmlu"}
    assert width(one_seen).sel(near).item() < 0.8 * width(unseen).sel(near).item()


def test_a_second_model_narrows_it_further(one_seen, two_seen):
    assert float(width(two_seen).mean()) < float(width(one_seen).mean())
    assert one_seen.attrs["n_observed"] == 1
    assert two_seen.attrs["n_observed"] == 2


def test_a_family_of_the_fit_is_better_known_than_a_new_one(unseen, of_family):
    assert float(width(of_family).mean()) < 0.9 * float(width(unseen).mean())
    assert (of_family["family"] == "llama-2").all()
    assert (unseen["family"] == "new").all()


def test_a_family_of_the_fit_is_forecast_near_its_own_models(sampled):
    known = sampled.table.models.loc[["llama-2-13b"], ["n_params", "n_tokens"]]
    plan = known.assign(model="again", family="llama-2")
    again = forecast(sampled, plan, n_draws=500)
    score = sampled.table.wide().loc["llama-2-13b", ["mmlu", "gsm8k"]]
    for name, value in score.items():
        cell = again.sel(model="again", benchmark=name)
        assert cell["lower_95"].item() < value < cell["upper_95"].item()


def test_better_scores_raise_the_forecast(sampled, one_seen):
    better = SEEN.iloc[:1].assign(mmlu=0.55, gsm8k=0.35)
    raised = forecast(sampled, PLAN, better, n_draws=1000)
    assert bool((raised["median"] > one_seen["median"]).all())


def test_larger_models_are_expected_to_score_higher(result):
    assert bool((result["mean"].diff("model") > 0).all())


def test_the_same_seed_gives_the_same_forecast(sampled, one_seen):
    assert forecast(sampled, PLAN, SEEN.iloc[:1], n_draws=1000).equals(one_seen)
    other = forecast(sampled, PLAN, SEEN.iloc[:1], n_draws=1000, seed=1)
    assert not other.equals(one_seen)
    np.testing.assert_allclose(other["median"], one_seen["median"], atol=0.04)


@pytest.mark.parametrize(
    "columns",
    [["mmlu"], ["gsm8k", "bbh"], ["bbh"], []],
    ids=lambda names: "+".join(names) or "none",
)
def test_any_subset_of_benchmarks_may_be_observed(sampled, unseen, columns):
    absent = [name for name in ("mmlu", "gsm8k", "bbh") if name not in columns]
    seen = SEEN.iloc[1:]
    dropped = forecast(sampled, PLAN, seen.drop(columns=absent), n_draws=1000)
    emptied = forecast(
        sampled, PLAN, seen.assign(**dict.fromkeys(absent, float("nan"))), n_draws=1000
    )
    assert dropped.equals(emptied)
    assert np.isfinite(dropped["median"]).all()
    for name in columns:
        near = {"model": "new-8b", "benchmark": name}
        assert width(dropped).sel(near).item() < width(unseen).sel(near).item()
    if not columns:
        np.testing.assert_allclose(dropped["median"], unseen["median"], atol=0.04)
        np.testing.assert_allclose(width(dropped), width(unseen), atol=0.08)


def test_unknown_columns_of_observed_models_are_no_scores(sampled, one_seen):
    noted = SEEN.iloc[:1].assign(humaneval=0.9)
    assert forecast(sampled, PLAN, noted, n_draws=1000).equals(one_seen)


def test_unpublished_tokens_widen_the_forecast(sampled, unseen):
    vague = forecast(sampled, PLAN.assign(n_tokens=float("nan")), n_draws=1000)
    assert float(width(vague).mean()) > float(width(unseen).mean())


def test_a_plan_without_rows_is_refused(sampled):
    with pytest.raises(TableError, match="there are no rows"):
        forecast(sampled, PLAN.iloc[:0])


def test_an_observed_model_of_the_fit_is_refused(sampled):
    with pytest.raises(TableError, match="llama-2-7b is in the fit already"):
        forecast(sampled, PLAN, SEEN.iloc[:1].assign(model="llama-2-7b"))


def test_what_a_plan_leaves_open_is_filled_in(table):
    plan = PLAN.assign(family=["llama-2-chat", None, "mine"])
    filled = describe(plan, table.models)
    assert list(filled["family"]) == ["llama-2-chat", "new", "mine"]
    assert list(filled["lineage"]) == ["llama-2", "new", "mine"]
    assert list(filled["tuning"]) == ["instruct", "base", "base"]
    latest = table.models["release"].max()
    assert list(filled["release"]) == ["2023-08", latest, latest]
    assert list(filled["n_active_params"]) == list(plan["n_params"])
    assert "family" not in PLAN.columns, "the plan itself must not change"


def test_rows_hold_the_numbers_of_the_forecast(one_seen):
    rows = forecast_rows(one_seen)
    assert len(rows) == 9
    keys = ["model", "family", "benchmark", "mean", "median"]
    keys += ["lower_50", "upper_50", "lower_80", "upper_80", "lower_95", "upper_95"]
    assert set(keys) <= set(rows[0])
    for row in rows:
        cell = one_seen.sel(model=row["model"], benchmark=row["benchmark"])
        assert row["median"] == cell["median"].item()
        assert row["upper_95"] == cell["upper_95"].item()
        assert row["share_family"] == cell["variance_share"].sel(source="family").item()


STRANGE = pd.DataFrame(
    {
        "model": ["odd-1b", "odd-30b"],
        "n_params": [1e9, 30e9],
        "n_tokens": [2e12, 2e12],
        "mmlu": [0.8, 0.3],
        "gsm8k": [0.75, 0.05],
    }
)


def test_scores_that_surprise_the_fit_are_told(approximate):
    approximated = forecast(approximate, PLAN, STRANGE, keep_doubted=True, refit=False)
    assert approximated.attrs["pareto_k"] > RELIABLE_PARETO_K
    assert not approximated.attrs["is_refit"]


@pytest.mark.slow
def test_scores_that_surprise_the_fit_are_fitted_with_the_others(approximate):
    again = forecast(approximate, PLAN, STRANGE, keep_doubted=True, refit=SVI, seed=1)
    assert again.attrs["is_refit"]
    assert again.attrs["n_observed"] == len(STRANGE)
    described = describe(STRANGE, approximate.table.models)
    table = approximate.table.with_models(described, STRANGE.set_index("model")[["mmlu", "gsm8k"]])
    by_hand = fit(table, approximate.spec, method=SVI, seed=1)
    plan = PLAN.assign(family="new")
    pd.testing.assert_series_equal(
        forecast(by_hand, plan, seed=1)["median"].to_series(), again["median"].to_series()
    )


def test_scores_that_the_fit_expects_are_not_fitted_again(one_seen):
    assert one_seen.attrs["pareto_k"] < RELIABLE_PARETO_K
    assert not one_seen.attrs["is_refit"]


def test_a_family_of_both_tunings_is_of_one_branch_as_in_a_fit(approximate):
    both = PLAN.iloc[:2].assign(family="llama", tuning=["instruct", "base"])
    question = ask(approximate, both)
    fitted = approximate.models.iloc[question.relatives]
    same = question.with_fitted
    assert (same.same_branch[:2] == (fitted["tuning"] == "base").to_numpy()).all()
    assert (same.same_family[:2] <= same.same_branch[:2]).all()
    assert (question.among_new.same_branch == 1).all()
