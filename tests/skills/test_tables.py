"""Tables of skills: numbers worked from the draws by hand, and truths inside their intervals."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from simulated_scores import simulate
from skillscale import Table, fit
from skillscale.skills import tables
from skillscale.skills.families import efficiencies, instruct_effects, instruct_pairs
from skillscale.skills.item_curves import item_curves
from skillscale.skills.reading import Reading, read_skills
from skillscale.skills.tables import GIVEN, correlations, loadings, model_skills, slopes
from small import HMC, by_name
from twin import link

TABLES = (
    loadings,
    correlations,
    efficiencies,
    instruct_effects,
    instruct_pairs,
    model_skills,
    slopes,
)
ENDS = ("lower_95", "lower_80", "lower_50", "median", "upper_50", "upper_80", "upper_95")


@pytest.fixture(scope="module")
def reading(sampled) -> Reading:
    return read_skills(sampled)


def flat(draws: xr.DataArray, **where: str) -> np.ndarray:
    """Draws of one entry."""
    return draws.sel(where).to_numpy().astype(float).ravel()


def row(table: pd.DataFrame, **where: str) -> pd.Series:
    (found,) = (own for _, own in table.iterrows() if all(own[k] == v for k, v in where.items()))
    return found


@pytest.mark.parametrize("make", TABLES)
def test_every_number_has_nested_intervals_and_its_own_diagnostics(sampled, reading, make):
    found = make(sampled, reading)
    assert list(found.columns).count("median") == 1
    assert not found.duplicated([c for c in found if found[c].dtype.kind not in "fb"]).any()
    assert (np.diff(found[list(ENDS)].to_numpy(), axis=1) >= 0).all()
    varies = found["lower_95"] < found["upper_95"]
    assert varies.any()
    assert (found.loc[varies, "rhat"] < 1.05).all()
    assert found.loc[varies, ["ess_bulk", "ess_tail"]].min().min() > 50
    assert found.loc[~varies, ["rhat", "ess_bulk", "ess_tail"]].isna().all().all()


@pytest.mark.parametrize("make", TABLES)
def test_a_fit_without_chains_has_no_diagnostics(approximate, make):
    found = make(approximate, read_skills(approximate))
    assert found[["rhat", "ess_bulk", "ess_tail"]].isna().all().all()
    assert np.isfinite(found[list(ENDS)]).all().all()


def test_standardised_loadings_are_loadings_times_the_spread_over_models(sampled, reading):
    found = row(loadings(sampled, reading), benchmark="bbh", skill="knowledge")
    loading = flat(reading.draws["loading"], benchmark="bbh", skill="knowledge")
    skill = reading.draws["model_skill"].sel(skill="knowledge").to_numpy().astype(float)
    spread = skill.reshape(-1, skill.shape[-1]).std(axis=1)
    for name, draws in (("", loading), ("standardised_", loading * spread)):
        assert found[f"{name}median"] == pytest.approx(np.median(draws), rel=1e-4)
        assert found[f"{name}upper_80"] == pytest.approx(np.quantile(draws, 0.9), rel=1e-4)


def test_anchors_are_the_loadings_that_are_fixed(sampled, reading):
    found = loadings(sampled, reading)
    assert set(found.loc[found["is_fixed"], "benchmark"]) == {"mmlu", "gsm8k"}
    assert set(found.loc[found["is_fixed"], "median"]) == {0.0, 1.0}


def test_correlations_are_those_of_skills_of_what_size_leaves_and_of_residuals(sampled, reading):
    found = correlations(sampled, reading)
    assert list(found["given"]) == list(GIVEN)
    draws = by_name(sampled)
    theta = np.asarray(draws["skill"], float)
    slope = np.asarray(draws["slope"], float)
    log_tokens = np.asarray(sampled.design.log_tokens(sampled.draws().fitted), float)
    log_params = np.asarray(sampled.design.observations.log_params, float)
    covariates = np.asarray(sampled.design.observations.covariates, float)
    explaining = np.column_stack([np.ones(len(log_params)), covariates])
    expected = {given: [] for given in GIVEN}
    for d in range(0, len(theta), 50):
        x = np.column_stack([log_params, log_tokens[d], log_params * log_tokens[d]])
        left = theta[d] - x @ slope[d]
        fitted = explaining @ np.linalg.lstsq(explaining, left, rcond=None)[0]
        for given, values in zip(GIVEN, (theta[d], left, left - fitted), strict=True):
            expected[given].append(np.corrcoef(values.T)[0, 1])
    for given, values in expected.items():
        own = row(found, given=given)
        error = 4 * np.std(values) / np.sqrt(len(values))
        assert own["median"] == pytest.approx(np.median(values), abs=error)
        assert own["prob_indistinct"] == pytest.approx(np.mean(np.abs(values) > 0.9), abs=0.25)


def test_a_reading_in_other_coordinates_has_the_same_correlation_up_to_sign(sampled, reading):
    flipped = reading.draws * xr.DataArray([1.0, -2.0], dims="skill")
    turned = correlations(sampled, Reading(flipped, "flipped"))
    named = correlations(sampled, reading)
    np.testing.assert_allclose(turned["median"], -named["median"], atol=1e-6)
    np.testing.assert_allclose(turned["prob_indistinct"], named["prob_indistinct"], atol=1e-3)


def test_a_single_skill_has_no_correlations(sampled, reading):
    assert correlations(sampled, Reading(reading.draws.isel(skill=[0]), "one")).empty


def test_families_are_ranked_and_know_the_base_they_were_tuned_from(sampled, reading):
    found = efficiencies(sampled, reading)
    for _, own in found.groupby("skill"):
        assert list(own["rank"]) == list(range(1, 9))
        assert own["median"].is_monotonic_decreasing
    bases = found.dropna(subset="base_family").set_index("family")["base_family"].to_dict()
    assert bases == {"llama-2-chat": "llama-2", "qwen1.5-chat": "qwen1.5"}
    assert row(found, family="llama", skill="reasoning")["n_models"] == 4


def test_pairs_are_differences_of_efficiencies_draw_by_draw(sampled, reading):
    found = instruct_pairs(sampled, reading)
    assert set(found["family"]) == {"llama-2-chat", "qwen1.5-chat"}
    own = row(found, family="qwen1.5-chat", skill="reasoning")
    chat, base = (
        flat(reading.draws["efficiency"], family=family, skill="reasoning")
        for family in ("qwen1.5-chat", "qwen1.5")
    )
    assert own["lineage"] == "qwen1.5"
    assert own["median"] == pytest.approx(np.median(chat - base), abs=1e-5)
    assert own["prob_positive"] == pytest.approx(np.mean(chat > base), abs=1e-6)


def latest(fit) -> np.ndarray:
    """Covariates of the last model."""
    covariates = np.asarray(fit.design.observations.covariates, float)
    return covariates[int(np.argmax(fit.table.models["release_year"]))]


def tuning_by_hand(fit) -> np.ndarray:
    """What tuning adds at the last date: at the reference, by its trend, and by its wander."""
    draws = {name: values.astype(float) for name, values in by_name(fit).items()}
    n_period = draws["tuning_innovation"].shape[1]
    years, passed = latest(fit)[1], latest(fit)[3 : 3 + n_period]
    steps = draws["tuning_trend_scale"][:, None] * draws["tuning_innovation"]
    effect = draws["effect"]
    return effect[:, 0] + years * effect[:, 2] + np.einsum("q,dqk->dk", passed, steps)


def test_the_effect_of_tuning_in_points_moves_one_skill_of_a_typical_model(sampled, reading):
    found = row(instruct_effects(sampled, reading), skill="reasoning")
    effect = tuning_by_hand(sampled)[:, 1]
    assert found["median"] == pytest.approx(np.median(effect), abs=1e-5)
    assert found["prob_positive"] == pytest.approx(np.mean(effect > 0), abs=1e-6)
    assert found["benchmark"] == "gsm8k"
    # gsm8k reads reasoning alone, so a typical model starts from its intercept and efficiency.
    draws = {name: values.astype(float) for name, values in by_name(sampled).items()}
    date = latest(sampled)
    effects = np.concatenate(
        [draws["effect"][:, 1:2], draws["trend_scale"][:, None] * draws["innovation"]], axis=1
    )
    n_period = draws["innovation"].shape[1]
    passed = np.r_[date[1], date[3 : 3 + n_period]]
    start = np.einsum("c,dc->d", passed, effects[..., 1])
    start += draws["intercept"][:, 1]
    change = [
        (1 - gap) * (link(at + by, k)[0] - link(at, k)[0])
        for at, by, k, gap in zip(
            start, effect, draws["asymmetry"][:, 1], draws["ceiling_gap"][:, 1], strict=True
        )
    ]
    assert found["score_median"] == pytest.approx(np.median(change), rel=0.02)
    assert found["score_upper_80"] == pytest.approx(np.quantile(change, 0.9), rel=0.02)


def test_item_curves_pass_through_chance_and_hold_every_score(sampled):
    curves = item_curves(sampled)
    assert np.isfinite(curves["score"]).sum() == len(sampled.observed_index[0])
    assert (np.diff(curves["median"], axis=1) >= 0).all()
    assert (curves["median"] >= curves["chance"]).all()
    assert (curves["median"] < curves["ceiling"]).all()
    known = curves["score"].sel(benchmark="mmlu").to_series().dropna()
    wide = sampled.table.wide()["mmlu"].loc[known.index]
    np.testing.assert_allclose(known, wide, atol=1e-6)


def test_an_item_curve_is_the_link_at_every_predictor(sampled):
    own = item_curves(sampled, ["gsm8k"], n_draws=100).sel(benchmark="gsm8k")
    draws = {name: values.astype(float) for name, values in by_name(sampled, 100).items()}
    at = float(own["grid"][40])
    scores = [
        (1 - gap) * link(at, k)[0]
        for k, gap in zip(draws["asymmetry"][:, 1], draws["ceiling_gap"][:, 1], strict=True)
    ]
    assert float(own["median"][40]) == pytest.approx(np.median(scores), rel=1e-3)


@pytest.mark.slow
def test_intervals_hold_the_truth_that_scores_were_drawn_from(table, spec, design):
    truths = simulate(design, spec, jax.random.split(jax.random.key(5), 1))
    truth = {name: np.asarray(values[0], float) for name, values in truths.items()}
    coords = design.coords
    grid = pd.DataFrame(truth["score"].T, index=coords["model"], columns=coords["benchmark"])
    drawn = [grid.loc[r.model, r.benchmark] for r in table.scores.itertuples()]
    scores = table.scores.assign(score=np.clip(drawn, 0, 1))
    found = fit(Table(table.models, scores, table.benchmarks), spec, method=HMC, seed=0)
    reading = read_skills(found)
    known = {
        "efficiency": (efficiencies, ("family", "skill")),
        "skill": (model_skills, ("model", "skill")),
        "loading": (loadings, ("benchmark", "skill")),
    }
    for site, (make, ids) in known.items():
        rows = make(found, reading)
        rows = rows[rows["lower_95"] < rows["upper_95"]]
        places = [[coords[name].index(value) for value in rows[name]] for name in ids]
        values = truth[site][tuple(places)]
        # Entries share data, so their intervals miss together: the bound is wide.
        rate = np.mean((rows["lower_95"] < values) & (values < rows["upper_95"]))
        assert rate > 0.7, site
    matrix = np.corrcoef(truth["skill"].T)
    whole = row(tables.correlations(found, reading), given="nothing")
    assert whole["lower_95"] < matrix[0, 1] < whole["upper_95"]
