"""The explorer in a browser: it agrees with Python, moves, is without errors, and can be read."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from jaxtyping import Float
from selenium.webdriver.common.keys import Keys

from skillscale import Deployment, Fit, Goal, Table, fit
from skillscale.forecasts.conditioning import scores_given_family
from skillscale.forecasts.prediction import predict
from skillscale.forecasts.question import ask
from skillscale.formatting import format_count
from skillscale.law.design import covariates
from skillscale.law.production import Form
from skillscale.optima.deployment import Limit
from skillscale.optima.identification import describe_choice
from skillscale.optima.objectives import Objective, expected_score, make_objectives
from skillscale.optima.optimum import best_on_path
from skillscale.posterior.one_family import grown
from skillscale.posterior.shipped import shipped_fit
from skillscale.report.controls import controls
from skillscale.report.draws import FamilyDraws, family_draws
from skillscale.report.explorer import explorer_fragment
from small import SEEN, SPEC, AroundThePrior

pytestmark = pytest.mark.long

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Explorer</title><style>
@media (prefers-color-scheme: dark) {{ body {{ background: #14171b; color: #fff }} }}
</style></head><body><main><h1>Report</h1>{}</main></body></html>"""
LAW = "const { law, quantile } = document.querySelector('.skillscale-explorer').explorer;"
QUANTILES = (0.5, 0.1, 0.9, 0.25, 0.75, 0.025, 0.975)
PLAN = pd.DataFrame(
    {
        "model": ["nova-70b", "nova-70b-chat"],
        "family": "nova",
        "tuning": ["base", "instruct"],
        "n_params": [70.6e9, 70e9],
        "n_tokens": [15e12, 9e12],
        "release": ["2024-09", "2024-11"],
    }
)


def seen_of(leaderboard: Fit) -> pd.DataFrame:
    """A model of a new family, not evaluated on two of the benchmarks."""
    scores = leaderboard.table.wide().loc["meta-llama-3-8b"]
    scores = scores[leaderboard.design.coords["benchmark"]].drop(["gpqa", "musr"]) - 0.03
    described = {"model": "nova-8b", "family": "nova", "n_params": 8e9, "n_tokens": 15e12}
    return pd.DataFrame([{**described, "tuning": "base", "release": "2024-04", **scores}])


def random_plans(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "model": [f"random-{i}" for i in range(n)],
            "family": "nova",
            "n_params": np.exp(rng.uniform(np.log(5e8), np.log(2e11), n)),
            "n_tokens": np.exp(rng.uniform(np.log(3e11), np.log(3e13), n)),
            "release": [f"{2023 + m // 12}-{m % 12 + 1:02d}" for m in rng.integers(0, 36, n)],
            "tuning": rng.choice(["base", "instruct"], n),
        }
    )


def predicted(
    draws: FamilyDraws, planned: pd.DataFrame
) -> tuple[Float[np.ndarray, "benchmark model"], Float[np.ndarray, "q benchmark model"]]:
    """Expected scores and quantiles of scores, by the functions of the package."""
    law, spec, observations = draws.law, draws.fit.spec, draws.fit.design.observations
    n = np.log(planned["n_active_params"].to_numpy(float) / spec.reference_params)
    d = np.log(planned["n_tokens"].to_numpy(float) / spec.reference_tokens)
    known = np.asarray(covariates(planned, spec), np.float64)
    effects = np.einsum("mc,dck->dmk", known, np.asarray(law.growth.effects))[:, None]
    slope = law.growth.slope[:, None]
    skill = grown(spec.form, draws.efficiency, slope, draws.own_slope[:, :, None], n, d) + effects
    own = law.growth.model_scale[:, None] * draws.scatter
    skill = (skill + own[:, :, None]).swapaxes(2, 3).astype(np.float32)
    evidence = jax.tree.map(lambda part: part[..., None], draws.evidence)
    is_member = np.ones((len(planned), 1))
    expected, (location, scale, _) = scores_given_family(
        law, skill, evidence, is_member, observations.chance, observations.n_items
    )
    kind = np.searchsorted(draws.n_known, draws.evidence.n)
    noise = np.take_along_axis(draws.noise.swapaxes(1, 2), kind, axis=2)[..., None]
    score = np.clip(np.asarray(location) + np.asarray(scale) * noise, 0, 1)
    means = np.asarray(expected.mean, float).mean(axis=(0, 1))
    return means, np.quantile(score.reshape(-1, *score.shape[2:]), QUANTILES, axis=0)


