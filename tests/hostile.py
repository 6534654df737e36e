"""Files that nobody meant to write, given to every command that reads their kind."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import h5py
import numpy as np
from numpy.random import Generator

import skillscale as sk
from skillscale.cli.app import main
from small import BACKTEST_BENCHMARKS, FAMILIES, SPEC, write_table

SEED = 16
PATIENCE = 20.0
"""Seconds that a command may take."""
METHOD = sk.Svi(draws=100, gradient_steps=300, newton_steps=5)

PLAN = "model,n_params,n_tokens,tuning,release\nnova-8b,8e9,2e12,base,2024-03\n"
OBSERVED = (
    "model,n_params,n_tokens,tuning,release,mmlu,gsm8k\n"
    "nova-1b,1.1e9,2e12,base,2024-03,0.38,0.07\nnova-3b,3e9,2e12,base,2024-03,0.52,0.26\n"
)
NEW_SCORES = "model,humaneval\n" + "".join(
    f"{model},{score}\n"
    for model, score in {
        "llama-2-7b": 0.128, "llama-2-13b": 0.183, "llama-2-70b": 0.299,
        "pythia-12b": 0.116, "qwen1.5-14b": 0.396, "llama-7b": 0.105,
    }.items()
)  # fmt: skip
ITEMS = "item,n,correct\n" + "".join(f"{i},20,{i % 7}\n" for i in range(12))
RUNS = "group,n_params,n_tokens,web\n" + "".join(
    f"{group},{size:g},{flops / 6 / size:g},"
    f"{1.7 + (size / 1e7) ** -0.3 + (flops / 6e8 / size) ** -0.3:.4f}\n"
    for group in "abc"
    for flops in (1e18, 4e18)
    for size in (1e8, 2e8, 4e8, 8e8)
)
LOSSES = "loss,skill\nweb,general\n"
SPECIFICATION = (
    'skills = ["knowledge", "reasoning"]\nanchors = ["mmlu", "gsm8k"]\nreference_params = 7e9\n'
    "[priors]\nslope = { mean = 0.6, sd = 0.6 }\ntokens_sd = 0.7\n"
)


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: of the file; of tables, of one of the three.
        sound: what it holds if nothing is wrong.
        commands: that read it; ``{}`` stands for the file, ``{fit}`` and so on for sound ones.
    """

    name: str
    sound: str
    commands: tuple[str, ...]


KINDS = (
    Kind("plan.csv", PLAN, (
        "forecast {fit} --plan {}", "next {fit} --plan {} --observed {observed}",
        "pass-at-k {fit} --plan {} --benchmark gsm8k",
        "isoflop {runs} --show forecast --plan {} --loss web",
    )),
    Kind("observed.csv", OBSERVED, (
        "forecast {fit} --plan {plan} --observed {} --no-refit",
        "next {fit} --plan {plan} --observed {} --no-refit",
        "pass-at-k {fit} --plan {plan} --observed {} --benchmark gsm8k --no-refit",
        "optimum {fit} --observed {} --flops 1e22 --benchmark mmlu",
        "forecast {fit} --plan {plan} --observed {} --no-refit --normalised",
    )),
    Kind("scores.csv", NEW_SCORES, (
        "add-benchmark {fit} --scores {} -o {out}/extended.nc",
        "add-benchmark {fit} --scores {} -o {out}/extended.nc --n-items 164",
    )),
    Kind("items.csv", ITEMS, (
        "pass-at-k {fit} --plan {plan} --benchmark gsm8k --items {}",
    )),
    Kind("runs.csv", RUNS, ("isoflop {} --loss web",)),
    Kind("losses.csv", LOSSES, ("isoflop {runs} --skills {}",)),
    Kind("mixes.csv", "group,code\na,0.5\nb,0.1\nc,0.2\n", (
        "isoflop {runs} --show mixes --loss web --mixes {}",
    )),
    *(
        Kind(f"table/{name}.csv", "", (
            "data validate {folder} --no-doubts", "priors --data {folder} --spec {spec}",
            "spec --data {folder} -o {out}/spec.toml",
        ))
        for name in ("models", "scores", "benchmarks")
    ),
    Kind("spec.toml", SPECIFICATION, (
        "priors --data {table} --spec {}", "priors --check --data {table} --spec {}",
    )),
    Kind("fit.nc", "", (
        "families {}", "forecast {} --plan {plan}", "optimum {} --flops 1e22", "check {}",
        "skills {}", "next {} --plan {plan} --observed {observed}",
        "pass-at-k {} --plan {plan} --benchmark gsm8k",
        "add-benchmark {} --scores {scores} -o {out}/extended.nc",
    )),
)  # fmt: skip

