"""What controlled runs say of a leaderboard's skills."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from skillscale.errors import RunsError
from skillscale.law.spec import Spec
from skillscale.law.starter import evidence_toml
from skillscale.runs.as_evidence import (
    EXPONENT_DRIFT,
    SHARPNESS_DRIFT,
    slope_evidence,
)
from skillscale.runs.estimation import isoflop
from skillscale.runs.sampling import ManyNuts
from skillscale.runs.table import Runs

BUDGETS = np.geomspace(1e18, 1e20, 5)
ALPHA, BETA = 0.42, 0.38
SPEC = Spec(skills=("coding", "chat"), anchors=("a", "b"))


@pytest.fixture(scope="module")
def found():
    """Three recipes whose best sizes differ by a fifth about that of one surface."""
    rng = np.random.default_rng(3)
    frames, losses = [], []
    for group, factor in (("one", 0.8), ("two", 1.0), ("three", 1.25)):
        budget = np.repeat(BUDGETS, 7)
        n_params = np.sqrt(budget / 120) * np.tile(np.geomspace(0.3, 3, 7), len(BUDGETS))
        n_tokens = budget / 6 / n_params
        # A factor c of the best size is one of c to the power alpha + beta between the terms.
        by_size = 0.5 * factor ** (ALPHA + BETA) * (n_params / 3e8) ** -ALPHA
        loss = 1.7 + by_size + 0.5 * (n_tokens / 6e9) ** -BETA
        frames.append(
            pd.DataFrame(
                {"group": group, "n_params": n_params, "n_tokens": n_tokens, "flops": budget}
            )
        )
        losses.append(loss * np.exp(0.002 * rng.standard_normal(len(loss))))
    runs = pd.concat(frames, ignore_index=True)
    return isoflop(
        Runs(runs, pd.DataFrame({"coding": np.concatenate(losses)})),
        method=ManyNuts(warmup=150, draws=150),
    )


@pytest.mark.slow
def test_evidence_is_the_extrapolated_optimum_and_sharpness_of_the_surfaces(found):
    (known,) = slope_evidence(found, SPEC)
    pairs = SPEC.reference_params * SPEC.reference_tokens / (3e8 * 6e9)
    truth = 3e8 * (ALPHA / BETA * pairs**BETA) ** (1 / (ALPHA + BETA))
    assert known.skill == "coding"
    assert abs(known.log_params - math.log(truth / SPEC.reference_params)) < known.log_params_sd
    assert abs(known.sharpness - (ALPHA + BETA)) < known.sharpness_sd


@pytest.mark.slow
def test_its_scales_hold_what_recipes_differ_by_and_what_extrapolation_adds(found):
    beyond = math.log(6 * SPEC.reference_params * SPEC.reference_tokens / BUDGETS[-1])
    (known,) = slope_evidence(found, SPEC)
    spread = np.std(np.log([0.8, 1.0, 1.25]))
    assert known.log_params_sd > math.hypot(spread, EXPONENT_DRIFT * beyond)
    assert known.sharpness_sd > SHARPNESS_DRIFT
    near = replace(SPEC, reference_params=6e8, reference_tokens=1e10)
    (at_runs,) = slope_evidence(found, near)
    assert at_runs.log_params_sd < known.log_params_sd / 1.5


def test_evidence_reads_back_as_part_of_a_specification(skilled, tmp_path):
    path = tmp_path / "evidence.toml"
    evidence = slope_evidence(skilled, replace(SPEC, skills=("code", "chat")))
    path.write_text('skills = ["code", "chat"]\nanchors = ["a", "b"]\n' + evidence_toml(evidence))
    (read,) = Spec.read(path).evidence
    assert read.log_params == pytest.approx(evidence[0].log_params, rel=1e-5)


def test_runs_of_other_skills_say_nothing(skilled):
    with pytest.raises(RunsError, match="code"):
        slope_evidence(skilled, replace(SPEC, skills=("art", "chat")))
