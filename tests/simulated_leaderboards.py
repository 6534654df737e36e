"""Simulated leaderboards: is a best size that is called identified where the truth has it?

A leaderboard has the models of the classic table with their sizes, tokens, dates and families, and
scores drawn from one draw of a posterior of one form of the law. Every form is fitted to it, and
what a stack of them says of the best size of a new family is held to what that draw has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jax
import numpy as np
import pandas as pd

import skillscale as sk
from simulated_scores import simulate
from skillscale.backtest.refits import Refits
from skillscale.law.production import Form
from skillscale.law.sites import Draws, sites_of
from skillscale.optima.deployment import Deployment, Limit
from skillscale.optima.identification import FACTOR, Identification
from skillscale.optima.objectives import make_objectives
from skillscale.optima.optimum import best_on_path
from skillscale.posterior.fit import name_draws, provenance_of
from skillscale.posterior.one_family import N_DRAWS, Production, production

BUDGET = 1e24
LEADERBOARDS = 6
"""Of every form."""
STACKED = "stack"


@cache
def _refits(form: str) -> Refits:
    return Refits(sk.load_table("classic"), sk.Spec(form=form))


@cache
def _fitted(form: str) -> sk.Fit:
    """The classic table by one form: truths are draws of it."""
    return _refits(form).without([])


def _at(production: Production, draw: int) -> Production:
    """One draw of a law."""
    link = production.link
    parts = (part if part.ndim == 1 else part[[draw]] for part in link)
    return production._replace(
        efficiency=production.efficiency[[draw]],
        slope=production.slope[[draw]],
        own_slope=production.own_slope[[draw]],
        unit=production.unit[[draw]],
        link=type(link)(*parts),
    )


def leaderboard(form: str, seed: int) -> tuple[sk.Table, Production]:
    """A table of simulated scores, and the law of a new family by which they were drawn."""
    fit = _fitted(form)
    design = fit.design
    draws = fit.draws(N_DRAWS)
    n_draws = len(draws.fitted.skill)
    draw = int(np.random.default_rng(seed).integers(n_draws))
    flat = [*draws.law.benchmarks, *draws.law.growth, *draws.law.noise, *draws.fitted]
    known = {name: part[draw] for name, part in zip(sites_of(Draws), flat, strict=True)}
    known["free_loading"] = known.pop("loading")[design.is_free.nonzero()]
    for drawn_anew in ("skill", "efficiency"):
        del known[drawn_anew]
    keys = jax.random.split(jax.random.key(seed), 1)
    score = np.clip(np.asarray(simulate(design, fit.spec, keys, **known)["score"])[0], 0, 1)
    grid = pd.DataFrame(score.T, index=design.coords["model"], columns=design.coords["benchmark"])
    scores = fit.table.scores.copy()
    kept = scores["benchmark"].isin(grid.columns)
    scores = scores[kept]
    at = grid.index.get_indexer(scores["model"]), grid.columns.get_indexer(scores["benchmark"])
    scores["score"] = grid.to_numpy(float)[at]
    table = dataclasses.replace(fit.table, scores=scores.reset_index(drop=True))
    return table, _at(production(fit, seed=seed), draw)


def refitted(table: sk.Table, form: str) -> sk.Fit:
    """A form fitted to a simulated leaderboard, by the short method of back-tests."""
    refits = _refits(form)
    observations = sk.Fit(None, table, refits.spec, {}).design.observations
    key = jax.random.key(refits.seed + 1)
    chains = refits.method.run(refits.potential, observations, key, lambda *_: None)
    tree = name_draws(chains, refits.potential, refits.design, refits.seed)
    return sk.Fit(tree, table, refits.spec, provenance_of(refits.method, refits.seed, table))


def parts() -> list[str]:
    """A leaderboard each."""
    return [f"{form}: {i:02d}" for form in Form for i in range(LEADERBOARDS)]


def part(name: str) -> dict[str, Any]:
    """What every form alone and all together say of one leaderboard, beside the truth."""
    form, seed = name.split(": ")
    table, law = leaderboard(form, int(seed))
    fits = [refitted(table, of.value) for of in Form]
    stacked = sk.stack(fits)
    asked = {STACKED: stacked} | dict(stacked.fits)
    path, objectives = Deployment().path(BUDGET), make_objectives(stacked.fit)
    truths = {one.name: best_on_path(law, one, path) for one in objectives}
    rows = []
    for by, fitted in asked.items():
        best = sk.optimum(fitted, [BUDGET]).isel(flops=0)
        for skill, truth in truths.items():
            said = best.sel(objective=skill)
            rows.append(
                {
                    "by": by,
                    "skill": skill,
                    "verdict": str(said["verdict"].item()),
                    **{
                        name: float(said[name])
                        for name in ("n_params", "n_params_lower", "n_params_upper")
                    },
                    "truth": float(truth.n_params[0]),
                    "has_optimum": bool(truth.limit[0] == Limit.NONE),
                }
            )
    return {
        "form": form,
        "rows": rows,
        "weights": stacked.weights,
        "open_forms": stacked.open_forms,
    }


def rates(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By the form of the truth: coverage and verdicts of the stack and of every form alone."""
    answer: dict[str, Any] = {}
    for form in dict.fromkeys(result["form"] for result in results):
        some = [result for result in results if result["form"] == form]
        frame = pd.DataFrame([row for result in some for row in result["rows"]])
        answer[form] = {
            "leaderboards": len(some),
            "true_form_open": float(np.mean([form in result["open_forms"] for result in some])),
            "by": {by: _rates(own) for by, own in frame.groupby("by", sort=False)},
        }
    return answer


def _rates(rows: pd.DataFrame) -> dict[str, float]:
    """How often an interval holds the truth, and how often "identified" is false.

    It is false where the truth has no optimum or one outside the interval, of which an interval of
    80 % allows a fifth; and it misleads where the optimum is not within a factor of four of the
    median, which is what the word promises.
    """
    holds = rows["truth"].between(rows["n_params_lower"], rows["n_params_upper"])
    said = rows["verdict"] == str(Identification.IDENTIFIED)
    off = np.abs(np.log(rows["truth"] / rows["n_params"])) > np.log(FACTOR)
    return {
        "coverage": round(float(holds.mean()), 3),
        "identified": round(float(said.mean()), 3),
        "false": round(float((said & ~(holds & rows["has_optimum"])).mean()), 3),
        "misleading": round(float((said & (off | ~rows["has_optimum"])).mean()), 3),
    }


def holds(answer: Mapping[str, Any]) -> None:
    """Of stacks: eight in ten intervals hold the truth, one verdict in ten is false at most."""
    for form, found in answer.items():
        of_stack = found["by"][STACKED]
        n = found["leaderboards"]  # the skills of one share their form and their families
        assert of_stack["coverage"] > 0.75 - 2 * np.sqrt(0.8 * 0.2 / n), (form, of_stack)
        assert of_stack["false"] < 0.1 + 2 * np.sqrt(0.1 * 0.9 / n), (form, of_stack)
