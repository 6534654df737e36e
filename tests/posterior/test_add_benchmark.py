"""Benchmarks added to a fit: exact given the law, honest with few scores, one like any other."""

from __future__ import annotations

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from numpyro.infer import MCMC, NUTS
from typer.testing import CliRunner

import skillscale as sk
from skillscale import load_table
from skillscale.cli.app import app, main
from skillscale.data.new_scores import check_new_scores, read_benchmarks
from skillscale.errors import TableError, UnknownNameError
from skillscale.law.sites import OF_BENCHMARKS
from skillscale.posterior.add_benchmark import (
    Drawn,
    Shown,
    add_benchmark,
    distribution,
    learn_prior,
    log_likelihood,
)
from skillscale.posterior.annealing import draw_each
from skillscale.skills.benchmark import benchmark_rows

N_ITEMS = 164


@pytest.fixture(scope="module")
def humaneval(table) -> pd.DataFrame:
    """HumanEval of the models of the shared fits."""
    scores = load_table("classic").wide()["humaneval"].reindex(table.models.index)
    return scores.dropna().reset_index()


@pytest.fixture(scope="module")
def extended(sampled, humaneval):
    return add_benchmark(sampled, humaneval, n_items=N_ITEMS, seed=5)


@pytest.fixture(scope="module")
def ten(sampled, table):
    """What the draws of the shared fit say of ten models."""
    rows = np.arange(0, 30, 3)
    draws = sampled.draws(1000)
    family = pd.factorize(table.models["family"].iloc[rows])[0]
    drawn = Drawn(draws.fitted.skill[:, rows], draws.law.noise.tail)
    return drawn, jax.nn.one_hot(family, len(rows))


def shown(score, in_family) -> Shown:
    return Shown(jnp.array(False), score, in_family, jnp.zeros(1), jnp.full(1, float(N_ITEMS)))


@pytest.mark.slow
def test_given_simulated_scores_parameters_are_drawn_as_from_the_prior(sampled, ten):
    """From the prior to scores and back to parameters: the prior again."""
    drawn, in_family = ten
    prior = learn_prior(sampled)
    n = len(drawn.tail)
    truth = prior.mean + prior.sd * np.random.default_rng(0).standard_normal((n, len(prior.sd)))

    def simulate(flat, drawn, key):
        empty = shown(jnp.zeros((1, in_family.shape[0])), in_family)
        return distribution(flat, drawn, empty).sample(key)

    keys = jax.random.split(jax.random.key(1), n)
    score = jax.jit(jax.vmap(simulate))(jnp.asarray(truth, jnp.float32), drawn, keys)

    def of_own_score(flat, datum, in_family):
        drawn, score = datum
        return log_likelihood(flat, drawn, shown(score, in_family))

    found = draw_each(of_own_score, (drawn, score), in_family, prior, np.random.default_rng(2))
    assert_allclose((found - prior.mean).mean(axis=0) / prior.sd, 0, atol=4 / np.sqrt(n))
    assert_allclose(found.std(axis=0) / prior.sd, 1, atol=4 / np.sqrt(2 * n))
    intercept = sampled.tree.posterior.sizes["skill"]
    assert np.corrcoef(found[:, intercept], truth[:, intercept])[0, 1] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_draws_agree_with_a_long_run_of_nuts_for_a_single_draw_of_the_law(sampled, ten, share):
    drawn, in_family = ten
    n = len(drawn.tail)
    score = np.random.default_rng(3).uniform(0.05, 0.4, (1, in_family.shape[0]))
    data = shown(jnp.asarray(score, jnp.float32), in_family)
    prior = learn_prior(sampled)
    mean, sd = (jnp.asarray(part, jnp.float32) for part in prior)
    one = jax.tree.map(lambda a: a[int(share * n)], drawn)

    def energy(z):
        return 0.5 * z @ z - log_likelihood(mean + sd * z, one, data)

    mcmc = MCMC(NUTS(potential_fn=energy), num_warmup=500, num_samples=4000, progress_bar=False)
    mcmc.run(jax.random.key(0), init_params=jnp.zeros(len(mean)))
    exact = np.asarray(mean + sd * mcmc.get_samples(), np.float64)
    same = jax.tree.map(lambda a: jnp.repeat(a[None], n, axis=0), one)
    found = draw_each(log_likelihood, same, data, prior, np.random.default_rng(4))
    # The Monte Carlo error of a thousand draws, and of the run's own.
    assert_allclose(found.mean(axis=0), exact.mean(axis=0), atol=0.15 * exact.std(axis=0).max())
    assert_allclose(found.std(axis=0) / exact.std(axis=0), 1, atol=0.15)