CELLS = (
    "nan", "NaN", "inf", "-inf", "1e400", "-1", "0", "-0.0", "1e-320", "1,5", "\uff17", "0x10",
    "1_000", "\u0663", "", " ", "None", "null", "true", "=cmd|' /C calc'!A0", "=1+1",
    "+1", "@SUM(A1)", "1B", "10T", "70%", "1e3e3", "[red]x[/red]", "[/]", "\x1b[31mred\x1b[0m",
    "\u202egnp.exe", "🦙", "a\nb", '"', '""', "'; DROP TABLE models; --", "../../etc/passwd",
    "x" * 300_000, "9" * 400, "1" + "0" * 30, "\u200b", "0.999999999999999999999", "{}", "%s%n",
    "2024-13", "1999-01", "n_params", "\ufeff", "1e15", "1e-9", "0.5",
)  # fmt: skip
TOML_VALUES = (
    "nan", "inf", "-1", "0", "true", '"text"', "[]", "{}", "[[1]]", '["a", 1]', "1979-05-27",
    "1e308", "1e-308", "9" * 400, '["mmlu", "mmlu"]', '["zzz", "gsm8k"]', '"' + "x" * 100_000 + '"',
    "{ mean = nan }", "{ mean = 0.5, sd = 0 }", "{ median = 1 }", "[" * 5000, "''", '[""]', "0x7f",
)  # fmt: skip

Mutation = Callable[[str, Generator], bytes]


def _cell(text: str, rng: Generator) -> bytes:
    """One cell, or a name in the header, is something else."""
    lines = text.splitlines()
    row = int(rng.integers(len(lines)))
    cells = lines[row].split(",")
    value = str(rng.choice(np.array(CELLS, object)))
    quoted = '"' + value.replace('"', '""') + '"' if rng.random() < 0.8 else value
    cells[int(rng.integers(len(cells)))] = quoted
    lines[row] = ",".join(cells)
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def _column(text: str, rng: Generator) -> bytes:
    """All cells of a column are something else."""
    header, *rows = (line.split(",") for line in text.splitlines())
    column = int(rng.integers(len(header)))
    value = str(rng.choice(np.array([cell for cell in CELLS if len(cell) < 100], object)))
    for row in rows:
        if column < len(row):
            row[column] = '"' + value.replace('"', '""') + '"'
    return "\n".join(",".join(row) for row in [header, *rows]).encode()


def _bytes(text: str, rng: Generator) -> bytes:
    """Some bytes are others, or all of them."""
    raw = np.frombuffer(text.encode(), np.uint8).copy()
    if rng.random() < 0.4:
        return rng.bytes(int(rng.integers(1, 5000)))
    where = rng.integers(len(raw), size=int(rng.integers(1, 9)))
    raw[where] = rng.integers(256, size=len(where))
    return raw.tobytes()


def _encoded(text: str, rng: Generator) -> bytes:
    """Another encoding, or other ends of lines."""
    odd = text.replace("a", "ä", 3)
    encoding = str(rng.choice(["utf-16", "utf-32", "latin-1", "utf-8-sig", "cp1252", "utf-16-le"]))
    ends = str(rng.choice(["\n", "\r", "\r\n", "\n\n\n", "\x0b"]))
    return odd.replace("\n", ends).encode(encoding)


