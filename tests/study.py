"""Studies that take longer than tests may: ``make study``, or ``python tests/study.py NAME...``.

A study is made of parts. A part that is done is kept (in ``.studies``), so that a study that was
stopped goes on where it was, as long as code and data are the same. Results go to
``benchmarks_data/studies``, with date and commit. ``make test-slow`` runs a part of every study,
drawn at random with a fixed seed, and holds it to what the study found, within its error.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import agreement
import doubt_cases
import hostile
import real_grids
import simulated_grids
import simulated_leaderboards
import skillscale as sk
from skillscale.backtest import protocols
from skillscale.backtest.accuracy import accuracy
from skillscale.backtest.advice import advice_cases, run_advice, summarise
from skillscale.backtest.folds import setting_benchmarks
from skillscale.backtest.left_out_benchmarks import N_MODELS, backtest_new_benchmarks, by_n_models
from skillscale.backtest.published import SETTINGS, as_published
from skillscale.backtest.refits import Refits
from skillscale.backtest.report import Report
from skillscale.backtest.scores import OURS
from skillscale.backtest.studies import run_studies
from skillscale.files import write_text

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks_data" / "studies"
KEPT = ROOT / ".studies"
GROUPS_PER_PART = 1
"""Posteriors that a part of a back-test finds."""
JOBS = 2
"""Processes of a part."""
FILES_PER_PART = 50

Result = dict[str, Any]
"""Plain values, for JSON."""


class Study(NamedTuple):
    """A measurement in parts.

    Attributes:
        name: of its file.
        question: what it answers.
        parts: names of its parts.
        run: from the name of a part to its result.
        summarise: from the results of some parts to the answer.
        check: asserts what holds of an answer, however few its parts.
    """

    name: str
    question: str
    parts: Callable[[], Sequence[str]]
    run: Callable[[str], Result]
    summarise: Callable[[Sequence[Result]], Result]
    check: Callable[[Result], None]


def code() -> str:
    """Hash of what results depend on."""
    files = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks_data").rglob("*.csv")])
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def commit() -> str:
    """The commit that the code is of, or nearly."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    changed = "+ changes" if git("status", "--porcelain", "src", "benchmarks_data/*.csv") else ""
    return f"{git('rev-parse', '--short', 'HEAD')}{changed}"


def carry_out(study: Study, kept: Path = KEPT, results: Path = RESULTS) -> Result:
    """Run the parts of a study that are not kept, and write its result."""
    parts, found = study.parts(), []
    folder = kept / code() / study.name
    folder.mkdir(parents=True, exist_ok=True)
    for i, part in enumerate(parts, start=1):
        path = folder / f"{part.replace('/', '_')}.json"
        if path.exists():
            found.append(json.loads(path.read_text()))
            continue
        print(f"{study.name} {i}/{len(parts)}: {part}", file=sys.stderr, flush=True)
        begun = time.perf_counter()
        result = study.run(part)
        found.append({"result": result, "seconds": time.perf_counter() - begun})
        write_text(path, json.dumps(found[-1]))
    answer = {
        "question": study.question,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "seconds": round(sum(part["seconds"] for part in found)),
        "answer": rounded(study.summarise([part["result"] for part in found])),
    }
    results.mkdir(parents=True, exist_ok=True)
    write_text(results / f"{study.name}.json", json.dumps(answer, indent=1) + "\n")
    return answer


def rounded(answer: Result, digits: int = 6) -> Result:
    """The same numbers, as far as they are known."""
    result: Result = json.loads(
        json.dumps(answer), parse_float=lambda text: float(f"{float(text):.{digits}g}")
    )
    return result


def _frame_text(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False)


def _frame(text: str) -> pd.DataFrame:
    return pd.read_csv(StringIO(text), keep_default_na=True)


class Backtest:
    """Folds of a protocol, in parts of a few posteriors each."""

    def __init__(self, refits: Callable[[], Refits], studies: Callable[[sk.Table], list]):
        self.refits = refits
        self.studies = cache(lambda: studies(refits().table))

    def groups(self) -> list[list[frozenset[str]]]:
        """What the folds of every part hold out."""
        folds = [fold for study in self.studies() for fold in study.folds]
        held_out = list(dict.fromkeys(fold.held_out for fold in folds))
        starts = range(0, len(held_out), GROUPS_PER_PART)
        return [held_out[i : i + GROUPS_PER_PART] for i in starts]

    def parts(self) -> list[str]:
        return [f"{i:03d}" for i in range(len(self.groups()))]

    def run(self, part: str) -> Result:
        held_out = self.groups()[int(part)]
        some = [
            study._replace(folds=[fold for fold in study.folds if fold.held_out in held_out])
            for study in self.studies()
        ]
        some = [study for study in some if study.folds]
        reports = run_studies(some, self.refits(), jobs=JOBS)
        return {
            json.dumps([report.protocol, dict(report.options)]): {
                "cells": _frame_text(report.cells),
                "joint": _frame_text(report.joint),
            }
            for report in reports
        }

    @staticmethod
    def reports(results: Sequence[Result]) -> list[Report]:
        """Reports of all parts together."""
        parts: dict[str, list[Result]] = {}
        for result in results:
            for key, texts in result.items():
                parts.setdefault(key, []).append(texts)
        return [
            Report(
                *json.loads(key),
                pd.concat([_frame(texts["cells"]) for texts in of_key], ignore_index=True),
                None,
                0.0,
                # CSV has no empty names.
                pd.concat([_frame(texts["joint"]).fillna({"other": ""}) for texts in of_key]),
            )
            for key, of_key in parts.items()
        ]

    @classmethod
    def summarise(cls, results: Sequence[Result]) -> Result:
        def numbers(report: Report) -> Result:
            summary = report.summary()
            kept = ("options", "n_folds", "n_scores", "n_cells", "n_lineages", "mae_points", "crps")
            baselines = {
                name: {key: value for key, value in of.items() if key != "accuracy"}
                for name, of in summary["baselines"].items()
            }
            paired = {
                name: {kind: {key: of[key] for key in ("mae_points", "crps")} for kind, of in parts}
                for name, parts in ((name, of.items()) for name, of in summary["paired"].items())
            }
            return {name: summary[name] for name in (*kept, "accuracy")} | {
                "baselines": baselines,
                "paired": paired,
                "joint": summary["joint"][OURS],
            }

        reports = cls.reports(results)
        cells = pd.concat([report.cells for report in reports], ignore_index=True)
        ours = cells[cells["method"] == OURS]
        coverage = {level: of["value"] for level, of in accuracy(ours)["all"]["coverage"].items()}
        return {"coverage": coverage, "settings": [numbers(report) for report in reports]}


def holds_scores(answer: Result) -> None:
    """Of a part: intervals that hold most scores, and errors smaller than every baseline's."""
    assert 0.6 < answer["coverage"]["80"] < 0.97, answer["coverage"]
    ours = np.mean([setting["mae_points"] for setting in answer["settings"]])
    for name in answer["settings"][0]["baselines"]:
        theirs = [setting["baselines"][name]["mae_points"] for setting in answer["settings"]]
        assert ours < np.mean(theirs) + 1, name


@cache
def _shipped() -> Refits:
    return Refits(sk.load_table("classic"), sk.Spec())


@cache
def _as_published() -> Refits:
    return Refits(as_published(sk.load_table("classic")), sk.Spec())


SLOTH = Backtest(
    _as_published,
    lambda table: [
        protocols.make_study("sloth", table, n_seen=n, setting=setting)
        for n in (1, 2)
        for setting in SETTINGS
    ],
)
TIME_ORDERED = Backtest(
    _shipped,
    lambda table: [protocols.make_study("time-ordered", table, n_seen=n) for n in (0, 1, 2)],
)
LEAVE_BENCHMARKS = Backtest(
    _shipped, lambda table: [protocols.make_study("leave-benchmarks", table)]
)


def _new_benchmark(name: str) -> Result:
    report = backtest_new_benchmarks(sk.load_table("classic"), sk.Spec(), benchmarks=[name], jobs=1)
    return {"cells": _frame_text(report.cells)}


def _of_new_benchmarks(results: Sequence[Result]) -> Result:
    cells = pd.concat([_frame(result["cells"]) for result in results], ignore_index=True)
    found = by_n_models(Report("new-benchmark", {}, cells, None, 0.0))
    return {
        n: {"ratio": of_n["ratio"], **of_n["methods"]["skillscale"]} for n, of_n in found.items()
    }


def _holds_new_benchmarks(answer: Result) -> None:
    assert set(answer) == set(map(str, N_MODELS))
    for n, found in answer.items():
        assert found["ratio"] < 1.2, n
        assert 0.6 < found["coverage"]["80"] < 0.97, n


def _advice(lineage: str) -> Result:
    return {"cells": _frame_text(run_advice(_shipped(), lineages=[lineage]))}


def _of_advice(results: Sequence[Result]) -> Result:
    found = pd.concat([_frame(result["cells"]) for result in results], ignore_index=True)
    return {"rows": json.loads(summarise(found).to_json(orient="records"))}


def _holds_advice(answer: Result) -> None:
    """Advised scores narrow intervals at least as much as random ones."""
    of_order = pd.DataFrame(answer["rows"]).groupby("order")["width_80"].min()
    assert of_order["advised"] < of_order["random"] + 0.5


def _doubts(lineage: str) -> Result:
    refits = _shipped()
    table = refits.table
    models = table.models.index[table.models["lineage"] == lineage]
    fit = refits.without(list(models))
    seed = int.from_bytes(lineage.encode()[:4])
    return {
        "verdicts": _frame_text(doubt_cases.verdicts(fit, table, lineage, seed)),
        "spilt": _frame_text(doubt_cases.spilt(fit, table, lineage, seed)),
    }


def _of_doubts(results: Sequence[Result]) -> Result:
    return doubt_cases.rates(
        *(
            pd.concat([_frame(result[name]) for result in results], ignore_index=True)
            for name in ("verdicts", "spilt")
        )
    )


def _hostile_files(part: str) -> Result:
    first = int(part) * FILES_PER_PART
    return hostile.try_files(range(first, first + FILES_PER_PART))


STUDIES = [
    Study(
        "agreement",
        "How far are forecasts by conditioning from those of a fit to everything observed?",
        lambda: agreement.LINEAGES,
        lambda lineage: agreement.differences(_shipped(), lineage),
        agreement.largest,
        agreement.holds,
    ),
    Study(
        "hostile-files",
        "Does any of 1,000 broken files end in a traceback, a hang or half an output?",
        lambda: [f"{i:02d}" for i in range(1000 // FILES_PER_PART)],
        _hostile_files,
        hostile.together,
        hostile.holds,
    ),
    Study(
        "doubts",
        "How often is a sound score or model doubted, and a wrong one found?",
        lambda: sorted(sk.load_table("classic").models["lineage"].unique()),
        _doubts,
        _of_doubts,
        doubt_cases.holds,
    ),
    Study(
        "coverage-of-optima",
        "How often do 90 % intervals of best sizes hold the truth, on simulated IsoFLOP grids?",
        simulated_grids.parts,
        simulated_grids.part,
        simulated_grids.rates,
        simulated_grids.holds,
    ),
    Study(
        "coverage-of-optima-of-skills",
        "How often do optima of skills hold the truth, on leaderboards simulated by every form?",
        simulated_leaderboards.parts,
        simulated_leaderboards.part,
        simulated_leaderboards.rates,
        simulated_leaderboards.holds,
    ),
    Study(
        "losses-beyond",
        "How good are forecasts of losses of runs larger than all that were fitted?",
        lambda: list(map(str, real_grids.CUTS)),
        real_grids.beyond,
        real_grids.by_cut,
        real_grids.forecasts_hold,
    ),
    Study(
        "published-grids",
        "What do optima from published grids look like beside what was published?",
        lambda: list(real_grids.PUBLISHED),
        real_grids.grid,
        real_grids.by_grid,
        real_grids.grids_agree,
    ),
    Study(
        "leave-benchmarks",
        "How good are forecasts of a model's scores from some others of it?",
        LEAVE_BENCHMARKS.parts,
        LEAVE_BENCHMARKS.run,
        LEAVE_BENCHMARKS.summarise,
        holds_scores,
    ),
    Study(
        "new-benchmark",
        "How good are forecasts on a benchmark added from a few models?",
        lambda: setting_benchmarks(sk.load_table("classic"), "v1+v2"),
        _new_benchmark,
        _of_new_benchmarks,
        _holds_new_benchmarks,
    ),
    Study(
        "next-evaluations",
        "Do advised evaluations narrow forecasts more than random ones?",
        lambda: [case.lineage for case in advice_cases(sk.load_table("classic"))],
        _advice,
        _of_advice,
        _holds_advice,
    ),
]

BACKTESTS = [
    Study(
        "sloth",
        "How good are forecasts in the comparison published with Sloth?",
        SLOTH.parts,
        SLOTH.run,
        SLOTH.summarise,
        holds_scores,
    ),
    Study(
        "time-ordered",
        "How good are forecasts of families released later, with no, one and two models seen?",
        TIME_ORDERED.parts,
        TIME_ORDERED.run,
        TIME_ORDERED.summarise,
        holds_scores,
    ),
]
"""Whose results are those of `make results`: parts of them are tested as those of studies are."""


def main(names: Sequence[str]) -> None:
    """Carry out the studies named, or all of them."""
    known: Mapping[str, Study] = {study.name: study for study in STUDIES}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no study {', '.join(unknown)}: choose among {', '.join(known)}.")
    for name in names or known:
        print(json.dumps(carry_out(known[name]), indent=1))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("stopped; what is done is kept, and make study goes on from there.")