@pytest.mark.slow
def test_a_benchmark_is_recovered_from_all_models_but_not_from_five(sampled):
    """BBH under another name, from the skills that mmlu and gsm8k give: it reads them as BBH."""
    bbh = sampled.table.wide()["bbh"].dropna().rename("copy").reset_index()
    described = {"n_items": 5761, "chance": 0.2885}
    copy = add_benchmark(sampled, bbh, **described, seed=1)
    mean = copy.expected_scores().mean(axis=0)
    is_seen = np.isin(copy.design.coords["model"], bbh["model"])
    original, added = (
        np.asarray(mean)[copy.design.coords["benchmark"].index(n)][is_seen] for n in ("bbh", "copy")
    )
    assert_allclose(added, original, atol=0.03)
    few = add_benchmark(sampled, bbh.iloc[::4][:5], **described, seed=1)
    widths = [
        [row["upper_80"] - row["lower_80"] for row in benchmark_rows(fit, "copy")]
        for fit in (copy, few)
    ]
    assert np.mean(np.less(*widths)) > 0.5


@pytest.mark.slow
def test_forecasts_of_simulated_scores_are_calibrated(approximate):
    """Benchmarks from the prior, shown on ten models, forecast for the others."""
    design, rng = approximate.design, np.random.default_rng(7)
    models = np.array(design.coords["model"])
    draws = approximate.draws()
    law = draws.law
    prior = learn_prior(approximate)
    inside = []
    for replicate in range(12):
        at = rng.integers(len(law.noise.tail))
        flat = jnp.asarray(prior.mean + prior.sd * rng.standard_normal(len(prior.sd)), jnp.float32)
        drawn = Drawn(draws.fitted.skill[at], law.noise.tail[at])
        nothing = jnp.zeros((1, len(models)))
        scores = distribution(flat, drawn, shown(nothing, design.observations.in_family))
        truth = np.clip(scores.sample(jax.random.key(replicate))[0], 0, 1)
        is_shown = np.isin(np.arange(len(models)), rng.permutation(len(models))[:10])
        frame = pd.DataFrame({"model": models[is_shown], "made_up": truth[is_shown]})
        fit = add_benchmark(approximate, frame, n_items=N_ITEMS, n_draws=200, seed=replicate)
        location, scale, degrees = (np.asarray(part)[:, -1] for part in fit.given_siblings())
        draw = location + scale * rng.standard_t(degrees)
        lower, upper = np.quantile(np.clip(draw, 0, 1), [0.1, 0.9], axis=0)
        inside += list(((truth >= lower) & (truth <= upper))[~is_shown])
    assert 0.7 < np.mean(inside) < 0.92


def test_what_the_law_says_is_unchanged_and_the_table_holds_the_new_scores(
    sampled, extended, humaneval
):
    old, new = sampled.tree.posterior, extended.tree.posterior
    assert new.sizes["chain"] * new.sizes["draw"] <= 1000
    kept = old["draw"].isin(new["draw"])
    assert_allclose(new["slope"], old["slope"].isel(draw=kept))
    assert_allclose(
        new["loading"].sel(benchmark="bbh"), old["loading"].sel(benchmark="bbh").isel(draw=kept)
    )
    assert extended.design.coords["benchmark"] == [*sampled.design.coords["benchmark"], "humaneval"]
    assert new["benchmark"].to_numpy().tolist() == extended.design.coords["benchmark"]
    added = extended.table.wide()["humaneval"].dropna()
    assert added.to_dict() == humaneval.set_index("model")["humaneval"].to_dict()
    assert extended.provenance["added_benchmarks"] == ["humaneval"]