def _layout(text: str, rng: Generator) -> bytes:
    """Rows, columns or separators are not where they should be."""
    lines = text.splitlines()
    header = lines[0]
    wide = ",".join(f"c{i}" for i in range(3000))
    choices = [
        "", "\n", header, header + "\n" + header, text.replace(",", ";"), text.replace(",", "\t"),
        text + lines[-1] * 3, text + lines[-1], text + text, "\n".join(lines[::-1]),
        text[: len(text) // 2],
        header + "," + wide + "\n" + "\n".join(lines[1:]),
        header + "," + wide + "\n" + "\n".join(line + ",1" * 3000 for line in lines[1:]),
        header + "," + header + "\n" + "\n".join(line + "," + line for line in lines[1:]),
        text.replace("\n", ",\n"), text.replace("\n", ",,\n"), text.replace(",", '","'),
        '"' + text, text + '"', "sep=,\n" + text, "# a comment\n" + text, "\n\n" + text,
        text.upper(), text.replace("\n", '"\n"'),
        text.replace(",", " , "), header + "\n" + "\n".join([lines[-1]] * 3000),
        "\n".join(line.split(",", 1)[-1] for line in lines), "<html><body>" + text,
        text.replace("e", "E"),
    ]  # fmt: skip
    return str(rng.choice(np.array(choices, object))).encode()


def _other(text: str, rng: Generator) -> bytes:
    """A file of another kind."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("xl/workbook.xml", text)
    choices = [
        json.dumps({"results": {"arc_challenge": {"acc,none": 0.2}}}).encode(),
        json.dumps([{"a": text}]).encode(), packed.getvalue(), b"%PDF-1.7\n" + text.encode(),
        b"\x89HDF\r\n\x1a\n" + text.encode(), b"\xd0\xcf\x11\xe0" + b"\0" * 600,
        b"\x1f\x8b" + b"x" * 50,
        SPECIFICATION.encode(), RUNS.encode(), PLAN.encode(), b"-----BEGIN", b"\0" * 1000,
    ]  # fmt: skip
    return bytes(choices[int(rng.integers(len(choices)))])


def _toml(text: str, rng: Generator) -> bytes:
    """One value is something else, or one key."""
    lines = text.splitlines()
    row = int(rng.integers(len(lines)))
    key, _, value = lines[row].partition(" = ")
    other = str(rng.choice(np.array(TOML_VALUES, object)))
    key = str(
        rng.choice([key, key, key, "skil", "benchmarks", "exploratory", "evidence", "trend_from"])
    )
    lines[row] = f"{key} = {other if value else '1'}"
    return "\n".join(lines).encode()


CSV_MUTATIONS: tuple[Mutation, ...] = (
    _cell,
    _cell,
    _cell,
    _column,
    _bytes,
    _encoded,
    _layout,
    _other,
)
TOML_MUTATIONS: tuple[Mutation, ...] = (_toml, _toml, _toml, _bytes, _encoded, _other)


def _damaged_fit(path: Path, rng: Generator) -> str:
    """Change a saved fit in its place."""
    raw = path.read_bytes()
    how = str(
        rng.choice(["truncated", "bytes", "other", "attribute", "missing", "values", "shape"])
    )
    if how == "truncated":
        path.write_bytes(raw[: int(rng.integers(len(raw)))])
    elif how == "bytes":
        changed = np.frombuffer(raw, np.uint8).copy()
        where = rng.integers(len(changed), size=200)
        changed[where] = rng.integers(256, size=200)
        path.write_bytes(changed.tobytes())
    elif how == "other":
        path.write_bytes(_other(PLAN, rng))
    else:
        with h5py.File(path, "r+") as file:
            if how == "attribute":
                name = str(rng.choice(["spec", "provenance", "skillscale_schema"]))
                file.attrs[name] = str(
                    rng.choice(["", "{}", "[1]", "null", "3", '{"a": ', '{"skills": 3}'])
                )
            else:
                names = sorted(file["posterior"])
                name = str(rng.choice(names))
                values = file["posterior"][name][()]
                if how != "values" or values.dtype.kind != "f":
                    del file["posterior"][name]
                if how == "shape":
                    file["posterior"][name] = values[..., :1]
                elif how == "values" and values.dtype.kind == "f":
                    file["posterior"][name][...] = values * float(rng.choice([np.nan, np.inf]))
    return how


class Sound:
    """A folder of sound files of every kind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        families = [*FAMILIES, "opt"]
        table = sk.load_table("classic").select(benchmarks=BACKTEST_BENCHMARKS, families=families)
        fit = sk.fit(table, SPEC, method=METHOD)
        self.files: dict[str, Path] = {}
        for kind in KINDS:
            self.files[Path(kind.name).stem] = folder / kind.name
            (folder / kind.name).parent.mkdir(exist_ok=True)
            (folder / kind.name).write_text(kind.sound)
        fit.save(folder / "fit.nc")
        self.files["table"] = folder / "table"
        self.files["scores"] = folder / "scores.csv"
        write_table(table, folder / "table")


def hostile_file(sound: Sound, i: int, folder: Path) -> tuple[Kind, str, Path]:
    """Write the i-th hostile file into a folder of its own."""
    rng = np.random.default_rng([SEED, i])
    kind = KINDS[i % len(KINDS)]
    original = sound.folder / kind.name
    path = folder / kind.name
    if kind.name.startswith("table/"):
        shutil.copytree(original.parent, path.parent)
    if kind.name == "fit.nc":
        shutil.copy(original, path)
        return kind, _damaged_fit(path, rng), path
    mutations = TOML_MUTATIONS if kind.name.endswith("toml") else CSV_MUTATIONS
    mutation = mutations[int(rng.integers(len(mutations)))]
    path.write_bytes(mutation(original.read_text(), rng))
    return kind, mutation.__name__, path


class Outcome(NamedTuple):
    """What became of a command."""

    code: int | None
    error: str
    raised: BaseException | None
    seconds: float


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def give_up(signum: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def ask(arguments: Sequence[str]) -> Outcome:
    """Run a command in this process, as a shell would."""
    out, error = io.StringIO(), io.StringIO()
    begun = time.perf_counter()
    code, raised = None, None
    ignored: list[sys.UnraisableHookArgs] = []
    with patch.object(sys, "unraisablehook", ignored.append):
        try:
            with (
                patch.object(sys, "argv", ["skillscale", *arguments]),
                redirect_stdout(out),
                redirect_stderr(error),
                _at_most(3 * PATIENCE),
            ):
                main()
        except SystemExit as end:
            code = 0 if end.code is None else int(end.code)
        except BaseException as problem:
            raised = problem
    if ignored:
        raised = ignored[0].exc_value
    return Outcome(code, error.getvalue(), raised, time.perf_counter() - begun)


PLACE = re.compile(
    r"line \d|column|header|\brows? |is empty|byte|binary|Excel|JSON|separated by|\bkey\b|prior|"
    r"evidence|skills|anchors|benchmarks|exploratory|trend_from|reference|nests|netCDF|posterior/|"
    r"schema|hash|specification|groups? |number of items of"
)


def without_names(message: str, path: Path) -> str:
    """A message without the names of files, which may sound like places."""
    names = [str(path), str(path.parent), path.name, path.stem, *(Path(k.name).name for k in KINDS)]
    for name in names:
        message = message.replace(name, "")
    return message


def complaints(kind: Kind, path: Path, outcome: Outcome, out: Path) -> Iterator[str]:
    """What is wrong with how a command took a file."""
    if outcome.raised is not None:
        yield f"raised {type(outcome.raised).__name__}: {str(outcome.raised)[:300]}"
        return
    if "Traceback" in outcome.error:
        yield "printed a traceback"
    if outcome.code not in (0, 1, 2):
        yield f"exit code {outcome.code}"
    if outcome.seconds > PATIENCE:
        yield f"took {outcome.seconds:.0f} s"
    if outcome.code == 2:
        message = outcome.error.replace("\n", " ")
        names = [path.name] + (["table"] if kind.name.startswith("table/") else [])
        if not any(name in message for name in names):
            yield f"names no file: {message[:300]}"
        if not PLACE.search(without_names(message, path)):
            yield f"names no place: {message[:300]}"
        if len(message) > 20_000:
            yield f"a message of {len(message)} characters: {message[:300]}"
    if outcome.code and list(out.iterdir()):
        yield f"left {[file.name for file in out.iterdir()]}"


def try_files(numbers: Sequence[int]) -> dict[str, Any]:
    """Give some hostile files to every command that reads their kind."""
    found: list[str] = []
    n_commands, slowest = 0, 0.0
    codes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as name:
        (sound_folder := Path(name) / "sound").mkdir()
        sound = Sound(sound_folder)
        for i in numbers:
            (folder := Path(name) / str(i)).mkdir()
            kind, how, path = hostile_file(sound, i, folder)
            for command in kind.commands:
                (out := folder / "out").mkdir(exist_ok=True)
                known = {key: str(value) for key, value in sound.files.items()}
                known |= {"out": str(out), "folder": str(path.parent)}
                arguments = [part.format(str(path), **known) for part in command.split()]
                outcome = ask(arguments)
                n_commands += 1
                slowest = max(slowest, outcome.seconds)
                codes[str(outcome.code)] = codes.get(str(outcome.code), 0) + 1
                place = f"file {i}, {kind.name} {how}, {command}"
                found += [f"{place}: {text}" for text in complaints(kind, path, outcome, out)]
                shutil.rmtree(out)
            shutil.rmtree(folder)
    return {
        "files": len(numbers),
        "commands": n_commands,
        "exit_codes": codes,
        "slowest_seconds": slowest,
        "complaints": found,
    }


def together(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What became of the files of some parts."""
    codes = {code for result in results for code in result["exit_codes"]}
    return {
        "files": sum(result["files"] for result in results),
        "commands": sum(result["commands"] for result in results),
        "exit_codes": {
            code: sum(result["exit_codes"].get(code, 0) for result in results)
            for code in sorted(codes)
        },
        "slowest_seconds": max(result["slowest_seconds"] for result in results),
        "complaints": [text for result in results for text in result["complaints"]],
    }


def holds(answer: dict[str, Any]) -> None:
    """Nothing to complain of."""
    assert answer["complaints"] == []
