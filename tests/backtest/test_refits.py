"""A fold's posterior is that of a table which never had the models it hides."""

from __future__ import annotations

import numpy as np
import pytest

from skillscale import fit, load_table
from skillscale.backtest.refits import Refits
from small import BACKTEST_BENCHMARKS, BACKTEST_FAMILIES, SPEC, SVI, by_name

LATE = ("meta-llama-3", "meta-llama-3-instruct", "qwen1.5")
"""Better than the others: of these the law expects more than of all."""


@pytest.mark.long
def test_a_fold_is_fitted_as_the_rest_of_the_table_is():
    table = load_table("classic").select(benchmarks=BACKTEST_BENCHMARKS, families=BACKTEST_FAMILIES)
    hidden = table.models.index[table.models["family"].isin(LATE)]
    of_fold = by_name(Refits(table, SPEC, SVI).without(hidden))
    of_rest = by_name(fit(table.without_models(list(hidden)), SPEC, method=SVI))
    assert of_fold.keys() == of_rest.keys()
    for name, draws in of_rest.items():
        if draws[0].size:
            difference = np.abs(of_fold[name].mean(axis=0) - draws.mean(axis=0))
            apart = difference / np.maximum(draws.std(axis=0), 1e-9)  # anchors don't vary
            assert apart.max() < 0.5, name
            assert apart.mean() < 0.3, name
