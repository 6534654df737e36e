"""How far an observed score lies from what everything else leads to expect."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skillscale import forecast
from skillscale.forecasts.question import ask
from skillscale.forecasts.surprise import Seen, conditioned, hidden, see
from small import PLAN, SEEN


@pytest.fixture(scope="module")
def question(approximate):
    return ask(approximate, PLAN, SEEN)


@pytest.fixture(scope="module")
def seen(approximate, question) -> Seen:
    return see(approximate, question, approximate.draws())


def cell(question, benchmark: str, model: str) -> tuple[int, int]:
    return question.benchmarks.index(benchmark), question.observed.index.get_loc(model)


def only(seen: Seen, at: tuple[int, int]) -> np.ndarray:
    cells = np.zeros(seen.is_observed.shape[1:], bool)
    cells[at] = True
    return cells


def test_a_score_left_out_is_expected_as_a_forecast_expects_it(approximate, question, seen):
    at = cell(question, "gsm8k", "new-3b")
    ((mixture, _),) = conditioned([hidden(seen, only(seen, at))], question.scores, n_draws=400)
    own = mixture.of(int(np.ravel_multi_index(at, seen.is_observed.shape[1:])))
    rest = SEEN.copy()
    rest.loc[1, "gsm8k"] = np.nan
    plan = SEEN.iloc[[1]][["model", "n_params", "n_tokens"]]
    direct = forecast(approximate, plan, rest, keep_doubted=True, refit=False)
    direct = direct.sel(benchmark="gsm8k", model="new-3b")
    width = float(direct["upper_95"] - direct["lower_95"])
    for level, name in ((0.5, "median"), (0.025, "lower_95"), (0.975, "upper_95")):
        # Draws differ, and a forecast is cut off at zero.
        assert abs(own.quantile(level)[0] - float(direct[name])) < 0.12 * width, name


def test_evidence_obeys_the_product_rule(question, seen):
    """All scores are as likely as all but one, times that one given the others."""
    at = cell(question, "mmlu", "new-1b")
    cases = [seen, hidden(seen, only(seen, at))]
    (_, of_all), (mixture, of_rest) = conditioned(cases, question.scores, n_draws=400)
    own = mixture.of(int(np.ravel_multi_index(at, seen.is_observed.shape[1:])))
    assert of_all - of_rest == pytest.approx(own.log_density(seen.value[0][at][None])[0], abs=0.2)


def test_few_draws_and_many_cases_find_nearly_what_all_draws_find(question, seen):
    cells = [(int(b), int(m)) for b, m in np.argwhere(seen.is_observed[0])]
    cases = [hidden(seen, only(seen, at)) for at in cells]
    p_values = []
    for n_draws, rows in ((50, 180), (50, 1000), (400, 1000)):
        found = conditioned(cases, question.scores, n_draws=n_draws, rows=rows)
        shape = seen.is_observed.shape[1:]
        p_values.append(
            [
                mixture.of(int(np.ravel_multi_index(at, shape))).p_value(seen.value[0][at][None])[0]
                for at, (mixture, _) in zip(cells, found, strict=True)
            ]
        )
    assert np.abs(np.array(p_values[:2]) - p_values[2]).max() < 0.15


@pytest.mark.slow
def test_scores_that_the_law_draws_are_as_surprising_as_they_say(approximate):
    """P-values of scores drawn from the forecast itself are uniform."""
    models = pd.DataFrame({"model": ["a"], "n_params": [5e9], "n_tokens": [2e12]})
    drawn = forecast(approximate, models, n_draws=400)["draws"].sel(model="a")
    rng = np.random.default_rng(0)
    p_values = []
    for scores in drawn.to_numpy()[rng.permutation(len(drawn))[:60]]:
        observed = models.assign(**dict(zip(drawn["benchmark"].to_numpy(), scores, strict=True)))
        asked = ask(approximate, PLAN, observed)
        case = see(approximate, asked, approximate.draws())
        at = (int(rng.integers(len(scores))), 0)
        ((mixture, _),) = conditioned([hidden(case, only(case, at))], asked.scores, n_draws=400)
        own = mixture.of(int(np.ravel_multi_index(at, case.is_observed.shape[1:])))
        p_values.append(own.p_value(case.value[0][at][None])[0])
    assert stats.kstest(p_values, "uniform").pvalue > 0.005
