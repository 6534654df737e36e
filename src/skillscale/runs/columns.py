"""What the columns of a file of runs hold, whatever they are called.

Sweeps and dashboards name sizes, tokens and compute in many ways, and export learning rates and
accuracies beside losses. Names that are usual are known; what was taken for what is said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import pandas as pd

from skillscale.data.rules import LOSS_LIMIT, number, numbers
from skillscale.errors import TableError, known_names
from skillscale.formatting import and_more
from skillscale.law.compute import TRAINING_FLOPS

COUNTS = ("n_params", "n_active_params", "n_tokens", "flops")
KNOWN_AS: dict[str, tuple[str, ...]] = {
    "run": ("run", "run_name", "name", "exp_name", "experiment", "run_id"),
    "group": ("group",),
    "n_params": (
        "n_params", "num_params", "n_parameters", "num_parameters", "parameter_count",
        "param_count", "params", "parameters", "total_params", "total_parameters", "model_size",
        "n", "non_embedding_params", "size",
    ),
    "n_active_params": (
        "n_active_params", "active_params", "active_parameters", "activated_params",
        "activated_parameters", "num_active_params", "n_active",
    ),
    "n_tokens": (
        "n_tokens", "num_tokens", "total_tokens", "train_tokens", "training_tokens", "tokens_seen",
        "token_count", "tokens", "n_train_tokens", "d",
    ),
    "flops": (
        "flops", "flop", "total_flops", "total_flop", "train_flops", "training_flops",
        "training_flop", "compute", "c",
    ),
}  # fmt: skip
"""Usual names, the one that wins first. Names of one letter are known as capitals only."""
RUN_COLUMNS = (*KNOWN_AS, "source")
COUNT_UNITS = {"k": 1e3, "thousands": 1e3, "m": 1e6, "millions": 1e6, "b": 1e9, "billions": 1e9,
               "t": 1e12, "trillions": 1e12}  # fmt: skip
FLOP_UNITS = {"g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18, "z": 1e21}

LOSS_WORDS = frozenset({"loss", "losses", "nll", "ce", "xent", "entropy", "bpb", "bpc"})
LOSS_PREFIXES = frozenset({"val", "valid", "validation", "task", "bpb"})
PERPLEXITY_WORDS = frozenset({"ppl", "perplexity", "perplexities"})
OTHER_METRICS = frozenset({
    "acc", "accuracy", "f1", "em", "exact", "match", "score", "error", "err", "std", "stderr",
    "se", "sem", "var", "lower", "upper", "aux", "auxiliary", "z", "router", "balance", "balancing",
    "grad", "gradient", "norm", *PERPLEXITY_WORDS,
})  # fmt: skip
HYPER_PARAMETERS = frozenset({
    "lr", "learning", "rate", "batch", "bs", "step", "steps", "iter", "iters", "iterations", "ti",
    "epoch", "epochs", "layer", "layers", "numl", "depth", "width", "dim", "hidden", "head",
    "heads", "numh", "ffn", "ffnh", "mlp", "vocab", "seq", "context", "length", "warmup", "decay",
    "wd", "weight", "beta", "beta1", "beta2", "eps", "epsilon", "dropout", "momentum",
    "temperature", "clip", "experts", "topk", "sparsity", "granularity", "size", "ratio",
})  # fmt: skip
BOOKKEEPING = frozenset({
    "seed", "gpu", "gpus", "tpu", "tpus", "device", "devices", "node", "nodes", "hour", "hours",
    "time", "second", "seconds", "duration", "mfu", "throughput", "cost", "id", "index", "frac",
    "fraction", "split",
})  # fmt: skip
RECIPES = frozenset({
    "tokenizer", "recipe", "dataset", "corpus", "data", "mix", "mixture", "optimizer", "schedule",
    "architecture", "arch",
})  # fmt: skip
COUNTED = 10
"""Whole numbers of which the largest is no smaller count something."""
OTHER_COMPUTE = 20
"""Times further than this from 6 N D nothing is training compute."""
MOST_RECIPES = 8
"""Values of a column of text which may tell recipes apart."""
LEAST_OF_RECIPE = 3
"""Runs that every value of a column of text needs, for it to name groups."""


@dataclass(frozen=True)
class Columns:
    """Cells under the names used here, and what was taken for what.

    Attributes:
        cells: text, as `read_cells` gives it, with known columns renamed.
        losses: the columns that hold losses.
        hyper_parameters: the columns that a sweep may vary.
        said: sentences about what was taken for what.
    """

    cells: pd.DataFrame
    losses: list[str]
    hyper_parameters: list[str]
    said: tuple[str, ...]


def recognise(
    file: str,
    cells: pd.DataFrame,
    *,
    losses: Iterable[str] | None = None,
    named: Mapping[str, str] | None = None,
) -> Columns:
    r"""Find sizes, tokens, compute, names and losses among the columns of a file.

    Args:
        file: its name, for sentences.
        cells: its text, indexed by line.
        losses: the columns that hold losses; those named like losses by default.
        named: which column holds what, such as ``{"n_params": "weights"}``, where that is decided.

    Returns:
        The cells under the names used here, and what was taken for what.

    Raises:
        TableError: a column is given a name that has no meaning here.
        UnknownNameError: a column that is named is not in the file.

    Example:
        >>> cells = pd.DataFrame({"N": ["1e8"], "D": ["2e9"], "lr": ["1e-3"], "val_loss": ["3"]})
        >>> found = recognise("sweep.csv", cells)
        >>> list(found.cells), found.losses
        (['n_params', 'n_tokens', 'lr', 'val_loss'], ['val_loss'])
        >>> print(*found.said, sep="\n")
        sweep.csv: N is taken for n_params, D for n_tokens.
        sweep.csv: losses are val_loss. Not taken for losses: lr.
    """
    wanted = None if losses is None else list(dict.fromkeys(losses))
    passed: tuple[str, ...] = ()
    taken = _taken(file, cells, {} if named is None else dict(named), wanted or [])
    renamed, said = _renamed(file, cells, taken)
    renamed, derived = _derived(file, renamed)
    renamed, refused = _without_other_compute(file, renamed)
    renamed, grouped = _grouped(file, renamed)
    others = [name for name in renamed.columns if name not in RUN_COLUMNS]
    if wanted is not None:
        chosen = known_names("loss column", wanted, others, file)
    else:
        chosen, passed = _losses(file, renamed, others)
    hyper = [name for name in others if name not in chosen and words_of(name) & HYPER_PARAMETERS]
    return Columns(renamed, chosen, hyper, (*said, *derived, *refused, *grouped, *passed))


def words_of(name: str) -> set[str]:
    """Words of a header, in lower case.

    >>> sorted(words_of("eval/val-Loss"))
    ['eval', 'loss', 'val']
    """
    return set(re.split(r"[^a-z0-9]+", name.lower())) - {""}


def _keys(name: str) -> list[str]:
    """What a column may be known by: its whole name, and the last part of a path."""
    if len(name) == 1:
        return [name.lower()] if name.isupper() else []
    whole, last = (
        re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in (name, name.split("/")[-1])
    )
    return [key for key in dict.fromkeys((whole, last)) if len(key) > 1]


def _unit(key: str, kind: str) -> tuple[str, float]:
    """A name without its unit, and the unit."""
    if kind == "flops":
        found = re.fullmatch(r"(.*?)([gtpez])(flops?)", key)
        return (found[1] + found[3], FLOP_UNITS[found[2]]) if found else (key, 1.0)
    stem, _, last = key.rpartition("_")
    return (stem, COUNT_UNITS[last]) if stem and last in COUNT_UNITS else (key, 1.0)


def _taken(
    file: str, cells: pd.DataFrame, named: dict[str, str], losses: list[str]
) -> dict[str, tuple[str, float]]:
    """The column that holds each of what is known here, and its unit."""
    if strange := [name for name in named if name not in RUN_COLUMNS]:
        raise TableError(
            [f"{file}: columns can be named {', '.join(RUN_COLUMNS)}; found {', '.join(strange)}."]
        )
    known_names("column", named.values(), cells.columns, file)
    taken = {kind: (column, 1.0) for kind, column in named.items()}
    for kind, usual in KNOWN_AS.items():
        ranked: list[tuple[int, str, float]] = []
        for column in cells.columns.difference([*named.values(), *losses], sort=False):
            if kind == "run" != column and not cells[column].is_unique:
                continue  # sizes in words, or what a sweep calls all of its runs
            for key in [column] if column in KNOWN_AS else _keys(column):
                stem, unit = _unit(key, kind) if kind in COUNTS else (key, 1.0)
                if stem in usual:
                    ranked.append((usual.index(stem), column, unit))
        if ranked and kind not in taken:
            _, column, unit = min(ranked, key=lambda entry: entry[0])
            taken[kind] = column, unit
    return taken


def _renamed(
    file: str, cells: pd.DataFrame, taken: dict[str, tuple[str, float]]
) -> tuple[pd.DataFrame, list[str]]:
    """Cells under the names used here, counts in units of one."""
    said: list[str] = []
    own = {column: kind for kind, (column, _) in taken.items()}
    renamed = cells.rename(columns=own)
    renamed = renamed.loc[:, ~renamed.columns.duplicated()]
    for kind, (column, unit) in taken.items():
        if unit != 1.0:
            renamed[kind] = renamed[kind].map(lambda cell, unit=unit: _scaled(cell, unit))
        if column != kind:
            times = "" if unit == 1.0 else f" (times {unit:g})"
            said.append(f"{column} {'for' if said else 'is taken for'} {kind}{times}")
    return renamed, [f"{file}: {', '.join(said)}."] if said else []


def _scaled(cell: str | None, unit: float) -> str | None:
    value = number(cell)
    return cell if math.isnan(value) else f"{value * unit:.12g}"


def _derived(file: str, cells: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Size or tokens from the other and compute, where one of them is missing altogether."""
    if "n_params" not in cells and "n_active_params" in cells:
        return cells.assign(n_params=cells["n_active_params"]), [
            f"{file}: n_params is missing, and taken to be n_active_params."
        ]
    for missing, given in (("n_tokens", "n_params"), ("n_params", "n_tokens")):
        if missing not in cells and {given, "flops"} <= set(cells):
            value = numbers(cells["flops"]) / TRAINING_FLOPS / numbers(cells[given])
            text = value.map(lambda v: f"{v:.12g}" if math.isfinite(v) else None)
            return cells.assign(**{missing: text}), [
                f"{file}: {missing} is missing, and taken to be flops / (6 {given})."
            ]
    return cells, []


