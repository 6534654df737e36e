"""A report of a fit, or of a forecast by it: the sections, in the order to be read."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from skillscale.forecasts.examination import silent
from skillscale.posterior.result import Fit
from skillscale.posterior.stack import Stack
from skillscale.report.blocks import Fragment, Page, Section
from skillscale.report.explorer import explorer_fragment
from skillscale.report.findings import Asked, Findings, find
from skillscale.report.panels import shortened
from skillscale.report.sections.answer import answer
from skillscale.report.sections.doubts import doubts_section
from skillscale.report.sections.evaluations import evaluations_section
from skillscale.report.sections.families import family_section
from skillscale.report.sections.fit import (
    checks_section,
    data_section,
    families_section,
    skills_section,
)
from skillscale.report.sections.forecast import LONGEST, forecast_section, variance_section
from skillscale.report.sections.influence import influence_section
from skillscale.report.sections.optima import optima_section
from skillscale.report.sections.provenance import Origin, provenance_section
from skillscale.skills.reading import read_skills

MOST_NAMED = 3
"""Planned models in a title."""


def fit_page(
    fit: Fit | Stack,
    asked: Asked | None = None,
    *,
    origin: Origin | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_note: Callable[[str], None] = silent,
) -> Page:
    """Report on a fit, and on what is forecast by it.

    Args:
        fit: a fitted law, or a stack of several forms.
        asked: what to say; the fit alone by default.
        origin: how the report comes to be made.
        on_progress: told the steps done and all steps of a fit that is repeated.
        on_note: told what is assumed, doubted, and beyond the data, a sentence each.

    Returns:
        The page, for `skillscale.report.page.render`.

    Raises:
        TableError: a frame breaks its schema, or as in `forecast`.
        SpecError: a budget or goal is not to be, as in `optimum`.
        UnknownNameError: a skill or benchmark is not in the fit.

    Example:
        See `skillscale.report`.
    """
    found = find(fit, asked or Asked(), on_progress=on_progress, on_note=on_note)
    return write_page(found, origin or Origin())


def write_page(found: Findings, origin: Origin) -> Page:
    """Write what was found as a page.

    Args:
        found: what was found.
        origin: how the report comes to be made.

    Returns:
        The page.
    """
    sections: list[Section] = []
    of_plan, law = found.of_plan, found.plain
    if of_plan is not None:
        sections += [forecast_section(found, of_plan), doubts_section(found, of_plan)]
        sections += [variance_section(of_plan), influence_section(of_plan)]
        sections.append(family_section(law, of_plan))
    if found.optimum is not None and found.regret is not None:
        sections.append(optima_section(found, found.optimum, found.regret))
    if of_plan is not None:
        sections.append(evaluations_section(of_plan))
    sections.append(_explorer(found))
    if of_plan is None:
        reading = read_skills(law)
        sections += [data_section(law), skills_section(law, reading)]
        sections.append(families_section(law, reading))
    sections += [checks_section(found.checks), provenance_section(found, origin)]
    return Page(_title(found), _subtitle(found), answer(found), sections)


def _explorer(found: Findings) -> Section:
    """The explorer, which brings its markup, style, script and data."""
    asked = found.asked
    markup = explorer_fragment(
        found.plain,
        observed=asked.observed,
        plan=asked.plan,
        flops=max(asked.flops, default=None),
        serve_tokens=asked.deployment.serve_tokens,
        seed=asked.seed,
        keep_doubted=asked.keep_doubted,
        examined=found.examined,
        level=3,
    )
    return Section("explore", "Explore", [Fragment(markup)])


def _title(found: Findings) -> str:
    if found.of_plan is None:
        return f"Skills of {len(found.plain.models)} models"
    names = [shortened(name, LONGEST) for name in found.of_plan.planned.index.unique()]
    if len(names) > MOST_NAMED:
        return f"Forecast of {len(names)} models"
    return (
        f"Forecast of {', '.join(names[:-1])} and {names[-1]}"
        if names[1:]
        else (f"Forecast of {names[0]}")
    )


def _subtitle(found: Findings) -> str:
    law = found.plain
    models: pd.DataFrame = law.models
    return (
        f"By a Bayesian skill scaling law, fitted to {len(models)} models released until "
        f"{models['release'].max()} on {len(law.design.coords['benchmark'])} benchmarks."
    )
