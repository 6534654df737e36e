"""What columns of a stranger's file are taken for, and what is said of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skillscale.errors import RunsError, TableError, UnknownNameError
from skillscale.runs.columns import recognise
from skillscale.runs.forecast import read_run_plan


def taken(header: str, row: str, **options):
    cells = pd.DataFrame([row.split(",")], columns=header.split(","))
    return recognise("runs.csv", cells, **options)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("N,D,L", ("N", "D", "L")),
        ("params,tokens,loss", ("params", "tokens", "loss")),
        (
            "parameter_count,throughput/total_tokens,eval/c4/loss",
            ("parameter_count", "throughput/total_tokens", "eval/c4/loss"),
        ),
        ("Model Size,Training Tokens,val_nll", ("Model Size", "Training Tokens", "val_nll")),
    ],
)
def test_usual_names_are_known_and_what_was_taken_is_said(header, found):
    columns = taken(header, "1e8,2e9,3.1")
    size, tokens, loss = found
    assert list(columns.cells) == ["n_params", "n_tokens", loss]
    assert columns.losses == [loss]
    assert columns.said == (f"runs.csv: {size} is taken for n_params, {tokens} for n_tokens.",)


def test_units_in_names_are_turned_and_said():
    columns = taken("params_b,tokens_T,total_gflops,loss", "1.5,0.03,2.7e11,3")
    assert columns.cells.iloc[0].tolist() == ["1500000000", "30000000000", "2.7e+20", "3"]
    assert "params_b is taken for n_params (times 1e+09)" in columns.said[0]


def test_names_used_here_win_over_others():
    columns = taken("size,n_params,params,n_tokens,loss", "1,1e8,2,2e9,3")
    assert columns.cells["n_params"].tolist() == ["1e8"]
    assert columns.said == ("runs.csv: losses are loss. Not taken for losses: size, params.",)


def test_tokens_follow_from_size_and_compute():
    columns = taken("Model Size,Training FLOP,loss", "1e8,1.2e18,3")
    assert float(columns.cells["n_tokens"].iloc[0]) == 2e9
    assert "n_tokens is missing, and taken to be flops / (6 n_params)" in columns.said[1]


@pytest.mark.parametrize(
    "name",
    [
        "learning_rate", "trainer.train_batch_size", "model.num_layers", "val_accuracy", "step",
        "eval/acc_norm", "validation/perplexity", "z_loss", "grad_norm", "loss_std", "seed", "x",
        "router_z_loss", "D/N", "mfu", "weight_decay",
    ],
)  # fmt: skip
def test_what_is_no_loss_is_left_out_and_said(name):
    columns = taken(f"n_params,n_tokens,{name},val_loss", "1e8,2e9,0.5,3")
    assert columns.losses == ["val_loss"]
    assert columns.said[0] == f"runs.csv: losses are val_loss. Not taken for losses: {name}."
    alone = taken(f"n_params,n_tokens,{name},web", "1e8,2e9,0.5,3")
    assert alone.losses == ["web"]


def test_perplexities_are_offered_their_logarithm():
    columns = taken("n_params,n_tokens,ppl,loss", "1e8,2e9,30,3")
    assert columns.said[-1] == "runs.csv: ppl hold perplexities: their logarithm is a loss."


def test_a_chosen_loss_is_one_whatever_its_name():
    assert taken("N,D,smooth,lr", "1e8,2e9,3,1e-3", losses=["lr"]).losses == ["lr"]
    with pytest.raises(UnknownNameError, match=r"'los' is not in runs\.csv"):
        taken("N,D,loss", "1e8,2e9,3", losses=["los"])


def test_columns_can_be_named():
    columns = taken(
        "weights,seen,N,loss", "1e8,2e9,7,3", named={"n_params": "weights", "n_tokens": "seen"}
    )
    assert columns.cells["n_params"].tolist() == ["1e8"]
    with pytest.raises(UnknownNameError, match=r"column 'weight' is not in runs\.csv"):
        taken("weights,D,loss", "1e8,2e9,3", named={"n_params": "weight"})
    with pytest.raises(TableError, match="columns can be named run, group, n_params"):
        taken("weights,D,loss", "1e8,2e9,3", named={"params": "weights"})


def test_recipes_in_words_make_groups(runs_of):
    rows = [
        f"{tokenizer},{n}e8,{20 / n}e9,3.{n}" for tokenizer in ("bpe", "unigram") for n in (1, 2, 4)
    ]
    runs = runs_of("\n".join(["tokenizer,params,tokens,loss", *rows]))
    assert runs.groups == ["bpe", "unigram"]
    assert "runs.csv: runs are grouped by tokenizer (2 groups)." in runs.warnings


def test_losses_of_runs_that_diverged_are_not_measured(runs_of):
    runs = runs_of("n_params,n_tokens,loss,val_other\n1e8,2e9,NaN,2\n2e8,1e9,inf,\n4e8,1e9,3,n/a\n")
    assert runs.losses["loss"].isna().tolist() == [True, False]
    assert runs.warnings == (
        "runs.csv: 1 of 3 runs have no loss measured, first at line 3 (all-200000000-1000000000): "
        "left out.",
    )


def test_a_loss_that_rises_with_compute_is_doubted(runs_of):
    rows = [f"{n}e8,{2 + n % 3 / 10}e9,{4 - 0.1 * n},{0.3 + 0.02 * n}" for n in range(1, 9)]
    runs = runs_of("\n".join(["n_params,n_tokens,web,hit", *rows]))
    (sentence,) = runs.warnings
    assert sentence.startswith("runs.csv: hit rises with compute (rank correlation 1.00). Is it a")


SWEEP = "n_params,n_tokens,lr,loss,web\n" + "".join(
    f"{n}e8,2e9,{lr},{3 - 0.1 * n + lr},{2 + lr}\n" for n in (1, 2, 4) for lr in (0.01, 0.1, 0.05)
)


def test_a_sweep_is_refused_until_someone_says_what_it_is(runs_of):
    with pytest.raises(
        RunsError, match=r"at 3 of 3 sizes and token counts, runs differ in lr\. If"
    ):
        runs_of(SWEEP)


def test_of_a_sweep_the_best_run_of_each_cell_is_kept(runs_of):
    runs = runs_of(SWEEP, best_of_cell=True)
    np.testing.assert_allclose(runs.losses["loss"], [2.91, 2.81, 2.61])
    assert "runs.csv: of 9 runs the best by loss of each size and token count is kept: 3." in (
        runs.warnings
    )


def test_runs_of_a_cell_can_be_taken_for_reruns(runs_of):
    assert len(runs_of(SWEEP, best_of_cell=False).runs) == 9


def test_reruns_with_seeds_are_no_sweep(runs_of):
    text = "run,n_params,n_tokens,seed,loss\na,1e8,2e9,0,3.1\nb,1e8,2e9,1,3.2\n"
    assert len(runs_of(text).runs) == 2


def test_the_size_of_a_mixture_of_experts_is_that_of_its_active_parameters(runs_of):
    runs = runs_of("n_params,n_active_params,n_tokens,loss\n8e8,1e8,2e9,3\n1.6e9,2e8,1e9,3.1\n")
    assert runs.runs["n_params"].tolist() == [1e8, 2e8]
    assert runs.runs["n_total_params"].tolist() == [8e8, 1.6e9]
    assert runs.runs["flops"].tolist() == [1.2e18, 1.2e18]
    assert "optima are in active parameters" in runs.warnings[0]
    with pytest.raises(TableError, match="n_active_params exceeds n_params"):
        runs_of("n_params,n_active_params,n_tokens,loss\n1e8,8e8,2e9,3\n")


def test_a_name_that_repeats_names_no_run(runs_of):
    runs = runs_of("name,n_params,n_tokens,loss\n125M,1e8,2e9,3\n125M,1.2e8,1e9,3.1\n")
    assert runs.runs.index.tolist() == ["all-100000000-2000000000", "all-120000000-1000000000"]
    with pytest.raises(TableError, match="run repeats an earlier row"):
        runs_of("run,n_params,n_tokens,loss\na,1e8,2e9,3\na,1.2e8,1e9,3.1\n")


def test_a_plan_is_read_under_usual_names(tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text("N,tokens_B,recipe\n2e9,40,new\n")
    plan = read_run_plan(path)
    assert plan[["n_params", "n_tokens"]].to_numpy().tolist() == [[2e9, 4e10]]
    assert plan.attrs["said"] == (
        "plan.csv: N is taken for n_params, tokens_B for n_tokens (times 1e+09).",
    )
    path.write_text("n_params,n_active_params,n_tokens\n8e9,1e9,4e10\n")
    assert read_run_plan(path)["n_params"].tolist() == [1e9]


BOTH = [(n * 1e8, d * 1e9) for n in (1, 2, 4, 8) for d in (2, 5, 11)]
"""Sizes and tokens that vary apart."""


def with_columns(runs_of, header: str, cells, counts=BOTH):
    """Runs of a file with more columns: one text for every run."""
    rows = (f"{n:g},{d:g},{4 - 0.1 * i},{cells(i, n, d)}" for i, (n, d) in enumerate(counts))
    return runs_of("\n".join([f"n_params,n_tokens,loss,{header}", *rows]))


@pytest.mark.parametrize(
    ("header", "cells", "sentence"),
    [
        ("step", lambda i, n, d: d / 5e5, "tokens of a size rise with step, as in checkpoints"),
        ("epochs", lambda i, n, d: 1 + i % 3, "epochs is above one"),
        ("dataset", lambda i, n, d: "c4" if i else "", "dataset is not used, though runs differ"),
        ("dataset", lambda i, n, d: "c4" if i > 1 else "pile", "dataset is not used"),
        ("model_family", lambda i, n, d: "ab"[i % 2], "model_family is not used"),
        ("tflops", lambda i, n, d: 150 + i, "so no training compute (a throughput?)"),
    ],
)  # fmt: skip
def test_what_other_columns_say_is_doubted(runs_of, header, cells, sentence):
    runs = with_columns(runs_of, header, cells)
    assert any(sentence in said for said in runs.warnings), runs.warnings
    assert (runs.runs["flops"] == 6 * runs.runs["n_params"] * runs.runs["n_tokens"]).all()


def test_a_batch_that_grows_makes_no_checkpoints(runs_of):
    runs = with_columns(runs_of, "step,seed", lambda i, n, d: f"{1000 + 100 * (i % 5)},{i}")
    assert not any("checkpoints" in said for said in runs.warnings)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ([(d, n) for n, d in BOTH], "Are the columns exchanged?"),
        ([(n, 20 * n) for n, _ in BOTH[::3]], "tokens per parameter are the same"),
        ([(n, 1e10) for n, _ in BOTH[::3]], "token counts are the same"),
    ],
)
def test_designs_that_can_not_tell_are_doubted(runs_of, counts, sentence):
    runs = with_columns(runs_of, "note", lambda i, n, d: "", counts)
    assert any(sentence in said for said in runs.warnings), runs.warnings


def test_a_constant_beside_a_loss_is_none(runs_of):
    runs = with_columns(runs_of, "valid,val_frac", lambda i, n, d: "1,0.01")
    assert runs.loss_names == ["loss"]
