"""The explorer: a fragment of HTML in which one moves size, tokens and budget and reads the answer.

What it answers is computed in the page, by the law itself (``law.js``) in draws of one family (see
`draws`): no server is asked, and nothing is interpolated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files

import pandas as pd
from markupsafe import Markup

from skillscale.data.plan import NEW_FAMILY
from skillscale.forecasts.examination import Examined, examine, silent
from skillscale.forecasts.question import DESCRIBED
from skillscale.forecasts.weights import RELIABLE_PARETO_K
from skillscale.formatting import and_more
from skillscale.law.compute import SERVING_FLOPS, TRAINING_FLOPS
from skillscale.optima.goal import Goal
from skillscale.optima.mixture import stands_on
from skillscale.posterior.result import Fit
from skillscale.report.controls import controls
from skillscale.report.draws import FamilyDraws, family_draws
from skillscale.report.packed import most_draws, packed_law
from skillscale.report.page import environment

N_DRAWS = 1000
"""Draws of the law in a page: those that a forecast uses."""


def explorer_fragment(
    fit: Fit,
    observed: pd.DataFrame | None = None,
    plan: pd.DataFrame | None = None,
    flops: float | None = None,
    serve_tokens: float | None = None,
    seed: int = 0,
    *,
    keep_doubted: bool = False,
    examined: Examined | None = None,
    n_draws: int = N_DRAWS,
    level: int = 2,
    name: str = "explorer",
    on_note: Callable[[str], None] = silent,
) -> str:
    """Write the explorer of one family: forecasts, IsoFLOP curves, best sizes and regret.

    The family is that of the first planned model, else of the largest observed one, else a new one.
    Its colours are custom properties of the page, where this has them: ``--fg, --bg, --muted,
    --line, --accent, --accent-2, --panel``.

    Args:
        fit: a fitted law.
        observed: models with scores, as in `forecast`.
        plan: models to start at, as in `forecast`.
        flops: budget to start at, in FLOP.
        serve_tokens: tokens served to start at.
        seed: source of randomness.
        keep_doubted: let observed scores count that contradict the rest, as in `forecast`.
        examined: the plan and what is observed, if they were examined before.
        n_draws: at most so many draws of the law; fewer where they would be too much to send.
        level: of its heading; those inside are one lower.
        name: begins the ids of its elements; of several explorers in a page each needs its own.
        on_note: told what is assumed and doubted, a sentence each.

    Returns:
        HTML with its own style, script and data, to put anywhere in a page.

    Raises:
        TableError: a frame breaks its schema, or an observed model is in the fit already.
        ValueError: there are fewer than 25 draws to weigh by the scores.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> plan = {"model": ["nova-70b"], "family": "nova", "n_params": 70e9, "n_tokens": 15e12}
        >>> html = explorer_fragment(shipped_fit(), plan=pd.DataFrame(plan), n_draws=50)
        >>> html.startswith("<section"), "nova-70b" in html
        (True, True)
    """
    if examined is None:
        start = _start(fit, observed) if plan is None else plan
        examined = examine(
            fit, start, observed, keep_doubted=keep_doubted, seed=seed, on_note=on_note
        )
    planned = examined.question.planned
    family = planned["family"].iloc[0]
    planned = planned[planned["family"] == family]
    n_kept = min(n_draws, most_draws(fit))
    draws = family_draws(fit, planned, examined.observed, n_draws=n_kept, seed=seed)
    law = packed_law(draws)
    seen = _of_family(fit, family, examined)
    page = controls(fit, planned, seen, flops, serve_tokens)
    return (
        environment()
        .get_template("explorer.html")
        .render(
            id=name,
            level=level,
            family="a new family" if family == NEW_FAMILY else family,
            lead=_lead(draws, list(seen.index)),
            page=page,
            presets=[] if plan is None else page["planned"],
            benchmarks=law["about"]["benchmarks"],
            objectives=_objectives(fit),
            percent=f"{100 * Goal.interval:.0f} %",
            training=f"{TRAINING_FLOPS:g}",
            serving=f"{SERVING_FLOPS:g}",
            stands_on=stands_on(fit),
            style=Markup(_read("explorer.css")),
            data=_json_in_html({**law, "page": page}),
            law=Markup(_read("law.js")),
            script=Markup(_read("explorer.js")),
        )
    )


def _start(fit: Fit, observed: pd.DataFrame | None) -> pd.DataFrame:
    """A model to start at where none is planned: like the largest observed one, or typical."""
    if observed is not None and len(observed):
        largest = observed["n_params"].astype(float).idxmax()
        columns = ["n_params", "n_tokens", "n_active_params", *DESCRIBED]
        model = observed.loc[[largest], [name for name in columns if name in observed]]
    else:
        reference = {"n_params": fit.spec.reference_params, "n_tokens": fit.spec.reference_tokens}
        model = pd.DataFrame([reference])
    return model.assign(model="another model")


def _of_family(fit: Fit, family: str, examined: Examined) -> pd.DataFrame:
    """Models of the family with scores, those of the fit and those observed, by size."""
    benchmarks = fit.design.coords["benchmark"]
    known = fit.models.join(fit.table.wide())
    if examined.observed is not None:
        scores = examined.observed.set_index("model").reindex(columns=benchmarks)
        known = pd.concat([known, examined.question.observed.assign(**scores)])
    return known[known["family"] == family].sort_values("n_params")


def _lead(draws: FamilyDraws, seen: list[str]) -> str:
    """What the answers rest on."""
    n = f"{len(draws.efficiency):,} posterior draws of the law"
    if not seen:
        return f"Computed in this page from {n}. No model of the family has been observed."
    told = f"Computed in this page from {n}, conditioned on the scores of {and_more(seen)}."
    if draws.pareto_k > RELIABLE_PARETO_K:
        return f"{told} The draws hardly stretch to these scores: intervals are approximate."
    return told


def _objectives(fit: Fit) -> dict[str, list[tuple[str, int]]]:
    """What may be maximised, by kind: names, and positions of the benchmarks that read them."""
    benchmarks = fit.design.coords["benchmark"]
    skills = [] if fit.spec.exploratory else zip(fit.spec.skills, fit.spec.anchors, strict=True)
    return {
        "Skills": [(skill, benchmarks.index(anchor)) for skill, anchor in skills],
        "Benchmarks": [(benchmark, at) for at, benchmark in enumerate(benchmarks)],
    }


def _json_in_html(data: object) -> Markup:
    """Data as JSON in which no name ends the script that it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _read(name: str) -> str:
    return files("skillscale.report").joinpath(name).read_text("utf-8")
