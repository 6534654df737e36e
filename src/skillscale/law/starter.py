"""A specification to start from: every key with its value and its meaning, as TOML."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import textwrap
from typing import Any

import pandas as pd

from skillscale.data.table import Table
from skillscale.errors import SpecError
from skillscale.law.benchmarks import chosen_benchmarks
from skillscale.law.evidence import SlopeEvidence
from skillscale.law.spec import Priors, Spec

WIDTH = 98
STAND_INS = {
    "knowledge": ("mmlu_pro",),
    "reasoning": ("math_lvl_5_rescored", "math_lvl_5"),
    "commonsense": ("winogrande", "arc_challenge"),
}
"""What reads a declared skill most where its anchor has no scores: tables have one leaderboard."""
N_SKILLS = 3
"""Skills of a table that has none of the declared anchors, at most."""
LEAST_SHARE = 0.5
"""Share of models that have a score on what anchors a skill of theirs."""
TOO_ALIKE = 0.97
"""Rank correlation of two benchmarks that hardly tell two skills apart."""


def starter(table: Table) -> Spec:
    """The declared specification, with anchors that a table has.

    Args:
        table: models, scores and benchmarks.

    Returns:
        The declared skills whose anchors have scores, or what stands in for them has of many
        models. Where none has, a skill for each of up to three benchmarks which many models have
        and which are least alike, named after it.

    Raises:
        SpecError: no benchmark has scores of half of the models.

    Example:
        >>> from skillscale.data.table import load_table
        >>> starter(load_table("classic")) == Spec()
        True
        >>> starter(load_table("classic").select(benchmarks=["bbh", "musr", "gpqa"])).anchors
        ('bbh', 'musr', 'gpqa')
    """
    declared = Spec()
    wide = table.wide()[chosen_benchmarks(table, declared)]
    share = wide.notna().mean()
    kept = []
    for skill, anchor in zip(declared.skills, declared.anchors, strict=True):
        readers = [anchor] if share.get(anchor, 0.0) > 0 else []
        readers += [n for n in STAND_INS.get(skill, ()) if share.get(n, 0.0) >= LEAST_SHARE]
        kept += [(skill, reader) for reader in readers[:1]]
    if not kept:
        kept = [(f"{name}_skill", name) for name in _least_alike(wide)]
    skills, anchors = zip(*kept, strict=True)
    return dataclasses.replace(declared, skills=skills, anchors=anchors)


def _least_alike(wide: pd.DataFrame) -> list[str]:
    """Benchmarks that could anchor skills: the most evaluated one, and others unlike it."""
    wide = wide[wide.notna().any(axis=1)] if wide.size else wide
    share = wide.notna().mean()
    many = share[share >= LEAST_SHARE].sort_values(ascending=False, kind="stable")
    if many.empty:
        raise SpecError("no benchmark has scores of half of the models: none can anchor a skill.")
    alike = wide[many.index].corr(method="spearman", min_periods=5).abs().fillna(1.0)
    found = [str(many.index[0])]
    while len(found) < N_SKILLS:
        nearest = alike[found].max(axis=1).drop(found)
        if nearest.empty or nearest.min() > TOO_ALIKE:
            break
        found.append(str(nearest.idxmin()))
    return found


def spec_toml(spec: Spec) -> str:
    """A specification as TOML, each key under a comment that says what it is.

    Args:
        spec: the specification.

    Returns:
        Text that `Spec.read` understands; how evidence is written stands in comments at its end.

    Example:
        >>> spec_toml(Spec()).splitlines()[:2]
        ['# names of the latent skills.',
         'skills = ["knowledge", "reasoning", "commonsense", "instruction_following"]']
    """
    values = spec.to_dict()
    meaning = meanings(Spec)
    lines = []
    for name in (name for name in values if name not in ("priors", "evidence")):
        lines += [*_comment(meaning[name]), f"{name} = {_toml(values[name])}", ""]
    lines += [*_comment(inspect.cleandoc(Priors.__doc__ or "").split("\n\n")[0]), "[priors]"]
    meaning = meanings(Priors)
    for name, value in values["priors"].items():
        lines += [*_comment(meaning[name]), f"{name} = {_toml(value)}"]
    lines += ["", *_comment(meanings(Spec)["evidence"])]
    lines += _comment("Every [[evidence]] has the keys:")
    lines += [f"#   {name}: {what}" for name, what in meanings(SlopeEvidence).items()]
    return "\n".join([*lines, "", evidence_toml(spec.evidence)])


def evidence_toml(evidence: tuple[SlopeEvidence, ...]) -> str:
    """Evidence as a part of a specification.

    Args:
        evidence: result of `slope_evidence`.

    Returns:
        TOML, a table ``[[evidence]]`` per skill.

    Example:
        >>> print(evidence_toml((SlopeEvidence("coding", 1.6, 0.6, 0.95, 0.25),)))
        [[evidence]]
        skill = "coding"
        log_params = 1.6
        log_params_sd = 0.6
        sharpness = 0.95
        sharpness_sd = 0.25
        <BLANKLINE>
    """
    lines = []
    for known in evidence:
        lines.append("[[evidence]]")
        for name, value in dataclasses.asdict(known).items():
            lines.append(f'{name} = "{value}"' if name == "skill" else f"{name} = {value:.6g}")
        lines.append("")
    return "\n".join(lines)


def meanings(described: type) -> dict[str, str]:
    """What the attributes of a class are, as its docstring says it.

    Args:
        described: a class whose docstring has a section of attributes.

    Returns:
        Sentences by attribute, in its order.

    Example:
        >>> meanings(SlopeEvidence)["sharpness"]
        'sum of the exponents of size and tokens, alpha + beta.'
    """
    text = inspect.cleandoc(described.__doc__ or "")
    section = re.search(r"^Attributes:\n((?:    .*\n|\n(?=    ))+)", text + "\n", re.MULTILINE)
    assert section is not None, described
    entries = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", section[1], re.MULTILINE)
    return {name: re.sub(r"\s+", " ", meaning).replace("`", "") for name, meaning in entries}


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH)]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(part)}" for name, part in value.items()) + " }"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return json.dumps(list(value) if isinstance(value, tuple) else value)
