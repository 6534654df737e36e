"""What is made of surfaces: optima, skills, mixes, wrong validation sets and forecasts."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from math import comb

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from simulated_runs import (
    CODE_EFFECT,
    NOISE,
    RATIOS,
    SHARES,
    SKILL_BUDGETS,
    Truth,
    isoflop_grid,
    runs_at,
    skilled_truths,
)
from skillscale.errors import RunsError, SpecError, UnknownNameError
from skillscale.intervals import median_and_ends
from skillscale.runs.agreement import disputed
from skillscale.runs.best_sizes import (
    BEST_ELSEWHERE,
    BEYOND_BUDGETS,
    BEYOND_SIZES,
    INSIDE,
    PARTED,
    optima,
)
from skillscale.runs.coupling import coupled_order, residual_correlation
from skillscale.runs.estimation import isoflop
from skillscale.runs.estimators import Estimator, IsoFlop
from skillscale.runs.forecast import forecast_losses
from skillscale.runs.laws import coefficients, exponents
from skillscale.runs.mixes import mix_effects
from skillscale.runs.size_ratios import ALL_GROUPS, ratios
from skillscale.runs.skills import by_skill, load_skills
from skillscale.runs.surface import expected_loss
from skillscale.runs.validation_sets import misspecification, simplex, worst_cases

BUDGET = 3e18
SKILLS = list(RATIOS)
SHARE_TABLE = pd.DataFrame({"code": SHARES})


@pytest.fixture(scope="module")
def exact(skilled) -> IsoFlop:
    """The same surfaces, every draw of which is the truth but for a hundred-thousandth."""
    surfaces = skilled.surfaces
    coordinates = surfaces.coordinates.astype(float)
    for row, key in enumerate(surfaces.keys):
        coordinates[row, :, :5] = np.log(skilled_truths()[key].about(*surfaces.reference))
        coordinates[row, :, :3] -= np.log(surfaces.unit[row])
        coordinates[row, :, 5] = 0.0
    coordinates += 1e-5 * np.random.default_rng(0).standard_normal(coordinates.shape)
    known = dataclasses.replace(surfaces, coordinates=coordinates)
    return dataclasses.replace(skilled, surfaces=known)


# Optima


@pytest.fixture(scope="module")
def table(skilled) -> pd.DataFrame:
    """Of the losses that have surfaces: five runs of each group have one more."""
    return optima(skilled).query("loss != 'rare'")


def test_losses_of_few_runs_have_parabolas_alone(skilled):
    rare = optima(skilled).query("loss == 'rare'")
    assert list(rare["estimator"]) == ["parabola"] * len(SHARES)
    assert rare["ratio"].isna().all()
    assert any("parabolas and no surface: rare of web" in said for said in skilled.warnings)
    assert np.isnan(skilled.optimum(skilled.index("web", "rare"), BUDGET)).all()
    assert not any(loss == "rare" for _, loss in skilled.trusted)


def test_a_small_grid_is_answered_by_parabolas():
    n_params, n_tokens, flops = isoflop_grid(np.array([1e18, 4e18]), 3)
    truth = Truth()
    runs = runs_at(n_params, n_tokens, flops, {"all": {"x": truth.loss(n_params, n_tokens)}})
    found = isoflop(runs)
    assert found.surfaces is None
    rows = optima(found)
    assert list(rows["estimator"]) == ["parabola"] * 2
    is_held = rows["n_params_lower"] < truth.optimum(rows["flops"])
    assert (is_held & (truth.optimum(rows["flops"]) < rows["n_params_upper"])).all()
    assert list(exponents(found)["estimator"]) == ["parabola"]
    with pytest.raises(RunsError, match="no loss has the 8 runs in a group that a surface needs"):
        ratios(found, reference="x")


# Agreement


def test_a_surface_that_parts_from_the_parabolas_is_named_and_left_out(skilled):
    key = ("web", "knowledge")
    row = skilled.index(*key)
    turned = skilled.surfaces.coordinates.copy()
    turned[row, :, 5] += 2.0
    weights = skilled.surfaces.weights.copy()
    weights[row] = 0.0
    surfaces = dataclasses.replace(skilled.surfaces, coordinates=turned, weights=weights)
    apart = disputed(surfaces, skilled.parabolas[: len(surfaces.keys)], 0.9)
    assert apart == (key,)
    assert not skilled.disputed
    found = dataclasses.replace(skilled, surfaces=surfaces, disputed=apart)
    places = optima(found).query("group == 'web' and loss == 'knowledge'")["place"]
    assert (places == PARTED).mean() > 0.5
    of_loss = ratios(found, [BUDGET]).query("loss == 'knowledge'")
    assert list(of_loss["group"]) == ["blend", "half", "stack", ALL_GROUPS]
    assert "web" not in set(misspecification(found, [BUDGET], parts=1)["group"])


def test_an_optimum_far_from_the_best_run_says_so(skilled):
    losses = skilled.runs.losses.copy()
    frame = skilled.runs.runs
    budget = SKILL_BUDGETS[3]
    at = frame.index[(frame["group"] == "web") & np.isclose(frame["flops"], budget)]
    losses.loc[frame.loc[at, "n_params"].idxmax(), "knowledge"] = 1.0
    runs = dataclasses.replace(skilled.runs, losses=losses)
    found = optima(dataclasses.replace(skilled, runs=runs), [budget])
    places = found.query("group == 'web' and loss == 'knowledge'")["place"]
    assert (places == BEST_ELSEWHERE).all()


def test_optima_of_budgets_that_were_run_are_the_least_of_the_loss_itself(skilled):
    surfaces, row = skilled.surfaces, skilled.index("half", "code")
    drawn = surfaces.own_optimum(row, BUDGET)
    sizes = np.median(drawn) * np.geomspace(0.25, 4, 801)
    surface = jax.tree.map(lambda part: np.asarray(part)[row, :, None], surfaces.surface)
    x, y = surfaces.centred(sizes, BUDGET / 6 / sizes)
    delta = surfaces.weights[row] @ surfaces.basis.functions(surfaces.usual.places(x, y)).T
    log_loss = np.log(np.asarray(expected_loss(surface, x, y), float)) + delta
    least = sizes[log_loss.argmin(axis=1)]
    assert np.abs(np.log(drawn / least)).max() < 0.02


def test_optima_hold_the_true_ones_by_both_estimators(table):
    assert len(table) == 16 * len(SKILL_BUDGETS) * 2
    truth = np.array(
        [skilled_truths()[r.group, r.loss].optimum(r.flops) for r in table.itertuples()]
    )
    is_held = (truth > table["n_params_lower"]) & (truth < table["n_params_upper"])
    for estimator, held in is_held.groupby(table["estimator"]):
        # Sixteen surfaces of four groups: the rate over them is known to a tenth.
        assert 0.7 < held.mean() <= 1, (estimator, held.mean())
    assert (np.abs(np.log(table["n_params"] / truth)) < 1).all()


def test_tokens_are_what_a_budget_leaves(table):
    for tokens, size in (("", ""), ("_lower", "_upper"), ("_upper", "_lower")):
        flops = 6 * table[f"n_params{size}"] * table[f"n_tokens{tokens}"]
        np.testing.assert_allclose(flops, table["flops"])
    assert (table["n_tokens_lower"] <= table["n_tokens"]).all()
    assert (table["n_tokens"] <= table["n_tokens_upper"]).all()


def test_a_surface_is_its_own_measure_and_parabolas_are_compared_with_it(table):
    by_estimator = dict(iter(table.groupby("estimator")))
    of_surface = by_estimator["surface"][["ratio", "ratio_lower", "ratio_upper"]]
    assert (of_surface == 1).all(axis=None)
    of_parabola = by_estimator["parabola"]
    agrees = (of_parabola["ratio_lower"] < 1) & (of_parabola["ratio_upper"] > 1)
    assert agrees.mean() > 0.7


def test_optima_among_the_sizes_tried_are_inside(table):
    at = table[table["flops"] == sorted(table["flops"].unique())[3]]
    assert (at["place"] == INSIDE).all()
    assert (at["prob_inside"] > 0.95).all()


def test_optima_outside_the_sizes_tried_are_flagged(skilled):
    # Only the smallest sizes of a budget are left: its best size is none of them.
    budget = SKILL_BUDGETS[3]
    frame = skilled.runs.runs
    at = np.isclose(frame["flops"], budget)
    best = skilled_truths()["web", "knowledge"].optimum(budget)
    kept = ~(at & (frame["n_params"] > 0.7 * best))
    few = dataclasses.replace(skilled.runs, runs=frame[kept], losses=skilled.runs.losses[kept])
    found = optima(dataclasses.replace(skilled, runs=few), [budget])
    row = found.query("group == 'web' and loss == 'knowledge' and estimator == 'surface'").iloc[0]
    assert row["place"] == BEYOND_SIZES
    assert row["prob_inside"] < 0.2


def test_optima_at_budgets_not_run_are_flagged(skilled):
    found = optima(skilled, [1e21])
    assert set(found["estimator"]) == {"surface", "parabola"}
    assert (found["place"] == BEYOND_BUDGETS).all()
    assert found["prob_inside"].isna().all()
    at_runs = optima(skilled, [SKILL_BUDGETS[3]])

    def width(table):
        return np.log(table["n_params_upper"] / table["n_params_lower"])

    is_surface = (found["estimator"] == "surface").to_numpy()
    assert (width(found)[is_surface] > width(at_runs)[is_surface]).all()


def test_wider_intervals_hold_narrower_ones(skilled):
    narrow, wide = (optima(skilled, [BUDGET], interval=level) for level in (0.5, 0.95))
    assert (wide["n_params_lower"] < narrow["n_params_lower"]).all()
    assert (wide["n_params_upper"] > narrow["n_params_upper"]).all()
    np.testing.assert_array_equal(wide["n_params"], narrow["n_params"])


def test_without_parabolas_surfaces_answer_alone(skilled):
    # As where no budget has three sizes.
    nothing = (None,) * len(skilled.keys)
    bare = dataclasses.replace(skilled, parabolas=nothing, power_laws=nothing)
    assert set(optima(bare, [BUDGET])["estimator"]) == {"surface"}
    assert set(exponents(bare)["estimator"]) == {"surface"}
    assert np.isnan(bare.optimum(0, BUDGET, Estimator.PARABOLA)).all()


@pytest.mark.parametrize("flops", [0.0, -1e18, float("nan")])
def test_budgets_that_are_not_positive_are_refused(skilled, flops):
    with pytest.raises(SpecError, match="a budget must be positive, found"):
        optima(skilled, [1e18, flops])


def test_unknown_groups_and_losses_are_answered_with_the_nearest(skilled):
    with pytest.raises(UnknownNameError, match=r"group 'wep' is not in these surfaces.*'web'"):
        skilled.index("wep", "code")
    with pytest.raises(UnknownNameError, match="loss 'rear' is not in these surfaces"):
        skilled.index("web", "rear")


def test_exponents_hold_the_true_ones_by_both_estimators(skilled):
    table = exponents(skilled).query("loss != 'rare'")
    assert len(table) == 32
    truths = [skilled_truths()[key] for key in zip(table["group"], table["loss"], strict=True)]
    most = float(table["flops"].iloc[0])
    for name, true in {
        "params_exponent": [t.exponent for t in truths],
        "n_params": [t.optimum(most) for t in truths],
    }.items():
        is_held = (table[f"{name}_lower"] < true) & (true < table[f"{name}_upper"])
        assert is_held.mean() > 0.6, name
    np.testing.assert_allclose(
        table["params_coefficient"] * most ** table["params_exponent"], table["n_params"], rtol=0.1
    )
    np.testing.assert_allclose(table["params_exponent"] + table["tokens_exponent"], 1, atol=1e-3)


def test_coefficients_hold_the_true_ones_and_those_of_the_robust_fit_are_near(skilled):
    table = coefficients(skilled).query("loss != 'rare'")
    assert table["estimator"].value_counts().to_dict() == {"surface": 16, "huber": 16}
    truths = [
        skilled_truths()[key].about(1, 1) for key in zip(table["group"], table["loss"], strict=True)
    ]
    is_own = (table["estimator"] == "surface").to_numpy()
    for name, field in {
        "floor": "floor",
        "size_coefficient": "size_term",
        "tokens_coefficient": "tokens_term",
        "size_exponent": "size_exponent",
        "tokens_exponent": "tokens_exponent",
    }.items():
        true = np.array([getattr(t, field) for t in truths])
        own, true_own = table[is_own], true[is_own]
        is_held = (own[f"{name}_lower"] < true_own) & (true_own < own[f"{name}_upper"])
        assert is_held.mean() > 0.6, name
        if name.endswith(("floor", "exponent")):
            np.testing.assert_allclose(table[~is_own][name], true[~is_own], rtol=0.4)
    turn = table[is_own]
    assert ((turn["turn_lower"] < 0) & (turn["turn_upper"] > 0)).mean() > 0.6


def test_intervals_of_draws_that_are_infinite_are_infinite():
    draws = np.concatenate([np.zeros(10), np.full(80, 5.0), np.full(10, np.inf)])
    assert median_and_ends("x", draws, 0.9) == {"x": 5.0, "x_lower": 0.0, "x_upper": np.inf}


# Skills


def test_ratios_of_known_surfaces_are_exact(exact):
    table = ratios(exact, [BUDGET])
    of_groups = table[table["group"] != ALL_GROUPS]
    assert len(of_groups) == 3 * len(SHARES)
    for row in of_groups.itertuples():
        truth = RATIOS[row.loss] * (CODE_EFFECT ** SHARES[row.group] if row.loss == "code" else 1)
        np.testing.assert_allclose([row.ratio, row.ratio_lower, row.ratio_upper], truth, rtol=1e-3)


def test_what_a_skill_wants_is_found_with_its_sign(skilled):
    table = ratios(skilled, [BUDGET]).set_index(["loss", "group"])
    for group in [*SHARES, ALL_GROUPS]:
        assert table.loc[("knowledge", group), "verdict"] == "wants more parameters"
        assert table.loc[("knowledge", group), "prob_larger"] > 0.95
        assert table.loc[("code", group), "verdict"] == "wants more tokens"
        assert table.loc[("code", group), "prob_larger"] < 0.05
    for loss in ("knowledge", "twin"):
        pooled = table.loc[(loss, ALL_GROUPS)]
        assert pooled["ratio_lower"] < RATIOS[loss] < pooled["ratio_upper"]
    assert table.loc[("twin", ALL_GROUPS), "verdict"] == "can't tell"


def test_the_mean_over_groups_has_an_uncertainty_of_its_own(skilled, exact):
    table = ratios(skilled, [BUDGET]).set_index(["loss", "group"])
    known = ratios(exact, [BUDGET]).set_index(["loss", "group"])

    def width(row):
        return np.log(row["ratio_upper"] / row["ratio_lower"])

    # Four groups that agree are few to tell their spread from; those of code differ.
    of_groups = [width(table.loc[("knowledge", group)]) for group in SHARES]
    assert width(table.loc[("knowledge", ALL_GROUPS)]) < 1.5 * np.median(of_groups)
    assert width(known.loc[("code", ALL_GROUPS)]) > 5 * width(known.loc[("twin", ALL_GROUPS)])
    mean = np.log(RATIOS["code"]) + np.log(CODE_EFFECT) * np.mean(list(SHARES.values()))
    assert abs(np.log(known.loc[("code", ALL_GROUPS), "ratio"]) - mean) < 0.1


def test_verdicts_follow_probabilities(skilled):
    table = ratios(skilled, interval=0.8)
    assert len(table) == 3 * 5 * len(SKILL_BUDGETS)
    expected = np.select(
        [table["prob_larger"] >= 0.95, table["prob_larger"] <= 0.05],
        ["wants more parameters", "wants more tokens"],
        "can't tell",
    )
    assert (table["verdict"] == expected).all()


def test_ratios_can_be_taken_to_any_loss(exact):
    table = ratios(exact, [BUDGET], reference="knowledge").set_index(["loss", "group"])
    np.testing.assert_allclose(table.loc[("general", "web"), "ratio"], 1 / 1.8, rtol=1e-3)
    with pytest.raises(UnknownNameError, match="loss 'knowlegde' is not in these surfaces"):
        ratios(exact, [BUDGET], reference="knowlegde")


def test_skills_are_means_of_their_losses(skilled):
    losses = skilled.runs.losses
    skills = pd.Series({"general": "a", "code": "b", "twin": "a", "unheard of": "c"})
    joined = by_skill(skilled.runs, skills).losses
    assert list(joined) == ["a", "b"]
    expected = (losses["general"] + losses["twin"]) / 2
    pd.testing.assert_series_equal(joined["a"], expected, check_names=False)
    pd.testing.assert_series_equal(joined["b"], losses["code"], check_names=False)


def test_a_skill_is_missing_where_one_of_its_losses_is(skilled):
    skills = pd.Series({"general": "a", "rare": "a", "code": "b"})
    joined = by_skill(skilled.runs, skills)
    has_rare = skilled.runs.losses["rare"].notna()
    assert (joined.losses["a"].notna() == has_rare).all()
    assert joined.losses["b"].notna().all()
    # Runs without any skill go.
    assert len(by_skill(skilled.runs, skills[:2]).runs) == has_rare.sum() == 20


def test_skills_of_none_of_the_losses_are_refused(skilled):
    with pytest.raises(RunsError, match=r"no loss of these runs has a skill\. Map some of general"):
        by_skill(skilled.runs, load_skills())


# Mixes


def true_trend(loss: str) -> float:
    """Slope of the log of the true best size in the share of code."""
    best = [np.log(skilled_truths()[group, loss].optimum(BUDGET)) for group in SHARES]
    return np.polyfit(list(SHARES.values()), best, 1)[0]


def test_the_trend_of_a_mix_is_found(skilled, exact):
    for found in (skilled, exact):
        table = mix_effects(found, SHARE_TABLE, [BUDGET]).set_index("loss")
        for loss in RATIOS:
            low, high = np.log(table.loc[loss, ["effect_lower", "effect_upper"]].astype(float))
            assert low < true_trend(loss) < high, loss
        assert np.log(table.loc["code", "effect_upper"]) < true_trend("twin")
        assert table.loc["code", "prob_larger"] < 0.05


def test_losses_of_too_few_groups_have_no_trend(skilled):
    assert "rare" in skilled.runs.loss_names
    assert set(mix_effects(skilled, SHARE_TABLE, [BUDGET])["loss"]) == set(RATIOS)


def test_shares_of_unknown_or_too_few_groups_are_refused(skilled):
    with pytest.raises(UnknownNameError, match="group 'wep' is not in these runs"):
        mix_effects(skilled, SHARE_TABLE.rename({"web": "wep"}), [BUDGET])
    with pytest.raises(RunsError, match="2 groups have shares and a trend needs 3"):
        mix_effects(skilled, SHARE_TABLE[:2], [BUDGET])


# Misspecified validation sets


def test_skills_with_one_surface_have_nothing_to_mistake(skilled):
    surfaces = skilled.surfaces
    coordinates = surfaces.coordinates.copy()
    unit = surfaces.unit.copy()
    one, other = (surfaces.keys.index(("web", loss)) for loss in ("general", "knowledge"))
    coordinates[other], unit[other] = coordinates[one], unit[one]
    same = dataclasses.replace(surfaces, coordinates=coordinates, unit=unit)
    table = misspecification(
        dataclasses.replace(skilled, surfaces=same), [BUDGET], skills=["general", "knowledge"]
    )
    ends = [f"{n}{end}" for n in ("error", "loss_paid") for end in ("", "_lower", "_upper")]
    own = table[table["group"] == "web"]
    assert len(own) == 25
    assert (own[ends] == 0).all(axis=None)
    assert (table.loc[table["group"] != "web", "error"] != 0).any()


def test_misspecification_of_known_surfaces_is_that_of_brute_force(exact):
    skills, groups = ["general", "knowledge", "code"], ["web", "stack"]
    table = misspecification(exact, [BUDGET], skills=skills, parts=2)
    assert len(table) == len(SHARES) * 36

    def best(group, mix):
        def loss(x):
            size = np.exp(x)
            each = [skilled_truths()[group, s].loss(size, BUDGET / 6 / size) for s in skills]
            return float(np.dot(mix, each))

        found = optimize.minimize_scalar(
            loss, bounds=(np.log(1e6), np.log(1e10)), method="bounded", options={"xatol": 1e-8}
        )
        return found.x, loss

    for row in table[table["group"].isin(groups)].to_dict("records"):
        true = best(row["group"], [row[f"true_{s}"] for s in skills])
        assumed = best(row["group"], [row[f"assumed_{s}"] for s in skills])
        # Sizes are searched on a grid of 1.7 % steps.
        assert abs(np.log1p(row["error"]) - (assumed[0] - true[0])) < 0.02
        paid = true[1](assumed[0]) / true[1](true[0]) - 1
        assert abs(row["loss_paid"] - paid) < 2e-4 + 0.05 * paid
        assert row["error_upper"] - row["error_lower"] < 0.04 * (1 + row["error"])


def test_what_is_paid_is_never_negative_and_nothing_for_the_true_mix(skilled):
    table = misspecification(skilled, [BUDGET, 1e19], skills=["knowledge", "code"])
    assert (table["loss_paid_lower"] >= 0).all()
    is_right = table["true_code"] == table["assumed_code"]
    assert (table.loc[is_right, ["error", "loss_paid_upper"]] == 0).all(axis=None)
    far = (table["true_knowledge"] == 1) & (table["assumed_code"] == 1)
    assert (table.loc[far, "error_upper"] < 0).all(), "code alone asks for too small a model"
    assert (table.loc[far, "loss_paid_lower"] > 0).all()


def test_the_worst_cases_are_the_farthest_off(exact):
    table = misspecification(exact, [BUDGET, 1e19], skills=["knowledge", "code"])
    worst = worst_cases(table)
    assert len(worst) == 2 * 2 * len(SHARES)
    for (group, flops), own in table.groupby(["group", "flops"]):
        found = worst[(worst["group"] == group) & (worst["flops"] == flops)]
        assert set(found["error"]) == {own["error"].max(), own["error"].min()}
    # One skill for the other is the worst mistake; its size is the ratio of their optima.
    up = worst[(worst["group"] == "web") & (worst["error"] > 0)]
    assert (up["true_code"] == 1).all()
    assert (up["assumed_knowledge"] == 1).all()
    assert (np.abs(np.log1p(up["error"]) - np.log(1.8**2)) < 0.02).all()


def test_true_mixes_can_be_given(exact):
    table = misspecification(exact, [BUDGET], skills=["knowledge", "code"], truths=[[0.3, 0.7]])
    assert len(table) == 5 * len(SHARES)
    assert (table["true_knowledge"] == 0.3).all()


@pytest.mark.parametrize("weights", [[0.5, 0.6], [1.5, -0.5], [1.0], [0.2, 0.3, 0.5]])
def test_weights_that_are_no_mix_are_refused(skilled, weights):
    with pytest.raises(SpecError, match=r"one weight per skill \(2\), none negative, with sum one"):
        misspecification(skilled, [BUDGET], skills=["knowledge", "code"], truths=[weights])


def test_a_mix_needs_two_skills_that_are_known(skilled):
    with pytest.raises(SpecError, match="a mix needs two skills at least, found code"):
        misspecification(skilled, [BUDGET], skills=["code"])
    with pytest.raises(UnknownNameError, match="loss 'cod' is not in these surfaces"):
        misspecification(skilled, [BUDGET], skills=["general", "cod"])


@pytest.mark.parametrize(("n", "parts"), [(2, 4), (3, 4), (5, 3)])
def test_the_simplex_is_every_mix_once(n, parts):
    mixes = simplex(n, parts)
    assert len(mixes) == comb(parts + n - 1, n - 1) == len({tuple(mix) for mix in mixes})
    assert (mixes >= 0).all()
    np.testing.assert_allclose(mixes.sum(axis=1), 1)


# Forecasts


def held_out(flops: np.ndarray, seed: int) -> pd.DataFrame:
    """New runs of every group, with their losses, one row per run and loss."""
    rng = np.random.default_rng(seed)
    n_params, n_tokens, _ = isoflop_grid(flops, 7, spread=5.0)
    frames = []
    for (group, loss), truth in skilled_truths().items():
        expected = truth.loss(n_params, n_tokens)
        observed = expected * np.exp(NOISE * rng.standard_normal(len(n_params)))
        names = [f"{group}/{i}" for i in range(len(n_params))]
        frames.append(
            pd.DataFrame(
                {"run": names, "group": group, "loss": loss, "n_params": n_params}
                | {"n_tokens": n_tokens, "observed": observed}
            )
        )
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize(
    ("flops", "least", "most", "widest"),
    [(SKILL_BUDGETS[1:5] * 1.2, 0.86, 0.97, 5), (np.array([2e19, 5e19]), 0.86, 1.06, 30)],
    ids=["among the runs", "two and five times beyond"],
)
def test_forecasts_hold_runs_that_were_left_out(skilled, flops, least, most, widest):
    observed = held_out(flops, seed=3)
    plan = observed.drop_duplicates("run")[["run", "group", "n_params", "n_tokens"]]
    table = forecast_losses(skilled.surfaces, plan)
    both = table.merge(observed[["run", "loss", "observed"]], on=["run", "loss"])
    assert len(both) == len(table) == len(observed)
    for level in (80, 90, 95):
        is_held = both["observed"].between(both[f"lower_{level}"], both[f"upper_{level}"])
        off = level / 100 - 0.9
        assert least + off <= is_held.mean() <= min(most + off, 1), (level, is_held.mean())
    width = np.log(table["upper_90"] / table["lower_90"]) / NOISE
    assert 2 * 1.5 < width.median() < widest
    error = np.abs(np.log(both["median"] / both["observed"]))
    assert error.median() < 3 * NOISE
    np.testing.assert_allclose(table["flops"], 6 * table["n_params"] * table["n_tokens"])
    np.testing.assert_allclose(table["beyond"], table["flops"] / SKILL_BUDGETS[-1])


PLAN = pd.DataFrame({"n_params": [1e9, 2e9], "n_tokens": [2e10, 1e10]})


def test_a_plan_is_forecast_for_every_group_and_loss(skilled):
    table = forecast_losses(skilled.surfaces, PLAN)
    assert list(table["run"].unique()) == ["1000000000-20000000000", "2000000000-10000000000"]
    assert len(table) == 2 * 16
    assert (table["lower_95"] < table["lower_50"]).all()
    assert (table["upper_50"] < table["upper_95"]).all()
    again = forecast_losses(skilled.surfaces, PLAN)
    pd.testing.assert_frame_equal(again, table)


def test_groups_and_losses_can_be_chosen(skilled):
    table = forecast_losses(
        skilled.surfaces, PLAN, groups=["half"], losses=["code", "twin"], intervals=[60]
    )
    assert set(zip(table["group"], table["loss"], strict=True)) == {
        ("half", "code"),
        ("half", "twin"),
    }
    assert {"lower_60", "upper_60"} < set(table.columns)
    assert "lower_90" not in table.columns
    by_plan = forecast_losses(skilled.surfaces, PLAN.assign(group=["web", "half"]))
    assert by_plan.groupby("group")["run"].unique().str[0].to_dict() == {
        "web": "1000000000-20000000000",
        "half": "2000000000-10000000000",
    }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"n_tokens": [1e9, 0.0]}, r"n_tokens must be positive, and row 1 holds 0\.0"),
        ({"n_params": [float("nan"), 1e9]}, "n_params must be positive, and row 0 holds nan"),
    ],
)
def test_counts_that_are_not_positive_are_refused(skilled, change, sentence):
    with pytest.raises(SpecError, match=sentence):
        forecast_losses(skilled.surfaces, PLAN.assign(**change))


def test_a_plan_without_a_column_is_refused(skilled):
    with pytest.raises(SpecError, match=r"a plan needs the column 'n_tokens'\. Found: n_params"):
        forecast_losses(skilled.surfaces, PLAN[["n_params"]])


def test_unknown_groups_and_losses_of_a_plan_are_refused(skilled):
    for options in ({"groups": ["wep"]}, {"losses": ["cod"]}):
        with pytest.raises(UnknownNameError, match="is not in these surfaces"):
            forecast_losses(skilled.surfaces, PLAN, **options)
    with pytest.raises(UnknownNameError, match="group 'wep'"):
        forecast_losses(skilled.surfaces, PLAN.assign(group="wep"))


# Coupling


def test_draws_are_put_in_an_order_that_agrees():
    rng = np.random.default_rng(0)
    draws = np.stack([rng.standard_normal(4000), rng.standard_exponential(4000), rng.random(4000)])
    wanted = np.array([[1, 0.8, -0.5], [0.8, 1, -0.2], [-0.5, -0.2, 1]])
    order = coupled_order(draws, wanted, rng)
    joint = np.take_along_axis(draws, order, axis=1)
    np.testing.assert_array_equal(np.sort(joint), np.sort(draws))
    # A normal copula of correlation r has the rank correlation 6/pi asin(r/2).
    ranks = pd.DataFrame(joint.T).corr(method="spearman").to_numpy()
    np.testing.assert_allclose(ranks, 6 / np.pi * np.arcsin(wanted / 2), atol=0.05)


def test_residuals_correlate_where_they_were_measured():
    rng = np.random.default_rng(1)
    common = rng.standard_normal(400)
    left = np.stack([common + 0.5 * rng.standard_normal(400) for _ in range(4)])
    left[1, ::2] = np.nan
    left[3] = rng.standard_normal(400)
    left[3, 4:] = np.nan
    found = residual_correlation(left)
    assert 0.6 < found[0, 1] < 0.85
    assert 0.65 < found[0, 2] < 0.85
    assert np.abs(found[3, :3]).max() < 0.3, "four runs are little to go by"
    np.testing.assert_allclose(np.diag(found), 1)
    assert np.linalg.eigvalsh(found).min() > 0


def test_correlations_that_contradict_each_other_are_made_valid():
    rng = np.random.default_rng(2)
    a = rng.standard_normal(300)
    left = np.full((3, 300), np.nan)
    # Each pair was measured on runs of its own: the signs do not fit together.
    left[0, :200] = a[:200]
    left[1, :100], left[1, 200:] = a[:100], a[200:]
    left[2, 100:200], left[2, 200:] = a[100:200], -a[200:]
    found = residual_correlation(left)
    assert np.linalg.eigvalsh(found).min() > 0
    for i, j in combinations(range(3), 2):
        assert 0.2 < abs(found[i, j]) < 0.8
    assert np.sign([found[0, 1], found[0, 2], found[1, 2]]).tolist() == [1, 1, -1]
