"""The three files of a table, before they are written."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from skillscale.data.table import validate
from skillscale.errors import TableError
from skillscale.files import write_text
from skillscale.formatting import counted


@dataclass(frozen=True, eq=False)
class Draft:
    """Cells of a table.

    Attributes:
        models: of ``models.csv``.
        scores: of ``scores.csv``.
        benchmarks: of ``benchmarks.csv``.

    Example:
        >>> models = {"model": ["a"], "family": ["a"], "tuning": ["base"], "n_params": ["7e9"]}
        >>> models |= {"n_tokens": [None], "release": ["2025-01"]}
        >>> scores = {"model": ["a"], "benchmark": ["mmlu"], "score": ["0.5"]}
        >>> benchmarks = {"benchmark": ["mmlu"], "n_items": ["14042"], "chance": ["0.25"]}
        >>> draft = Draft(*map(pd.DataFrame, (models, scores, benchmarks)))
        >>> draft.check()
        >>> folder = Path(tempfile.mkdtemp())
        >>> draft.write(folder)
        >>> sorted(path.name for path in folder.iterdir())
        ['benchmarks.csv', 'models.csv', 'scores.csv']
    """

    models: pd.DataFrame
    scores: pd.DataFrame
    benchmarks: pd.DataFrame

    def check(self) -> None:
        """Find out whether the files will load, before one is written.

        Raises:
            TableError: they will not; the error lists all problems.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.write(Path(folder))
            problems = validate(folder)
        if problems:
            raise TableError(problems)

    def write(self, folder: Path) -> None:
        """Write the three files.

        Args:
            folder: a folder that exists; files of these names are replaced.

        Raises:
            FitFileError: a file can't be written.
        """
        files = {"models": self.models, "scores": self.scores, "benchmarks": self.benchmarks}
        for name, frame in files.items():
            write_text(folder / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))


def long_scores(wide: pd.DataFrame, source: str) -> pd.DataFrame:
    """The rows of ``scores.csv``.

    Args:
        wide: fractions by model (the index) and benchmark, NaN where not evaluated.
        source: where they are from.

    Returns:
        Text, models in their order.

    Example:
        >>> long_scores(pd.DataFrame({"mmlu": [0.5], "bbh": [None]}, index=["a"]), "dump.csv")
          model benchmark score    source
        0     a      mmlu   0.5  dump.csv
    """
    cells = wide.rename_axis(index="model", columns="benchmark").stack().dropna().reset_index()
    cells.columns = ["model", "benchmark", "score"]
    written = cells["score"].astype(float).map("{:.6g}".format)
    return cells.assign(score=written, source=source)


def describe(draft: Draft) -> str:
    """How much is in a table, in words.

    Args:
        draft: the table.

    Returns:
        Numbers of models, families, benchmarks and scores.
    """
    models = counted(len(draft.models), "model")
    families = counted(draft.models["family"].nunique(), "family", "families")
    n_tokens = int(draft.models["n_tokens"].notna().sum())
    benchmarks = counted(len(draft.benchmarks), "benchmark")
    scores = counted(len(draft.scores), "score")
    return f"{models} of {families} ({n_tokens} with tokens), {benchmarks}, {scores}"
