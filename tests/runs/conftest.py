"""Runs from the text of a file."""

from __future__ import annotations

import pytest

from skillscale.runs.table import load_runs


@pytest.fixture
def runs_of(tmp_path):
    def load(text: str, **options):
        path = tmp_path / "runs.csv"
        path.write_text(text, encoding="utf-8")
        return load_runs(path, **options)

    return load