@pytest.mark.slow
def test_every_verb_answers_for_the_new_benchmark(extended, tmp_path):
    extended.save(tmp_path / "fit.nc")
    loaded = sk.Fit.load(tmp_path / "fit.nc")
    plan = pd.DataFrame({"model": ["a", "b"], "n_params": [8e9, 7e10], "n_tokens": [2e12, 2e12]})
    seen = pd.DataFrame(
        {"model": ["c"], "n_params": [1e9], "n_tokens": [2e12], "humaneval": [0.12]}
    )
    for observed in (None, seen):
        result = sk.forecast(loaded, plan, observed, refit=False).sel(benchmark="humaneval")
        assert 0 < result["median"].sel(model="a") < result["median"].sel(model="b") < 1
    best = sk.optimum(loaded, [1e23], sk.Goal(benchmarks=["humaneval"]))
    assert best["objective"].to_numpy().tolist() == ["humaneval"]
    assert sk.regret(loaded, [1e23], sk.Goal(benchmarks=["humaneval"]))["objective"].size == 1
    assert {check.name for check in sk.check(loaded)} == {
        check.name for check in sk.check(extended)
    }


def test_one_benchmark_after_another_is_as_good_as_both_in_one_frame(sampled, humaneval):
    twice = humaneval.assign(other=humaneval["humaneval"] / 2)
    with pytest.raises(TableError, match="one at a time"):
        add_benchmark(sampled, twice, n_items=N_ITEMS)
    first = add_benchmark(sampled, twice[["model", "humaneval"]], n_items=N_ITEMS, n_draws=200)
    both = add_benchmark(first, twice[["model", "other"]], n_items=50, title="Other", n_draws=200)
    assert both.design.coords["benchmark"][-2:] == ["humaneval", "other"]
    assert both.table.benchmarks.loc["other", ["title", "n_items"]].tolist() == ["Other", 50]


def test_several_benchmarks_are_added_at_once_where_a_file_describes_them(
    sampled, humaneval, tmp_path
):
    path = tmp_path / "benchmarks.csv"
    path.write_text(f"benchmark,n_items,chance\nhumaneval,{N_ITEMS},0\nother,50,0.1\n")
    twice = humaneval.assign(other=0.1 + humaneval["humaneval"] / 2)
    both = add_benchmark(sampled, twice, benchmarks=read_benchmarks(path), n_draws=200)
    assert both.design.coords["benchmark"][-2:] == ["humaneval", "other"]
    listed = both.table.benchmarks.loc["other", ["title", "n_items", "chance"]]
    assert listed.tolist() == ["other", 50, 0.1]


def test_the_same_seed_adds_the_same_benchmark(sampled, humaneval):
    one, same, other = (
        add_benchmark(sampled, humaneval, n_items=N_ITEMS, n_draws=200, seed=seed)
        for seed in (0, 0, 1)
    )
    values = [
        fit.tree.posterior["intercept"].sel(benchmark="humaneval") for fit in (one, same, other)
    ]
    assert_allclose(values[0], values[1])
    assert float(abs(values[0] - values[2]).max()) > 0.05


