"""The table every fit starts from: models, benchmarks and the scores observed between them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from skillscale.data.cells import read_cells
from skillscale.data.direction import falling, told
from skillscale.data.frames import benchmark_frame, model_frame, score_frame
from skillscale.data.problems import find_problems
from skillscale.data.shipped import ALL, chosen, directory_of, shipped_directory
from skillscale.errors import TableError, known_names

FILES = ("models.csv", "scores.csv", "benchmarks.csv")


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Scores of models on benchmarks, with what is known of both.

    Attributes:
        models: one row per model, indexed by ``model``: ``family``, ``lineage``, ``tuning``
            (``base`` or ``instruct``), ``recipe`` (``trained`` from scratch unless said otherwise),
            ``n_params``, ``n_active_params`` and ``n_tokens`` (counts; NaN tokens are not
            published), ``release`` (``YYYY-MM``), ``release_year`` (the middle of that month as a
            decimal year), ``developer``, ``hub_name`` (on Hugging Face), ``source``.
        scores: one row per observed score: ``model``, ``benchmark``, ``score`` (a fraction),
            ``source``. A benchmark that a model was not evaluated on has no row.
        benchmarks: one row per benchmark, indexed by ``benchmark``: ``title``, ``leaderboard``,
            ``n_items`` (questions), ``chance`` (the score of guessing), ``metric``, ``source``.

    Example:
        >>> table = load_table("classic")
        >>> table
        Table(188 models of 68 families, 15 benchmarks, 1918 scores)
        >>> table.select(benchmarks=["mmlu", "gsm8k"], models=["llama-2-7b", "yi-6b"]).wide()
        benchmark     mmlu   gsm8k
        model
        llama-2-7b  0.4380  0.1448
        yi-6b       0.6411  0.1213
    """

    models: pd.DataFrame
    scores: pd.DataFrame
    benchmarks: pd.DataFrame

    def __repr__(self) -> str:
        return (
            f"Table({len(self.models)} models of {self.models['family'].nunique()} families, "
            f"{len(self.benchmarks)} benchmarks, {len(self.scores)} scores)"
        )

    def select(
        self,
        *,
        benchmarks: Iterable[str] | None = None,
        families: Iterable[str] | None = None,
        models: Iterable[str] | None = None,
    ) -> Table:
        """Keep some benchmarks, families and models, and of the models those left with a score.

        Args:
            benchmarks: names to keep; all of them by default.
            families: names to keep; all of them by default.
            models: names to keep; all of them by default.

        Returns:
            The smaller table, in the order of this one. Benchmarks stay where no score is left.

        Raises:
            UnknownNameError: a name is not in this table.

        Example:
            >>> load_table("classic").select(benchmarks=["eq_bench_v2"])
            Table(15 models of 6 families, 1 benchmarks, 15 scores)
            >>> load_table("classic").select(benchmarks=["mmlu"], families=["llama", "llama-2"])
            Table(7 models of 2 families, 1 benchmarks, 7 scores)
        """
        of_model = self.models["family"]
        kept_benchmarks = known_names("benchmark", benchmarks, self.benchmarks.index, "this table")
        kept_families = known_names("family", families, pd.Index(of_model.unique()), "this table")
        kept_models = of_model.loc[known_names("model", models, self.models.index, "this table")]
        kept_models = kept_models[kept_models.isin(kept_families)]
        scores = self.scores[
            self.scores["benchmark"].isin(kept_benchmarks)
            & self.scores["model"].isin(kept_models.index)
        ]
        return Table(
            models=self.models[self.models.index.isin(scores["model"])],
            scores=scores.reset_index(drop=True),
            benchmarks=self.benchmarks[self.benchmarks.index.isin(kept_benchmarks)],
        )

    def without_models(self, names: Iterable[str]) -> Table:
        """Leave out models and their scores.

        Args:
            names: models to leave out.

        Returns:
            The table without them, with all of its benchmarks.

        Raises:
            UnknownNameError: a name is not in this table.

        Example:
            >>> load_table("classic").without_models(["gpt2", "gpt2-large"])
            Table(186 models of 66 families, 15 benchmarks, ... scores)
        """
        left_out = known_names("model", names, self.models.index, "this table")
        return Table(
            models=self.models[~self.models.index.isin(left_out)],
            scores=self.scores[~self.scores["model"].isin(left_out)].reset_index(drop=True),
            benchmarks=self.benchmarks,
        )

    def without_lineages(self, names: Iterable[str]) -> Table:
        """Leave out every model that descends from some base families, fine-tunes included.

        Args:
            names: lineages to leave out.

        Returns:
            The table without their models, with all of its benchmarks.

        Raises:
            UnknownNameError: a name is no lineage of this table.

        Example:
            >>> load_table("classic").without_lineages(["gpt-2"])
            Table(186 models of 66 families, 15 benchmarks, ... scores)
        """
        lineages = self.models["lineage"]
        left_out = known_names("lineage", names, pd.Index(lineages.unique()), "this table")
        return self.without_models(self.models.index[lineages.isin(left_out)])

    def with_models(self, models: pd.DataFrame, scores: pd.DataFrame) -> Table:
        """Add models and their scores.

        Args:
            models: one row per model, indexed by model, with the columns of ``models``.
            scores: a frame (model, benchmark) of fractions, NaN where not evaluated.

        Returns:
            The table with the new models last. Nothing is checked: names should be new, and
            benchmarks those of this table.

        Example:
            >>> table = load_table("classic")
            >>> llama = table.select(benchmarks=["mmlu"], models=["llama-2-7b"])
            >>> rest = table.select(benchmarks=["mmlu"]).without_models(["llama-2-7b"])
            >>> rest.with_models(llama.models, llama.wide()).wide().loc["llama-2-7b", "mmlu"]
            np.float64(0.438)
        """
        # pandas' melt keeps the index as a column only under a name.
        cells = scores.rename_axis("model").reset_index()
        new = cells.melt(id_vars="model", var_name="benchmark", value_name="score").dropna()
        return Table(
            models=pd.concat([self.models, models.reindex(columns=self.models.columns)]),
            scores=pd.concat([self.scores, new], ignore_index=True),
            benchmarks=self.benchmarks,
        )

    def wide(self) -> pd.DataFrame:
        """Scores as a frame.

        Returns:
            Fractions of shape (model, benchmark), in the order of the table, NaN where not
            evaluated.

        Raises:
            ValueError: a model has several scores on a benchmark, which no checked table has.

        Example:
            >>> load_table("classic").wide().shape
            (188, 15)
        """
        # pivot refuses repeated cells, which pivot_table would average.
        wide = self.scores.pivot(index="model", columns="benchmark", values="score")  # noqa: PD010
        return wide.reindex(index=self.models.index, columns=self.benchmarks.index)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what a fit reads.

        Row order does not count, nor do titles and sources: correcting a citation leaves a saved
        fit valid.

        Returns:
            64 hex digits.

        Example:
            >>> table = load_table("classic")
            >>> table.hash == table.select().hash, table.hash == table.without_models(["gpt2"]).hash
            (True, False)
        """
        models = self.models.reset_index()
        benchmarks = self.benchmarks.reset_index()
        content = [
            _canonical(models, ["model", "family", "lineage", "tuning", "release"]),
            _canonical(models, ["model"], ["n_params", "n_active_params", "n_tokens"]),
            _canonical(self.scores, ["model", "benchmark"], ["score"]),
            _canonical(benchmarks, ["benchmark"], ["n_items", "chance"]),
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def load_table(path: str | Path | None = None) -> Table:
    """Load a table and check it.

    Args:
        path: directory with ``models.csv``, ``scores.csv`` and ``benchmarks.csv``, or the name of
            shipped data: ``all`` (the default), or ``classic``, the models up to mid 2024 on the
            benchmarks they share, which every default and every published figure rests on.

    Returns:
        The table, with ``n_active_params`` (then ``n_params``), ``lineage`` (then ``family``),
        ``recipe`` (then ``trained``) and ``title`` (then the short name) filled in where the files
        leave them open.

    Raises:
        TableError: the files hold problems; the error lists all of them.
        UnknownNameError: there are no shipped data of this name.

    Example:
        >>> load_table()
        Table(406 models of 206 families, 16 benchmarks, 3531 scores)
        >>> load_table("classic").models.loc[["gemma-2-9b"], ["n_params", "n_tokens", "release"]]
                        n_params      n_tokens  release
        model
        gemma-2-9b  9.240000e+09  8.000000e+12  2024-07
    """
    name = ALL if path is None else path
    cells, problems = _read(directory_of(name))
    if problems:
        raise TableError(problems)
    return _table(chosen(name, cells))


def validate(path: str | Path | None = None) -> list[str]:
    """List every problem of a data directory: one sentence per kind, naming file, lines and cells.

    Args:
        path: directory with ``models.csv``, ``scores.csv`` and ``benchmarks.csv``; the shipped data
            by default.

    Returns:
        Sentences; none when the directory can be loaded.

    Example:
        >>> validate()
        []
        >>> validate("no-such-directory")
        ['no-such-directory: there is no such directory. Name one that holds models.csv, ...']
    """
    return _read(shipped_directory() if path is None else Path(path))[1]


def _read(path: Path) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Read the three files as text, with the problems of all of them."""
    if not path.is_dir():
        what = "this is a file, not a directory" if path.exists() else "there is no such directory"
        return {}, [f"{path}: {what}. Name one that holds {', '.join(FILES)}."]

    from skillscale.data.schema import benchmarks_schema, models_schema, scores_schema

    cells: dict[str, pd.DataFrame] = {}
    problems: list[str] = []
    for file in FILES:
        frame, found = read_cells(path / file)
        problems += found
        if frame is not None:
            cells[file] = frame

    def names(kind: str) -> list[str] | None:
        frame = cells.get(f"{kind}s.csv", pd.DataFrame())
        return frame[kind].dropna().to_list() if kind in frame.columns else None

    known = names("model"), names("benchmark"), cells.get("benchmarks.csv")
    checks = {
        "models.csv": (models_schema(), ["model"]),
        "scores.csv": (scores_schema(*known), ["model", "benchmark"]),
        "benchmarks.csv": (benchmarks_schema(), ["benchmark"]),
    }
    for file, frame in cells.items():
        schema, key = checks[file]
        problems += find_problems(file, frame, schema, key)
    if not problems:
        table = _table(cells)
        falls = falling(table.wide(), table.models["n_active_params"])
        problems = [f"scores.csv: {told(*found)}" for found in falls.items()]
    return cells, problems


def _table(cells: dict[str, pd.DataFrame]) -> Table:
    models, scores, benchmarks = (cells[file] for file in FILES)
    models = model_frame(models).set_index("model")
    return Table(models, score_frame(scores), benchmark_frame(benchmarks))


def _canonical(frame: pd.DataFrame, text: list[str], counts: Iterable[str] = ()) -> list[list[str]]:
    columns = [frame[name].map(str) for name in text]
    columns += [frame[name].astype(float).map(float.hex) for name in counts]
    return sorted([list(row) for row in zip(*columns, strict=True)])
