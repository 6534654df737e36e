"""Controlled training runs: the shipped files, and every bad input with its sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skillscale.errors import RunsError, TableError, UnknownNameError
from skillscale.runs.grid import require_groups, require_sizes
from skillscale.runs.skills import load_skills
from skillscale.runs.table import SHIPPED, load_runs

DATA = Path(__file__).parents[2] / "benchmarks_data"
RUNS = """\
group,n_params,n_tokens,flops,web,code
c4,1e8,2e9,1.2e18,3.4,2.1
c4,2e8,1e9,1.2e18,3.5,
stack,1e8,2e9,1.2e18,4.4,1.1
"""


@pytest.fixture(scope="module")
def shipped():
    return {name: load_runs(name) for name in SHIPPED}


@pytest.fixture
def problems_of(runs_of):
    def problems(text: str, **options) -> tuple[str, ...]:
        with pytest.raises(TableError) as caught:
            runs_of(text, **options)
        return caught.value.problems

    return problems


@pytest.fixture
def skills_of(tmp_path):
    def load(text: str, losses=None):
        path = tmp_path / "skills.csv"
        path.write_text(text, encoding="utf-8")
        return load_skills(path, losses=losses)

    return load


# Shipped runs


@pytest.mark.parametrize(
    ("name", "n_runs", "n_groups", "n_losses"),
    [
        ("isoflop", 529, 6, 27),
        ("olmo-ladder", 30, 1, 24),
        ("overtraining", 104, 3, 6),
        ("llama3", 133, 1, 1),
        ("marin", 258, 3, 1),
    ],
)
def test_shipped_runs_are_complete(shipped, name, n_runs, n_groups, n_losses):
    runs = shipped[name]
    assert len(runs.runs) == n_runs
    assert len(runs.groups) == n_groups
    assert runs.losses.shape == (n_runs, n_losses)
    assert runs.losses.notna().all(axis=None)
    assert runs.losses.index.equals(runs.runs.index)
    assert runs.runs.index.is_unique
    assert runs.runs["source"].str.contains(r"^arXiv:|^marin experiment").all()
    assert repr(runs).startswith(f"Runs({n_runs} runs of {n_groups} groups, {n_losses} losses, ")


def test_the_runs_of_chinchilla_keep_five_outliers_apart(shipped):
    losses = shipped["chinchilla"].losses
    assert losses.notna().sum().to_dict() == {"loss": 240, "loss_with_outliers": 245}
    both = losses.dropna()
    np.testing.assert_array_equal(both["loss"], both["loss_with_outliers"])


@pytest.mark.parametrize("name", ["isoflop", "llama3", "overtraining"])
def test_shipped_compute_is_six_times_size_times_tokens(shipped, name):
    frame = shipped[name].runs
    np.testing.assert_allclose(frame["flops"], 6 * frame["n_params"] * frame["n_tokens"], rtol=1e-4)
    assert shipped[name].warnings == ()


def test_the_ladder_says_that_its_compute_counts_more(shipped):
    (sentence,) = shipped["olmo-ladder"].warnings
    assert sentence.startswith(
        "olmo_ladder.csv: flops is not 6 n_params n_tokens in 30 of 30 runs, first at line 2 "
        "(190M-0.5xC); their ratio is 1.21 to 1.67."
    )


def test_the_ladder_keeps_its_reruns(shipped):
    frame = shipped["olmo-ladder"].runs
    cells = frame.groupby(["n_params", "n_tokens"]).size()
    assert list(cells[cells > 1]) == [2] * 5
    assert frame.index.str.endswith("-rerun").sum() == 5


def test_the_grid_has_eight_budgets_per_corpus(shipped):
    runs = shipped["isoflop"]
    budgets = runs.budgets()
    assert list(budgets.groupby(runs.runs["group"]).nunique()) == [8] * 6
    assert budgets.equals(runs.runs["flops"].rename("budget"))


def test_an_unknown_shipped_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"'isoflops' is not in the shipped runs.*'isoflop'"):
        load_runs("isoflops")


# Reading


def test_compute_and_group_have_defaults(runs_of):
    runs = runs_of("n_params,n_tokens,flops,web\n1e8,2e9,,3.4\n2e8,1e9,1.21e18,3.5\n")
    assert list(runs.runs["flops"]) == [1.2e18, 1.21e18]
    assert runs.groups == ["all"]
    assert list(runs.runs.index) == ["all-100000000-2000000000", "all-200000000-1000000000"]
    assert runs.warnings == ()


def test_columns_of_text_are_no_losses(runs_of):
    runs = runs_of("n_params,n_tokens,web,note,empty\n1e8,2e9,3.4,good,\n2e8,1e9,3.5,bad,\n")
    assert runs.loss_names == ["web"]


def test_chosen_losses_leave_other_numbers_alone(runs_of):
    text = "n_params,n_tokens,seed,web,code\n1e8,2e9,0,3.4,\n2e8,1e9,1234,,2\n"
    assert runs_of(text, losses=["web", "code"]).loss_names == ["web", "code"]


def test_a_loss_chosen_twice_is_read_once(runs_of):
    assert runs_of(RUNS, losses=["web", "web"]).loss_names == ["web"]


def test_runs_without_a_loss_are_left_out_and_counted(runs_of):
    runs = runs_of(RUNS, losses=["code"])
    assert len(runs.runs) == 2
    assert runs.warnings == (
        "runs.csv: 1 of 3 runs have no loss measured, first at line 3 (c4-200000000-1000000000): "
        "left out.",
    )


@pytest.mark.parametrize("name", ["cod", "flops"])
def test_a_chosen_loss_that_is_no_loss_column_is_refused(runs_of, name):
    with pytest.raises(UnknownNameError, match=rf"loss column '{name}' is not in runs\.csv"):
        runs_of(RUNS, losses=[name])


def test_compute_that_contradicts_size_and_tokens_is_a_warning_with_the_ratio(runs_of):
    text = RUNS.replace("2e8,1e9,1.2e18", "2e8,1e9,2.4e18").replace("1.2e18,4.4", "1.25e18,4.4")
    (sentence,) = runs_of(text).warnings
    assert "in 1 of 3 runs, first at line 3 (c4-200000000-1000000000)" in sentence
    assert "their ratio is 2. Tokens at optima follow" in sentence


# Problems


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("c4,4e8,5e8,1.2e18,0,2", "web is not positive at line 5 (c4) = 0. Losses are in nats"),
        ("c4,4e8,5e8,1.2e18,3,-2", "code is not positive at line 5 (c4) = -2."),
        ("c4,4e8,5e8,1.2e18,4e,2", "web is not a finite number at line 5 (c4) = '4e'."),
        ("c4,4e8,5e8,1.2e18,81,2", "web is 50 or more at line 5 (c4) = 81. Losses are in nats per"),
        (
            "c4,1.3,5e8,,3,2",
            "n_params is in the wrong unit at line 5 (c4) = 1.3. 1.3 looks like billions: "
            "write 1.3e9.",
        ),
        ("c4,160,5e8,,3,2", "n_params is in the wrong unit at line 5 (c4) = 160. 160 looks like m"),
        ("c4,4e8,0.5,,3,2", "n_tokens is in the wrong unit at line 5 (c4) = 0.5. 0.5 looks like b"),
        ("c4,4e8,5e8,1.2,3,2", "flops is in the wrong unit at line 5 (c4) = 1.2. flops is a plain"),
        ("c4,-4e8,5e8,1.2e18,3,2", "n_params is not positive at line 5 (c4) = -4e8."),
        ("c4,4e8,,1.2e18,3,2", "n_tokens is missing at line 5 (c4)."),
        (",4e8,5e8,1.2e18,3,2", "group is missing at line 5."),
        (
            "c4,100000000,2.0e9,1.2e18,3,2",
            "n_params and n_tokens repeat an earlier run of the group at line 5 (c4) = 100000000. "
            "Keep one row of each; if they are reruns, name every run in a column 'run'.",
        ),
    ],
)
def test_a_bad_row_is_named_by_line(problems_of, row, sentence):
    (found,) = problems_of(RUNS + row + "\n")
    assert found.startswith(f"runs.csv: {sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("n_tokens,web\n2e9,3\n", "column 'n_params' is missing. n_params is the number of"),
        ("n_params,web\n1e8,3\n", "column 'n_tokens' is missing. n_tokens is the number of"),
        (
            "n_params,n_tokens,web\n1e8,2e9,\n",
            "no column holds a loss. Add one column of numbers per loss. "
            "Found: 'n_params', 'n_tokens', 'web'.",
        ),
        (
            "n_params,n_tokens,gruop,web\n1e8,2e9,1,3\n",
            "column 'gruop' is unknown. Rename or remove it ('gruop': nearest 'group').",
        ),
        ("run,n_params,n_tokens,web\na,1e8,2e9,3\na,2e8,1e9,3\n", "run repeats an earlier row at"),
        ("run,n_params,n_tokens,web\na,1e8,2e9,3\n,2e8,1e9,3\n", "run is missing at line 3."),
        ("", "the file is empty."),
    ],
)
def test_a_bad_file_is_reported(problems_of, text, sentence):
    (found,) = problems_of(text)
    assert found.startswith(f"runs.csv: {sentence}")


def test_a_chosen_loss_that_was_never_measured_is_reported(problems_of):
    text = "n_params,n_tokens,web,code\n1e8,2e9,3,\n"
    assert "no column holds a loss" in problems_of(text, losses=["code"])[0]


def test_all_problems_are_found_at_once(problems_of):
    problems = problems_of(RUNS + "c4,1e8,2e9,1.2e18,0,2\nc4,7,x,1.2e18,3,-1\n")
    kinds = [
        ("n_params is in the wrong unit", "line 6 (c4) = 7"),
        ("n_tokens is not a finite number", "line 6 (c4) = 'x'"),
        ("web is not positive", "line 5 (c4) = 0"),
        ("code is not positive", "line 6 (c4) = -1"),
        ("repeat an earlier run", "line 5 (c4) = 1e8"),
    ]
    for kind, place in kinds:
        assert sum(kind in problem and place in problem for problem in problems) == 1, kind
    assert len(problems) == len(kinds)


def test_named_reruns_are_no_problem(runs_of):
    runs = runs_of("run,n_params,n_tokens,web\na,1e8,2e9,3.4\nb,1e8,2e9,3.5\n")
    assert list(runs.runs.index) == ["a", "b"]


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(TableError, match=r"runs\.csv: the file is missing from "):
        load_runs(tmp_path / "runs.csv")


# Selecting and budgets


def test_select_keeps_losses_groups_and_compute(shipped):
    runs = shipped["isoflop"].select(
        losses=["val_starcoder", "val_c4"], groups=["starcoder"], min_flops=1e18, max_flops=1e19
    )
    assert runs.loss_names == ["val_starcoder", "val_c4"]
    assert runs.groups == ["starcoder"]
    assert runs.runs["flops"].between(1e18, 1e19).all()
    assert runs.losses.index.equals(runs.runs.index)


def test_select_leaves_out_runs_without_the_loss(runs_of):
    assert len(runs_of(RUNS).select(losses="code").runs) == 2


def test_select_refuses_unknown_names_and_empty_selections(shipped):
    runs = shipped["isoflop"]
    with pytest.raises(UnknownNameError, match=r"loss 'val_c5' is not in these runs\. Nearest"):
        runs.select(losses=["val_c5"])
    with pytest.raises(UnknownNameError, match="group 'c4' is not in these runs"):
        runs.select(groups=["c4"])
    with pytest.raises(RunsError, match=r"No run is left of Runs\(529 runs"):
        runs.select(min_flops=1e21)


def test_nearly_equal_compute_is_one_budget_in_all_groups(runs_of):
    sizes = {"a": (1e8, 2.02e8, 3.96e8), "b": (0.99e8, 2e8, 4e8)}
    rows = [
        f"{group},{n},{2e17 / round(n / 1e8) / 1e8},3" for group, row in sizes.items() for n in row
    ]
    budgets = runs_of("\n".join(["group,n_params,n_tokens,web", *rows])).budgets()
    assert budgets.nunique() == 1
    assert budgets.iloc[0] == pytest.approx(1.2e18)
    assert runs_of("\n".join(["group,n_params,n_tokens,web", *rows])).budgets(0.001).nunique() > 1


def test_a_dense_ladder_does_not_chain_into_one_budget(runs_of):
    rows = [f"{1e8 * 1.04**k},1e9,3" for k in range(20)]
    runs = runs_of("\n".join(["n_params,n_tokens,web", *rows]))
    spread = runs.runs["flops"].groupby(runs.budgets()).agg(lambda c: c.max() / c.min())
    assert spread.max() <= 1.05
    assert len(spread) == 10


def test_budgets_with_few_sizes_are_left_out_by_name(shipped):
    runs = require_sizes(shipped["isoflop"], 5)
    assert len(runs.runs) == 525
    assert runs.warnings == (
        "Left out, with fewer than 5 sizes: group 'starcoder' at 2e+17 FLOP (4).",
    )
    assert require_sizes(shipped["isoflop"]).warnings == ()


def test_reruns_are_not_sizes(shipped):
    with pytest.raises(RunsError, match=r"fewer than 3 sizes: .* and 13 more\. Train more sizes"):
        require_sizes(shipped["olmo-ladder"])


def test_one_group_says_nothing_about_the_mix(shipped):
    with pytest.raises(RunsError, match=r"fewer than 2 groups: .* says nothing about the data mix"):
        require_groups(shipped["olmo-ladder"])
    runs = require_groups(shipped["overtraining"])
    assert len(runs.runs) == 101
    assert "9.95e+20 FLOP with 'c4' (1)" in runs.warnings[0]


# Skills


def test_the_shipped_skills_name_every_shipped_loss_and_no_other(shipped):
    lines = (DATA / "runs" / "skills.csv").read_text().splitlines()[1:]
    named = [line.split(",")[0] for line in lines]
    losses = {loss for runs in shipped.values() for loss in runs.loss_names}
    assert sorted(named) == sorted(losses)


def test_the_grid_measures_every_skill(shipped):
    skills = load_skills(losses=shipped["isoflop"].loss_names)
    assert set(skills) == {"general", "knowledge", "code", "reasoning", "commonsense"}
    assert set(skills.index) <= set(shipped["isoflop"].loss_names)
    assert "task_boolq" not in skills


def test_skills_may_name_losses_of_the_shipped_runs_and_leave_some_out(skills_of):
    skills = skills_of("loss,skill\nweb,general\ncode,\nval_c4,general\n", ["web", "code"])
    assert skills.to_dict() == {"web": "general"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "loss,skill\nweb,general\ncoed,code\n",
            "loss is not in these runs at line 3 (coed). Correct the name or remove the row "
            "('coed': nearest 'code').",
        ),
        ("loss,skill\nweb,general\nweb,code\n", "loss repeats an earlier row at line 3 (web)."),
        ("loss\nweb\n", "column 'skill' is missing."),
        ("loss,skill\n,code\n", "loss is missing at line 2."),
        ("loss,skill\nweb,\n", "no loss has a skill. Map at least one loss of these runs: 'web', "),
        ("loss,skill\nval_c4,code\n", "no loss has a skill. Map at least one loss of these runs"),
    ],
)
def test_bad_skills_are_reported(skills_of, text, sentence):
    with pytest.raises(TableError) as caught:
        skills_of(text, ["web", "code"])
    (problem,) = caught.value.problems
    assert problem.startswith(f"skills.csv: {sentence}")


def test_all_problems_of_skills_are_found_at_once(skills_of):
    with pytest.raises(TableError, match="2 problems found"):
        skills_of("loss,skill\nweb,general\nweb,code\ncoed,code\n", ["web", "code"])
