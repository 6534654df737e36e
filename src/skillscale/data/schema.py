"""What a valid table holds: the columns of each file, their units and the rules they obey."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import pandera.pandas as pa

from skillscale.data.guessing import (
    NORMALISED,
    no_zeros,
    none_below_guessing,
    not_below_guessing,
)
from skillscale.data.problems import rule
from skillscale.data.rules import (
    active_fit_in_total,
    attempts,
    chance,
    counted_singly,
    fraction,
    known_name,
    loss,
    n_items,
    numeric,
    one_lineage,
    positive,
    release,
    solved_at_most_attempted,
    unique_item,
    unique_name,
    unique_run,
    unique_score,
)

TUNINGS = ("base", "instruct")
RECIPES = ("trained", "continued", "pruned", "distilled", "upscaled", "upcycled", "reasoning")
PARAMS_RANGE = (1e5, 1e14)
TOKENS_RANGE = (1e8, 1e15)
RUN_TOKENS_RANGE = (1e6, 1e15)
FLOPS_RANGE = (1e10, 1e30)


def _column(
    description: str,
    *rules: pa.Check,
    nullable: bool = False,
    required: bool = True,
) -> pa.Column:
    return pa.Column(
        checks=list(rules),
        nullable=nullable,
        required=required,
        description=description,
    )


def _optional(description: str, *rules: pa.Check) -> pa.Column:
    return _column(description, *rules, nullable=True, required=False)


def _count(
    description: str, limits: tuple[float, float], units: dict[float, str], **kwargs: bool
) -> pa.Column:
    """A column of counts, named by the first word of its description."""
    name = description.split()[0]
    rules = numeric(name, description), positive(name), counted_singly(name, limits, units)
    return _column(description, *rules, **kwargs)


def _model_columns() -> dict[str, pa.Column]:
    """Columns that describe a model, wherever it is described."""
    tuning = rule(
        "tuning is neither base nor instruct",
        lambda cells: cells.isin(TUNINGS),
        "Write base for a pretrained model, instruct for one tuned to follow instructions or chat.",
    )
    recipe = rule(
        "recipe is not known",
        lambda cells: cells.isin(RECIPES),
        f"Write one of {', '.join(RECIPES)}, or leave the cell empty for trained.",
    )

    params = {1e3: "billions", 1e5: "millions"}
    tokens = {100: "trillions", 1e5: "billions", 1e8: "millions"}
    return {
        "model": _column("model is the name of the model.", unique_name("model")),
        "family": _column("family names the models trained alike at several sizes."),
        "lineage": _optional("lineage is the base family that a family descends from."),
        "tuning": _column("tuning is base or instruct.", tuning),
        "recipe": _optional("recipe says how the model came about.", recipe),
        "n_params": _count(
            "n_params is the total number of parameters, such as 7e9.", PARAMS_RANGE, params
        ),
        "n_active_params": _count(
            "n_active_params is the number of parameters used per token, such as 7e9.",
            PARAMS_RANGE,
            params,
            nullable=True,
            required=False,
        ),
        "n_tokens": _count(
            "n_tokens is the number of pretraining tokens, such as 2e12; "
            "its cells stay empty where that is not published.",
            TOKENS_RANGE,
            tokens,
            nullable=True,
        ),
        "release": _column("release is the month of release, such as 2024-07.", *release()),
        "developer": _optional("developer is who trained the model."),
        "hub_name": _optional(
            "hub_name is the model's name on Hugging Face.", unique_name("hub_name")
        ),
        "source": _optional("source says where the row is from."),
    }


def models_schema() -> pa.DataFrameSchema:
    """models.csv: one row per model."""
    rules = [active_fit_in_total(), one_lineage()]
    return pa.DataFrameSchema(_model_columns(), checks=rules)


def benchmarks_schema() -> pa.DataFrameSchema:
    """benchmarks.csv: one row per benchmark."""
    columns = {
        "benchmark": _column(
            "benchmark is the short name used as column header.", unique_name("benchmark")
        ),
        "title": _optional("title is the name to print."),
        "leaderboard": _optional("leaderboard is v1, v2 or empty."),
        "n_items": _column("n_items is the number of questions.", *n_items()),
        "chance": _column("chance is the score of guessing: 0.25 for four choices.", *chance()),
        "metric": _optional("metric says what the score measures."),
        "source": _optional("source says where the row is from."),
    }
    return pa.DataFrameSchema(columns)


def scores_schema(
    models: Iterable[str] | None,
    benchmarks: Iterable[str] | None,
    described: pd.DataFrame | None = None,
) -> pa.DataFrameSchema:
    """scores.csv: one row per observed score.

    Args:
        models: names in models.csv, None when it can't be read.
        benchmarks: names in benchmarks.csv, None when it can't be read.
        described: cells of benchmarks.csv, None when it can't be read.

    Returns:
        Columns and rules of the file.
    """
    model_rules = [known_name("model", models, "models.csv")] if models is not None else []
    benchmark_rules = (
        [known_name("benchmark", benchmarks, "benchmarks.csv")] if benchmarks is not None else []
    )
    advice = "score is a fraction, such as 0.453; leave out rows of benchmarks not evaluated."
    columns = {
        "model": _column("model is a name from models.csv.", *model_rules),
        "benchmark": _column("benchmark is a name from benchmarks.csv.", *benchmark_rules),
        "score": _column(advice, numeric("score", advice), fraction("score")),
        "source": _optional("source says where the row is from."),
    }
    rules = [] if described is None else [none_below_guessing(described)]
    return pa.DataFrameSchema(columns, checks=[unique_score(), *rules])


def observed_schema(
    benchmarks: pd.DataFrame, *, is_normalised: bool = False, needs_scores: bool = True
) -> pa.DataFrameSchema:
    """A wide table of a new family's models: one row per model, one column per benchmark.

    Args:
        benchmarks: the benchmarks that may be named, as in `Table.benchmarks`.
        is_normalised: whether scores are as the leaderboard v2 shows them, chance subtracted.
        needs_scores: whether every model has a score.

    Returns:
        Columns and rules of the file.
    """
    names = list(benchmarks.index)
    scores = {
        str(name): _scores(str(name), benchmark, is_normalised=is_normalised)
        for name, benchmark in benchmarks.iterrows()
    }

    def has_score(frame: pd.DataFrame) -> pd.Series:
        given = [name for name in names if name in frame.columns]
        return frame[given].notna().any(axis=1)

    no_score = rule(
        "no benchmark has a score",
        has_score,
        "Give a score or remove the row.",
        needs=["model"],
    )
    loose = {"required": False, "nullable": True}
    return pa.DataFrameSchema(
        _model_columns() | scores,
        checks=[active_fit_in_total(), one_lineage(), *([no_score] if needs_scores else [])],
    ).update_columns({"family": loose, "tuning": loose, "release": loose})


def _scores(name: str, benchmark: pd.Series, *, is_normalised: bool = False) -> pa.Column:
    """A column of scores on a benchmark, empty where not evaluated."""
    advice = "A score is a fraction, such as 0.453; leave the cell empty where not evaluated."
    rules = [numeric(name, advice), fraction(name)]
    if not (is_normalised and name in NORMALISED):
        rules.append(not_below_guessing(benchmark))
    else:
        rules.append(no_zeros(name))
    return _optional(advice, *rules)


def new_scores_schema(models: Iterable[str], benchmarks: pd.DataFrame) -> pa.DataFrameSchema:
    """A wide table of scores on new benchmarks: one row per model of a fit.

    Args:
        models: names of the fit.
        benchmarks: those that the columns of scores are of, with ``chance`` and ``n_items``.

    Returns:
        Columns and rules of the file.
    """
    known = known_name("model", models, "this fit", "Correct the name, or fit again with the model")
    columns = {"model": _column("model is a name of the fit.", unique_name("model"), known)}
    scores = {str(name): _scores(str(name), row) for name, row in benchmarks.iterrows()}
    return pa.DataFrameSchema(columns | scores)


def plan_schema(*, needs_tokens: bool = True) -> pa.DataFrameSchema:
    """Models to forecast: one row per model, no scores, and in a file tokens always stated."""
    loose = {"required": False, "nullable": True}
    stated = "n_tokens is the number of tokens to train on, such as 2e12."
    return models_schema().update_columns(
        {
            "family": loose,
            "tuning": loose,
            "release": loose,
            "n_tokens": {"nullable": not needs_tokens, "description": stated},
        }
    )


def runs_schema(losses: Iterable[str]) -> pa.DataFrameSchema:
    """A file of controlled training runs: one row per run, one column per loss.

    Args:
        losses: the columns that hold losses.

    Returns:
        Columns and rules of the file.
    """
    names = list(losses)
    columns = {
        "run": _column("run names a training run.", unique_name("run"), required=False),
        "group": _column("group is the corpus or recipe trained on.", required=False),
        "n_params": _count(
            "n_params is the number of parameters, such as 1.1e8.",
            PARAMS_RANGE,
            {10: "billions", 1e5: "millions"},
        ),
        "n_active_params": _count(
            "n_active_params is the number of parameters used per token, such as 1.1e8.",
            PARAMS_RANGE,
            {10: "billions", 1e5: "millions"},
            nullable=True,
            required=False,
        ),
        "n_tokens": _count(
            "n_tokens is the number of training tokens, such as 1.5e10.",
            RUN_TOKENS_RANGE,
            {1e4: "billions"},
        ),
        "flops": _count(
            "flops is the training compute in FLOP, such as 1e19.",
            FLOPS_RANGE,
            {},
            nullable=True,
            required=False,
        ),
        "source": _optional("source says where the row is from."),
    }
    measured = {name: _optional(f"{name} is a loss.", *loss(name)) for name in names}
    return pa.DataFrameSchema(columns | measured, checks=[unique_run(), active_fit_in_total()])


def skills_schema(losses: Iterable[str] | None) -> pa.DataFrameSchema:
    """A table that says which skill each loss measures: one row per loss.

    Args:
        losses: losses that may be named; any where None.

    Returns:
        Columns and rules of the file.
    """
    advice = "Correct the name or remove the row"
    rules = [known_name("loss", losses, "these runs", advice)] if losses is not None else []
    columns = {
        "loss": _column("loss is the name of a loss.", unique_name("loss"), *rules),
        "skill": _column("skill is empty where a loss counts for none.", nullable=True),
    }
    return pa.DataFrameSchema(columns)


def mixes_schema(shares: Iterable[str]) -> pa.DataFrameSchema:
    """A table of what groups of runs were trained on: one row per group, one column per share.

    Args:
        shares: the columns that hold shares.

    Returns:
        Columns and rules of the file.
    """
    advice = "A share is a fraction of the training tokens, such as 0.2."
    columns = {name: _column(advice, numeric(name, advice), fraction(name)) for name in shares}
    group = _column("group is the name of a group of runs.", unique_name("group"))
    return pa.DataFrameSchema({"group": group} | columns)


def items_schema() -> pa.DataFrameSchema:
    """Per-item results of a benchmark: one row per model and item."""
    n = "n is how often the item was attempted, such as 20."
    correct = "correct is how many of the attempts solved the item; 0 if none did."
    columns = {
        "item": _column("item names an item of the benchmark."),
        "n": _column(n, *attempts("n", n, smallest=1)),
        "correct": _column(correct, *attempts("correct", correct, smallest=0)),
        "model": _column("model is the name of the model that was sampled.", required=False),
    }
    return pa.DataFrameSchema(columns, checks=[solved_at_most_attempted(), unique_item()])