def predicted_in_page(browser: Any, planned: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The same as the page computes it."""
    models = [
        {
            "nParams": float(model.n_active_params),
            "nTokens": float(model.n_tokens),
            "releaseYear": float(model.release_year),
            "isInstruct": int(model.tuning == "instruct"),
        }
        for model in planned.itertuples()
    ]
    found = browser.run(
        LAW
        + """return arguments[0].map((model) => {
            const { scores, means } = law.predict(model);
            return [[...means], arguments[1].map((q) => scores.map((of) => quantile(of, q)))];
        });""",
        models,
        list(QUANTILES),
    )
    return np.array([m for m, _ in found]).T, np.moveaxis(np.array([q for _, q in found]), 0, 2)


@pytest.fixture(scope="module")
def leaderboard() -> Fit:
    return shipped_fit()


@pytest.fixture(scope="module")
def pages(
    leaderboard: Fit, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[bool], tuple[Path, FamilyDraws]]:
    """Pages with one model observed, or none, and the draws that are in them."""
    made: dict[bool, tuple[Path, FamilyDraws]] = {}

    def page(is_seen: bool) -> tuple[Path, FamilyDraws]:
        if is_seen not in made:
            seen = seen_of(leaderboard) if is_seen else None
            path = tmp_path_factory.mktemp("explorer") / "page.html"
            path.write_text(PAGE.format(explorer_fragment(leaderboard, seen, PLAN, 1e24)))
            planned = ask(leaderboard, PLAN, seen).planned
            made[is_seen] = path, family_draws(leaderboard, planned, seen)
        return made[is_seen]

    return page


@pytest.mark.parametrize("is_seen", [True, False], ids=["one observed", "none observed"])
def test_the_page_says_what_python_says(browser, leaderboard, pages, is_seen):
    path, draws = pages(is_seen)
    browser.open(path)
    seen = seen_of(leaderboard) if is_seen else None
    planned = ask(leaderboard, random_plans(200), seen).planned
    means, quantiles = predicted(draws, planned)
    means_in_page, quantiles_in_page = predicted_in_page(browser, planned)
    assert 100 * np.abs(means_in_page - means).max() < 0.05
    assert 100 * np.abs(quantiles_in_page - quantiles).max() < 0.05


@pytest.mark.parametrize("is_seen", [True, False], ids=["one observed", "none observed"])
def test_the_page_forecasts_what_the_full_forecast_does(browser, leaderboard, pages, is_seen):
    path, _ = pages(is_seen)
    browser.open(path)
    seen = seen_of(leaderboard) if is_seen else None
    plans = random_plans(200)
    _, in_page = predicted_in_page(browser, ask(leaderboard, plans, seen).planned)
    parts = [plans.iloc[first : first + 16] for first in range(0, len(plans), 16)]
    scores = [predict(leaderboard, ask(leaderboard, part, seen)).score for part in parts]
    off = 100 * (in_page - np.quantile(np.concatenate(scores, axis=2), QUANTILES, axis=0))
    median, lower, upper, *_ = np.sqrt((off**2).mean(axis=(1, 2)))
    assert median < 0.3
    assert lower < 0.7
    assert upper < 0.7


@pytest.fixture(scope="module", params=list(Form))
def of_form(request: pytest.FixtureRequest, table: Table) -> Fit:
    """A fit of every form, that has learned nothing."""
    return fit(table, dataclasses.replace(SPEC, form=request.param), method=AroundThePrior())


@pytest.fixture
def page_of(tmp_path: Path) -> Callable[..., Path]:
    def write(*arguments: Any, **options: Any) -> Path:
        path = tmp_path / "page.html"
        path.write_text(PAGE.format(explorer_fragment(*arguments, **options)))
        return path

    return write


def test_every_form_is_the_one_of_python(browser, of_form, page_of):
    plan = random_plans(20)
    seen = SEEN.assign(family="nova", release="2024-01", tuning="base")
    planned = ask(of_form, plan, seen).planned
    browser.open(page_of(of_form, seen, plan))
    means, quantiles = predicted(family_draws(of_form, planned, seen), planned)
    means_in_page, quantiles_in_page = predicted_in_page(browser, planned)
    assert 100 * np.abs(means_in_page - means).max() < 0.05
    assert 100 * np.abs(quantiles_in_page - quantiles).max() < 0.05
    draws = family_draws(of_form, planned, seen)
    for objective in make_objectives(of_form, SPEC.skills, ["bbh"]):
        for budget, served in ((1e22, 0.0), (1e24, 1e13)):
            assert_same_optimum(browser, draws, objective, planned.iloc[[0]], budget, served)


def test_best_sizes_of_the_page_are_those_of_python(browser, leaderboard, pages):
    path, draws = pages(True)
    browser.open(path)
    planned = ask(leaderboard, PLAN, seen_of(leaderboard)).planned
    benchmarks = leaderboard.design.coords["benchmark"]
    for objective in make_objectives(leaderboard, leaderboard.spec.skills, benchmarks):
        assert_same_optimum(browser, draws, objective, planned.iloc[[1]], 1e24, 2e12)


def assert_same_optimum(
    browser: Any,
    draws: FamilyDraws,
    objective: Objective,
    model: pd.DataFrame,
    budget: float,
    served: float,
) -> None:
    """Best size, what is said of it, and what another size loses; a cell of the grid is 8 %."""
    deployment, fitted = Deployment(serve_tokens=served), draws.production(model)
    path = deployment.path(budget)
    best = best_on_path(fitted, objective, path)
    prior = best_on_path(fitted._replace(slope=draws.prior_slope), objective, path)
    python = describe_choice(best, prior, Goal.interval)
    sizes = np.append(path.n_params, 2e10)
    score = expected_score(fitted, objective, sizes, np.asarray(deployment.tokens(sizes, budget)))
    lost = 100 * (score.max(axis=1) - score[:, -1])
    (row,) = model.itertuples()
    (at,) = objective.weights
    page = browser.run(
        LAW
        + """const [j, model, deployment] = arguments;
        const found = law.optimum(j, model, deployment);
        const { nParams, nTokens, tokensPerParam, shares, narrowing, limit, verdict } = found;
        const lost = law.regret(found, 2e10);
        return { nParams, nTokens, tokensPerParam, shares, narrowing, limit, verdict, lost };""",
        at,
        {"releaseYear": float(row.release_year), "isInstruct": int(row.tuning == "instruct")},
        {"flops": budget, "serveTokens": served},
    )
    for name, key in (
        ("n_params", "nParams"),
        ("n_tokens", "nTokens"),
        ("tokens_per_param", "tokensPerParam"),
    ):
        ends = [python[name], python[f"{name}_lower"], python[f"{name}_upper"]]
        found = [np.nan if value is None else value for value in page[key]]
        np.testing.assert_allclose(found, ends, rtol=0.2, err_msg=f"{objective.name} {name}")
    for limit, share in page["shares"].items():
        assert share == pytest.approx((best.limit == Limit[limit.upper()]).mean(), abs=0.011)
    assert page["narrowing"] == pytest.approx(python["narrowing"], abs=0.03)
    assert (page["verdict"], page["limit"]) == (python["verdict"], python["limit"])
    ends = np.quantile(lost, [0.1, 0.9], method="lower")
    np.testing.assert_allclose(100 * np.array(page["lost"]), [lost.mean(), *ends], atol=0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_has_nothing_against_it(browser, pages, dark):
    browser.open(pages(True)[0], dark=dark)
    assert browser.violations() == []
    assert browser.errors() == []
    browser.resize(390, 844)
    assert browser.overflow() == 0
    assert browser.violations() == []


def control(browser: Any, name: str) -> Any:
    return browser.driver.find_element("css selector", f'[data-name="{name}"]')


def shown(browser: Any, *names: str) -> list[str]:
    return [control(browser, name).text for name in names]


FORECAST = ("forecast",)
ANSWERS = ("answer", "best-size-interval", "best-tokens", "at-size", "lost-interval")


def test_every_control_moves_what_it_should(browser, pages):
    browser.open(pages(True)[0])
    assert shown(browser, "size-value", "tokens-value", "release-value", "budget-value") == [
        "70.6B",
        "15T",
        "2024-09",
        "1e24 FLOP",
    ]
    for name in ("size", "tokens", "release", "budget", "served"):
        before = (
            shown(browser, f"{name}-value"),
            shown(browser, *FORECAST),
            shown(browser, *ANSWERS),
        )
        control(browser, name).send_keys(*[Keys.ARROW_RIGHT] * 4)
        after = shown(browser, f"{name}-value"), shown(browser, *FORECAST), shown(browser, *ANSWERS)
        is_model = name in ("size", "tokens", "release")
        assert after[0] != before[0], name
        assert (after[1] != before[1]) == is_model, name
        if name != "release":  # which moves levels, and best sizes not at all
            assert (after[2] == before[2]) == (name == "tokens"), name
        text = control(browser, name).get_attribute("aria-valuetext")
        assert [text] == shown(browser, f"{name}-value")
    before = shown(browser, *FORECAST)
    control(browser, "instruct").click()
    assert shown(browser, *FORECAST) != before
    for name in ("reasoning", "commonsense", "instruction_following", "mmlu", "arc_challenge"):
        control(browser, "objective").send_keys(Keys.ARROW_DOWN)
        assert shown(browser, "answer")[0].startswith(f"{name} at ")
    assert browser.errors() == []


def test_what_is_shown_is_what_is_computed(browser, leaderboard, pages):
    path, draws = pages(True)
    browser.open(path)
    planned = ask(leaderboard, PLAN, seen_of(leaderboard)).planned
    for position, name in enumerate(PLAN["model"]):
        browser.driver.find_element("xpath", f"//button[text()='{name}']").click()
        _, quantiles = predicted(draws, planned.iloc[[position]])
        rows = control(browser, "forecast").find_elements("tag name", "tr")
        for row, benchmark, (median, lower, upper, *_) in zip(
            rows, leaderboard.design.coords["benchmark"], 100 * quantiles[..., 0].T, strict=True
        ):
            first, *cells = row.find_elements("css selector", "th, td")
            assert first.text == benchmark
            found = [float(end) for end in (cells[1].text, *cells[3].text.split(" to "))]
            np.testing.assert_allclose(found, [median, lower, upper], atol=0.051)
    control(browser, "budget-action").click()
    assert shown(browser, "budget-value") == ["3.78e24 FLOP"]
    assert "Lost at 70B" in shown(browser, "at-size")[0]


def test_a_budget_that_leaves_no_tokens_says_so(browser, pages):
    browser.open(pages(True)[0])
    control(browser, "served").send_keys(Keys.END)
    control(browser, "budget").send_keys(Keys.HOME)
    said = "the budget leaves no size searched between 10B and 100T tokens."
    assert shown(browser, "answer")[0].endswith(said)
    assert not control(browser, "facts").is_displayed()
    control(browser, "budget").send_keys(Keys.END)
    assert control(browser, "facts").is_displayed()
    assert browser.errors() == []


def test_models_beyond_the_data_are_told(browser, pages):
    browser.open(pages(True)[0])
    assert shown(browser, "outside") == [""]
    control(browser, "size").send_keys(Keys.END)
    assert "1T parameters, 5.6 times the largest of the fit (180B)" in shown(browser, "outside")[0]
    control(browser, "release").send_keys(Keys.END)
    assert "a release 36 months after the last model" in shown(browser, "outside")[0]


def test_names_end_no_script_and_add_no_element(browser, table, page_of):
    name = """</script><b id="bad">&"'<!--"""
    small = fit(table, SPEC, method=AroundThePrior())
    seen = SEEN.assign(family=name, model=[f"{name}{i}" for i in range(2)])
    plan = PLAN.assign(family=name, model=[name, "other"])
    browser.open(page_of(small, seen, plan))
    assert browser.errors() == []
    assert browser.run("return document.querySelector('#bad')") is None
    assert browser.driver.find_element("tag name", "h2").text == f"Explorer: {name}"
    assert name in browser.driver.find_element("tag name", "caption").text
    assert re.search(r" \d+\.\d to \d+\.\d", shown(browser, "forecast")[0])


def test_what_is_sent_is_small_and_the_same_for_the_same_seed(table):
    small = fit(table, SPEC, method=AroundThePrior())
    assert explorer_fragment(small, seed=1) == explorer_fragment(small, seed=1)
    assert explorer_fragment(small, seed=1) != explorer_fragment(small, seed=2)
    assert len(explorer_fragment(shipped_fit(), plan=PLAN)) < 1.5e6


def test_sliders_hold_the_numbers_they_start_at(leaderboard):
    planned = ask(leaderboard, PLAN.assign(release="2029-01")).planned
    none = leaderboard.models.join(leaderboard.table.wide()).iloc[:0]
    found = controls(leaderboard, planned, none, 1.234e24, 7.77e12)
    at = found["start"]
    assert format_count(found["sizes"][at["size"]]) == "70.6B"
    assert found["tokens"][at["tokens"]] == 15e12
    assert found["releases"][at["release"]] == found["releases"][-1] == "2029-01"
    assert (found["budgets"][at["budget"]], found["served"][at["served"]]) == (1.234e24, 7.77e12)
    for ladder in ("sizes", "tokens", "budgets", "served"):
        assert (np.diff(found[ladder]) > 0).all()
