"""The table every fit starts from: models, benchmarks and the scores observed between them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from skillscale.data.direction import falling, told
from skillscale.data.problems import find_problems, read_cells
from skillscale.data.rules import decimal_year, numbers
from skillscale.data.schema import benchmarks_schema, models_schema, scores_schema
from skillscale.errors import TableError, known_names

FILES = ("models.csv", "scores.csv", "benchmarks.csv")
MODEL_COLUMNS = (
    "family",
    "lineage",
    "tuning",
    "n_params",
    "n_active_params",
    "n_tokens",
    "release",
    "release_year",
)
BENCHMARK_COLUMNS = ("title", "leaderboard", "n_items", "chance", "metric")


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Scores of models on benchmarks, with what is known of both.

    Attributes:
        models: one row per model, indexed by ``model``: ``family``, ``lineage``, ``tuning``
            (``base`` or ``instruct``), ``n_params``, ``n_active_params`` and ``n_tokens`` (counts;
            NaN tokens are not published), ``release`` (``YYYY-MM``), ``release_year`` (the middle
            of that month as a decimal year), ``source``.
        scores: one row per observed score: ``model``, ``benchmark``, ``score`` (a fraction),
            ``source``. A benchmark that a model was not evaluated on has no row.
        benchmarks: one row per benchmark, indexed by ``benchmark``: ``title``, ``leaderboard``,
            ``n_items`` (questions), ``chance`` (the score of guessing), ``metric``, ``source``.

    Example:
        >>> table = load_table()
        >>> table
        Table(188 models of 68 families, 15 benchmarks, 1816 scores)
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
            >>> load_table().select(benchmarks=["eq_bench_v2"])
            Table(15 models of 6 families, 1 benchmarks, 15 scores)
            >>> load_table().select(benchmarks=["mmlu"], families=["llama", "llama-2"])
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
            >>> load_table().without_models(["gpt2", "gpt2-large"])
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
            >>> load_table().without_lineages(["gpt-2"])
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
            >>> table = load_table()
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
            >>> load_table().wide().shape
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
            >>> table = load_table()
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
        path: directory with ``models.csv``, ``scores.csv`` and ``benchmarks.csv``; the data shipped
            with the package by default.

    Returns:
        The table, with ``n_active_params`` (then ``n_params``), ``lineage`` (then ``family``) and
        ``title`` (then the short name) filled in where the files leave them open.

    Raises:
        TableError: the files hold problems; the error lists all of them.

    Example:
        >>> load_table().models.loc[["gemma-2-9b"], ["n_params", "n_tokens", "release"]]
                        n_params      n_tokens  release
        model
        gemma-2-9b  9.240000e+09  8.000000e+12  2024-07
    """
    cells, problems = _read(shipped_directory() if path is None else Path(path))
    if problems:
        raise TableError(problems)
    return _table(cells)


def validate(path: str | Path) -> list[str]:
    """List every problem of a data directory: one sentence per kind, naming file, lines and cells.

    Args:
        path: directory with ``models.csv``, ``scores.csv`` and ``benchmarks.csv``.

    Returns:
        Sentences; none when the directory can be loaded.

    Example:
        >>> validate("no-such-directory")
        ['no-such-directory: there is no such directory. Name one that holds models.csv, ...']
    """
    return _read(Path(path))[1]


def model_frame(cells: pd.DataFrame) -> pd.DataFrame:
    """Turn the cells of a valid description of models into typed columns, defaults filled in."""
    frame = _with_columns(cells, ("model", *MODEL_COLUMNS, "source"))
    for name in ("n_params", "n_active_params", "n_tokens"):
        frame[name] = numbers(frame[name])
    frame["n_active_params"] = frame["n_active_params"].fillna(frame["n_params"])
    frame["lineage"] = frame["lineage"].fillna(frame["family"])
    frame["release_year"] = frame["release"].map(decimal_year, na_action="ignore").astype(float)
    return _inferred(frame)


def _benchmark_frame(cells: pd.DataFrame) -> pd.DataFrame:
    frame = _with_columns(cells, ("benchmark", *BENCHMARK_COLUMNS, "source"))
    frame["n_items"] = numbers(frame["n_items"]).astype(int)
    frame["chance"] = numbers(frame["chance"])
    frame["title"] = frame["title"].fillna(frame["benchmark"])
    return _inferred(frame).set_index("benchmark")


def _score_frame(cells: pd.DataFrame) -> pd.DataFrame:
    frame = _with_columns(cells, ("model", "benchmark", "score", "source"))
    return _inferred(frame.assign(score=numbers(frame["score"])))


def _with_columns(cells: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    absent = {name: None for name in names if name not in cells.columns}
    return cells.assign(**absent)[list(names)].reset_index(drop=True)


def _inferred(frame: pd.DataFrame) -> pd.DataFrame:
    """Give text columns the dtype that this version of pandas gives to text."""
    return pd.DataFrame({name: column.to_list() for name, column in frame.items()})


def _read(path: Path) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Read the three files as text, with the problems of all of them."""
    if not path.is_dir():
        what = "this is a file, not a directory" if path.exists() else "there is no such directory"
        return {}, [f"{path}: {what}. Name one that holds {', '.join(FILES)}."]

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
    return Table(models, _score_frame(scores), _benchmark_frame(benchmarks))


def shipped_directory() -> Path:
    """Directory of the data that comes with the package."""
    packaged = Path(__file__).parents[1] / "benchmarks_data"
    # An editable install reads the repository's copy.
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "benchmarks_data"


def _canonical(frame: pd.DataFrame, text: list[str], counts: Iterable[str] = ()) -> list[list[str]]:
    columns = [frame[name].map(str) for name in text]
    columns += [frame[name].astype(float).map(float.hex) for name in counts]
    return sorted([list(row) for row in zip(*columns, strict=True)])
