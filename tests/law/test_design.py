"""From tables to arrays: which benchmarks, which models, and what is assumed of tokens."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skillscale import Spec, Table, load_table
from skillscale.errors import SpecError, UnknownNameError
from skillscale.law.design import (
    centred_log_params,
    chosen_benchmarks,
    covariates,
    make_design,
    periods,
    token_prior,
    with_other_tuning,
)

SHIPPED = load_table("classic")


def test_leaderboard_benchmarks_are_the_default():
    chosen = chosen_benchmarks(SHIPPED, Spec())
    assert chosen == list(SHIPPED.benchmarks.index[SHIPPED.benchmarks["leaderboard"].notna()])
    assert len(chosen) == 12
    assert "humaneval" not in chosen


def test_a_table_without_leaderboards_is_fitted_whole(spec):
    plain = dataclasses.replace(
        SHIPPED, benchmarks=SHIPPED.benchmarks.assign(leaderboard=float("nan"))
    )
    assert chosen_benchmarks(plain, spec) == list(SHIPPED.benchmarks.index)


def test_named_benchmarks_come_in_the_order_of_the_table():
    spec = dataclasses.replace(Spec(), benchmarks=("ifeval", "gsm8k", "humaneval", "mmlu"))
    assert chosen_benchmarks(SHIPPED, spec) == ["mmlu", "gsm8k", "ifeval", "humaneval"]


def test_an_unknown_benchmark_is_named():
    with pytest.raises(UnknownNameError, match="benchmark 'mmlu2' is not in this table"):
        chosen_benchmarks(SHIPPED, dataclasses.replace(Spec(), benchmarks=("mmlu2",)))


def test_an_anchor_that_is_not_fitted_is_an_error():
    spec = Spec(("knowledge", "code"), ("mmlu", "humaneval"), ("mmlu", "gsm8k"))
    with pytest.raises(SpecError, match=r"anchors without scores .*: humaneval\. .*: gsm8k, mmlu"):
        make_design(SHIPPED, spec)


def test_an_anchor_without_a_score_is_an_error(table, spec):
    scores = table.scores[table.scores["benchmark"] != "gsm8k"]
    with pytest.raises(
        SpecError, match="anchors without scores among the fitted benchmarks: gsm8k"
    ):
        make_design(dataclasses.replace(table, scores=scores), spec)


def test_arrays_hold_every_score_and_nothing_else(table, design):
    observations = design.observations
    assert int(observations.is_observed.sum()) == len(table.scores)
    assert int((~observations.is_observed).sum()) > 0, "the table should have missing scores"
    for row in table.scores.itertuples():
        at = (
            design.coords["benchmark"].index(row.benchmark),
            design.coords["model"].index(row.model),
        )
        assert observations.is_observed[at]
        assert float(observations.score[at]) == pytest.approx(row.score, abs=1e-6)


def test_models_point_at_their_family_and_lineage(table, design):
    observations, coords = design.observations, design.coords
    assert observations.in_family.size.sum() == len(observations.log_params)
    families = np.array(coords["family"])[observations.in_family.group]
    assert_array_equal(families, table.models["family"])
    lineages = np.array(coords["lineage"])[design.lineage_of_models]
    assert_array_equal(lineages, table.models["lineage"])
    branch = np.asarray(observations.in_branch.group)[np.asarray(observations.in_family.group)]
    for one, other in itertools.combinations(range(len(branch)), 2):
        alike = table.models.iloc[[one, other]][["lineage", "tuning"]].nunique().max() == 1
        assert (branch[one] == branch[other]) == alike


def test_anchors_read_one_skill_and_other_benchmarks_are_free(design):
    by_name = dict(zip(design.coords["benchmark"], design.is_anchor.tolist(), strict=True))
    assert by_name == {"mmlu": [True, False], "gsm8k": [False, True], "bbh": [False, False]}
    assert design.is_free.tolist() == [[False, False], [False, False], [True, True]]


def models(**columns) -> pd.DataFrame:
    n = len(columns["family"])
    default = {"n_active_params": [7e9] * n, "tuning": ["base"] * n, "release_year": [2023.5] * n}
    return pd.DataFrame(default | columns, index=[f"m{i}" for i in range(n)])


def test_unpublished_tokens_are_expected_at_the_mean_of_the_family():
    spec = Spec()
    frame = models(family=["a", "a", "a"], n_tokens=[1e12, 4e12, np.nan])
    mean, sd = token_prior(frame, spec)
    assert_allclose(mean[:2], np.log(np.array([1e12, 4e12]) / spec.reference_tokens), rtol=1e-5)
    assert mean[2] == pytest.approx(np.log(2e12 / spec.reference_tokens), rel=1e-5)
    assert_allclose(sd, [0, 0, spec.priors.tokens_sd_within_family])


def test_a_family_that_publishes_no_tokens_follows_the_trend():
    spec = Spec()
    frame = models(
        family=["a", "b", "b"], n_tokens=[9e12, np.nan, np.nan], release_year=[2020, 2023.5, 2025.5]
    )
    mean, sd = token_prior(frame, spec)
    assert mean[1] == pytest.approx(0.0)
    assert mean[2] == pytest.approx(2 * spec.priors.tokens_growth)
    assert_allclose(sd, [0, spec.priors.tokens_sd, spec.priors.tokens_sd])


def test_only_models_without_published_tokens_are_unpublished(design):
    names = [design.coords["model"][i] for i in design.unpublished]
    assert {"gpt2", "qwen1.5-110b"} <= set(names)
    tokens = SHIPPED.models.loc[design.coords["model"], "n_tokens"]
    assert names == list(tokens.index[tokens.isna()])


def test_size_is_that_of_active_parameters_from_the_reference():
    spec = Spec()
    frame = models(family=["a", "a"], n_active_params=[spec.reference_params, 13e9], n_params=1e12)
    assert_allclose(centred_log_params(frame, spec), [0, np.log(13 / 7)], atol=1e-6)


def test_covariates_are_tuning_and_years_from_the_reference():
    frame = models(family=["a", "a"], tuning=["base", "instruct"], release_year=[2022.5, 2025.0])
    assert_allclose(covariates(frame, Spec())[:, :3], [[0, -1, 0], [1, 1.5, 1.5]], atol=1e-4)


def test_a_date_counts_the_half_years_of_the_trend_passed_since_the_reference():
    spec = dataclasses.replace(Spec(), trend_from=2022.5, trend_until=2024.5)
    years = [2022.0, 2022.75, 2023.5, 2024.125, 2030.0]
    base, tuned = (
        np.asarray(
            covariates(models(family=["a"] * 5, tuning=[kind] * 5, release_year=years), spec)
        )
        for kind in ("base", "instruct")
    )
    passed = [[-1, -1, 0, 0], [-0.5, -1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0.25], [0, 0, 1, 1]]
    for found, of_tuning in ((base, np.zeros((5, 4))), (tuned, passed)):
        assert_allclose(found[:, 3:], np.column_stack([passed, of_tuning]), atol=1e-3)
    assert_allclose(with_other_tuning(base), tuned, atol=1e-6)
    assert_allclose(with_other_tuning(tuned), base, atol=1e-6)
    assert periods(spec) == [2022.5, 2023.0, 2023.5, 2024.0]


def test_models_without_a_score_on_the_chosen_benchmarks_are_left_out(spec):
    only_bbh = dataclasses.replace(spec, benchmarks=("mmlu", "gsm8k"))
    design = make_design(SHIPPED, only_bbh)
    wide = SHIPPED.wide()[["mmlu", "gsm8k"]].dropna(how="all")
    assert design.coords["model"] == list(wide.index)
    assert isinstance(SHIPPED, Table)