def test_a_fit_of_anchors_alone_has_the_loadings_of_the_specification(approximate):
    design = approximate.design
    alone = dataclasses.replace(approximate)
    alone.__dict__["design"] = dataclasses.replace(design, is_free=np.zeros_like(design.is_free))
    n_skills, given = len(design.coords["skill"]), approximate.spec.priors.loading
    prior = learn_prior(alone)
    assert_allclose(prior.mean[:n_skills], np.log(given.median))
    assert_allclose(prior.sd[:n_skills], given.sigma)
    learned = learn_prior(approximate)
    assert len(learned.sd) == n_skills + len(OF_BENCHMARKS) - 1
    assert np.abs(learned.mean[:n_skills] - prior.mean[:n_skills]).min() > 0.01


PROBLEMS = pd.DataFrame(
    {
        "model": ["llama-2-7b", "llama-2-7b", "llama-2-700b", "pythia-1b"],
        "mmlu": [0.3, 0.3, 0.3, 0.3],
        "humanevall": [0.12, 12.0, None, 0.1],
    }
)


def test_all_problems_are_listed_at_once(sampled):
    with pytest.raises(TableError) as error:
        add_benchmark(sampled, PROBLEMS, chance=1.5)
    text = str(error.value)
    for found in (
        "model repeats an earlier row",
        "model is not in this fit",
        "'llama-2-700b': nearest",
        "humanevall is outside [0, 1]",
        "'mmlu' is a benchmark of the fit already",
        "'humanevall' has 3 scores, 5 are needed",
        "the number of items of 'humanevall' is not known",
        "chance is outside [0, 1)",
    ):
        assert found in text


def test_what_the_table_lists_is_looked_up_and_can_be_overruled():
    table = load_table("classic")
    scores = table.wide()["humaneval"].dropna().reset_index()
    options = {"title": None, "chance": None, "n_items": None}
    models = list(table.models.index)
    _, listed = check_new_scores(scores, models, ["mmlu"], table.benchmarks, **options)
    assert listed.loc["humaneval", ["title", "n_items", "chance"]].tolist() == ["HumanEval", 164, 0]
    options["n_items"] = 80
    _, overruled = check_new_scores(scores, models, ["mmlu"], table.benchmarks, **options)
    assert overruled.loc["humaneval", ["title", "n_items"]].tolist() == ["HumanEval", 80]


def test_an_unknown_benchmark_has_no_rows(extended):
    with pytest.raises(UnknownNameError, match="humaneval"):
        benchmark_rows(extended, "humanevall")


def test_the_command_prints_how_the_benchmark_reads_the_skills(sampled, humaneval, tmp_path):
    sampled.save(tmp_path / "fit.nc")
    humaneval.to_csv(tmp_path / "new.csv", index=False)
    arguments = ["add-benchmark", tmp_path / "fit.nc", "--scores", tmp_path / "new.csv"]
    arguments += ["-o", tmp_path / "out.nc", "--n-items", N_ITEMS, "--format", "json"]
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    skills = ["loading[knowledge]", "loading[reasoning]"]
    assert [row["parameter"] for row in rows] == [*skills, "intercept", "asymmetry", "noise"]
    for row in rows:
        assert list(row) == ["benchmark", "n_models", "parameter", "median", "lower_80", "upper_80"]
        assert row["n_models"] == len(humaneval)
        assert row["lower_80"] < row["median"] < row["upper_80"]
    assert sk.Fit.load(tmp_path / "out.nc").design.coords["benchmark"][-1] == "humaneval"


def test_a_wrong_file_ends_in_one_message_and_writes_nothing(
    sampled, tmp_path, monkeypatch, capsys
):
    sampled.save(tmp_path / "fit.nc")
    PROBLEMS.to_csv(tmp_path / "new.csv", index=False)
    arguments = [
        "skillscale",
        "add-benchmark",
        tmp_path / "fit.nc",
        "--scores",
        tmp_path / "new.csv",
    ]
    monkeypatch.setattr("sys.argv", [str(a) for a in [*arguments, "-o", tmp_path / "out.nc"]])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert "line 4 (llama-2-700b)" in message
    assert "Traceback" not in message
    assert not (tmp_path / "out.nc").exists()