def _without_other_compute(file: str, cells: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out what is called like compute, but is far from that of sizes and tokens."""
    if not {"n_params", "n_tokens", "flops"} <= set(cells):
        return cells, []
    size = cells["n_active_params"] if "n_active_params" in cells else cells["n_params"]
    by_counts = TRAINING_FLOPS * numbers(size) * numbers(cells["n_tokens"])
    ratio = (numbers(cells["flops"]) / by_counts).median()
    if not ratio > 0 or 1 / OTHER_COMPUTE < ratio < OTHER_COMPUTE:
        return cells, []
    return cells.drop(columns="flops"), [
        f"{file}: what is called flops is {ratio:.2g} times 6 n_params n_tokens, so no training "
        "compute (a throughput?), and left out."
    ]


def _grouped(file: str, cells: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Groups by the columns of text that name recipes, where no column is called group."""
    if "group" in cells:
        return cells, []
    of_text = [name for name in cells.columns if name not in RUN_COLUMNS and _is_text(cells[name])]
    recipes = [n for n in of_text if words_of(n) & RECIPES and _names_recipes(cells[n])]
    others = [
        n
        for n in of_text
        if n not in recipes and 1 < cells[n].nunique(dropna=False) <= MOST_RECIPES
    ]
    said = [
        f"{file}: {name} is not used, though runs differ in it, and all are taken to be of one "
        "recipe. Call it group, filled in everywhere, to keep them apart."
        for name in others
    ]
    if not recipes:
        return cells, said
    joined = cells[recipes].agg(" ".join, axis=1)
    grouped = f"{file}: runs are grouped by {' and '.join(recipes)} ({joined.nunique()} groups)."
    return cells.assign(group=joined).drop(columns=recipes), [grouped, *said]


def _is_text(cells: pd.Series) -> bool:
    return bool(cells.notna().any() and numbers(cells).isna().all())


def _names_recipes(cells: pd.Series) -> bool:
    """Whether a column of text says of some runs this, of some that."""
    counts = cells.value_counts()
    return bool(cells.notna().all() and len(counts) > 1 and (counts >= LEAST_OF_RECIPE).all())


def _losses(file: str, cells: pd.DataFrame, others: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Columns named like losses; without one, numbers that could be losses."""
    numeric = [name for name in others if np.isfinite(numbers(cells[name])).any()]
    found = [name for name in numeric if _is_named_loss(name)]
    if not found:
        absent = [name for name in RUN_COLUMNS if name not in cells]
        found = [
            name
            for name in numeric
            if _could_be_loss(name, numbers(cells[name]))
            and not get_close_matches(name, absent, n=1, cutoff=0.8)
        ]
    found = [name for name in found if not _is_constant(numbers(cells[name]))] or found
    passed = [name for name in numeric if name not in found]
    sentences = []
    if passed:
        losses = and_more(found) or "none"
        sentences.append(f"{file}: losses are {losses}. Not taken for losses: {and_more(passed)}.")
    perplexities = [name for name in passed if words_of(name) & PERPLEXITY_WORDS]
    if perplexities:
        sentences.append(
            f"{file}: {', '.join(perplexities)} hold perplexities: their logarithm is a loss."
        )
    return found, tuple(sentences)


def _is_constant(values: pd.Series) -> bool:
    """Whether a column is the same in three rows or more: no loss, if there are others."""
    return values.count() >= LEAST_OF_RECIPE and values.nunique() == 1


def _is_named_loss(name: str) -> bool:
    words = words_of(name)
    first = re.split(r"[^a-z0-9]+", name.lower())[0]
    is_loss = bool(words & LOSS_WORDS) if len(name) > 1 else name == "L"
    return (is_loss or first in LOSS_PREFIXES) and not words & (OTHER_METRICS | BOOKKEEPING)


def _could_be_loss(name: str, values: pd.Series) -> bool:
    known = values[np.isfinite(values)]
    words = words_of(name)
    if max(map(len, words), default=0) < 2:
        return False
    if words & (OTHER_METRICS | BOOKKEEPING | HYPER_PARAMETERS):
        return False
    are_counts = bool((known % 1 == 0).all()) and known.max() >= COUNTED
    return not are_counts and bool(known.between(0, LOSS_LIMIT, inclusive="neither").any())
