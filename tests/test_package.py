"""The package as it is seen from outside: its map, its names, its version, its wheel."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from types import ModuleType

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import skillscale as sk
import skillscale.ledger
import skillscale.plots
import skillscale.runs
from harness_files import version_4, write_json
from skillscale.cli.app import COMMANDS, app

ROOT = Path(__file__).parents[1]
PACKAGE = Path(sk.__file__).parent
NO_ROOMS = ("__init__.py", "__init__.pyi", "py.typed")
ROW = re.compile(r"^\| (\d+) \| `(\w+)` \| .+ \|$", re.MULTILINE)


def layers_of_the_map() -> list[set[str]]:
    rows = [(int(layer), room) for layer, room in ROW.findall(sk.__doc__ or "")]
    return [{room for layer, room in rows if layer == n} for n in range(rows[0][0], 0, -1)]


def test_the_map_names_every_room_there_is():
    rooms = {p.stem for p in PACKAGE.iterdir() if p.name not in NO_ROOMS}
    assert set().union(*layers_of_the_map()) == rooms - {"__pycache__", "benchmarks_data"}


def test_the_map_has_the_layers_that_imports_are_held_to():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = config["tool"]["importlinter"]["contracts"]
    held = [set(layer.split(" | ")) for layer in contract["layers"]]
    assert held == layers_of_the_map()


@pytest.mark.parametrize("room", [skillscale.ledger, skillscale.runs])
def test_maps_of_rooms_name_every_file(room):
    listed = re.findall(r"^\| (`[^|]+) \|", room.__doc__ or "", re.MULTILINE)
    named = {name for cell in listed for name in re.findall(r"`(\w+)`", cell)}
    assert named == {p.stem for p in Path(room.__file__).parent.glob("*.py")} - {"__init__"}


def test_tests_lie_in_the_rooms_they_test():
    rooms = {p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert rooms <= {p.name for p in PACKAGE.iterdir()}


def modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(sk.__path__, "skillscale.")
    return [importlib.import_module(module.name) for module in found]


def test_no_name_hides_a_module():
    for module in [sk, *modules()]:
        for name in (
            getattr(module, "__path__", None)
            and [m.name for m in pkgutil.iter_modules(module.__path__)]
        ) or []:
            value = getattr(module, name, None)
            assert isinstance(value, ModuleType), f"{module.__name__}.{name} is no module"


def test_rooms_offer_what_they_say_they_offer():
    for module in (sk, skillscale.ledger, skillscale.runs, skillscale.plots):
        assert [name for name in module.__all__ if not hasattr(module, name)] == []
        assert module.__all__ == sorted(module.__all__)


HEAVY = {"jax", "numpyro", "sklearn", "matplotlib", "arviz_stats"}


def imported(arguments: list[str]) -> set[str]:
    """What a command imports, in a process of its own."""
    code = (
        "import sys; from skillscale.cli.app import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(answer.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("command", ["--help", "--version"])
def test_what_needs_no_numbers_imports_none(command):
    assert imported([command]) & {"numpy", "pandas", *HEAVY} == set()


def test_what_reads_tables_imports_no_law(tmp_path):
    wide = tmp_path / "wide.csv"
    wide.write_text("Model;Params;Tokens;MMLU\nant-1b;1B;2T;30,1\nant-7b;7B;2T;45,3\n")
    results = write_json(tmp_path / "results.json", version_4({"mmlu": {"acc,none": 0.4}}))
    read = ["import", "lm-eval", str(results), "--n-params", "7e9", "--n-tokens", "2e12"]
    assert imported(["families"]) & {"pandera", *HEAVY} == set()
    assert imported(["data", "validate", "--no-doubts"]) & HEAVY == set()
    assert imported([*read, "--dry-run"]) & HEAVY == set()
    assert imported(["import", "wide", str(wide), "-o", str(tmp_path / "table")]) & HEAVY == set()


def test_a_forecast_from_a_saved_fit_imports_no_inference(tmp_path):
    plan, observed = tmp_path / "plan.csv", tmp_path / "observed.csv"
    plan.write_text("model,n_params,n_tokens\nant-70b,70e9,15e12\n")
    observed.write_text("model,n_params,n_tokens,mmlu\nant-8b,8e9,15e12,0.6\n")
    forecast = ["forecast", "--observed", str(observed), "--plan", str(plan)]
    assert imported(forecast) & {"numpyro", "sklearn", "matplotlib"} == set()


def test_the_help_says_of_every_command_what_the_command_says():
    group = typer.main.get_command(app)
    for name, (_, line) in COMMANDS.items():
        command = group.get_command(None, name)
        assert (command.help or "").strip().splitlines()[0] == line, name
    assert group.get_command(None, "forcast") is None


def test_the_package_knows_its_version():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert sk.__version__ == config["project"]["version"]


def test_no_private_name_is_imported_from_another_module():
    for path in PACKAGE.rglob("*.py"):
        for names in re.findall(
            r"^from skillscale\S* import (.+)$", path.read_text(), re.MULTILINE
        ):
            private = [name for name in names.split(", ") if name.startswith("_")]
            assert private in ([], ["__version__"]), path


def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {sk.__version__}\n" in citation
    assert all(paper in citation for paper in ("arXiv:2412.06540", "arXiv:2503.10061"))


SITE_PACKAGES = "import sysconfig; print(sysconfig.get_path('purelib'))"
USED = """
import skillscale as sk
table = sk.load_table("classic")
print(len(table.models))
families = ["llama", "llama-2", "pythia", "qwen1.5"]
small = table.select(benchmarks=["mmlu", "gsm8k"], families=families)
spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
fit = sk.fit(small, spec, method=sk.Svi(draws=200))
print(fit)
print(sk.__file__)
"""


@pytest.mark.parametrize(
    "with_dependencies",
    [pytest.param(False, marks=pytest.mark.long), pytest.param(True, marks=pytest.mark.slow)],
    ids=["dependencies as here", "dependencies installed"],
)
def test_the_wheel_works_in_an_environment_with_nothing_else(tmp_path, with_dependencies):
    """Away from the repository, and from whatever else is installed here but what it needs."""

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("skillscale-*.whl")
    venv.create(tmp_path / "empty", with_pip=False, symlinks=True)
    python = tmp_path / "empty" / "bin" / "python"
    if with_dependencies:
        run(*pip, "--python", python, "install", "--no-compile", wheel)
    else:
        run(*pip, "--python", python, "install", "--no-deps", wheel)
        packages = Path(run(python, "-c", SITE_PACKAGES).strip())
        linked_with_dependencies(packages)
    version = run(tmp_path / "empty" / "bin" / "skillscale", "--version")
    assert version == f"skillscale {sk.__version__}\n"
    models, fit, path = run(python, "-c", USED).splitlines()
    assert int(models) == len(sk.load_table("classic").models)
    assert fit.startswith("Fit(23 models of 4 families")
    assert Path(path).is_relative_to(tmp_path)


def linked_with_dependencies(packages: Path) -> None:
    """Link the files of what the package requires, and what that does, into an environment."""
    left, seen = [Requirement("skillscale")], set()
    while left:
        wanted = left.pop()
        key = (canonicalize_name(wanted.name), *sorted(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        found = importlib.metadata.distribution(wanted.name)
        for needed in map(Requirement, found.requires or ()):
            extras = ("", *wanted.extras)
            if not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in extras):
                left.append(needed)
        tops = {file.parts[0] for file in found.files or () if file.parts[0] != ".."}
        for top in () if wanted.name == "skillscale" else tops - {"__pycache__"}:
            link = packages / top
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))).resolve())
