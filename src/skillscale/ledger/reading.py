"""Files and folders of forecasts, read and verified."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from skillscale.backtest.frozen import SCHEMA
from skillscale.backtest.sealed import HASH, read_sealed
from skillscale.errors import SkillscaleError
from skillscale.forecasts.examination import silent
from skillscale.ledger.entry import Entry


def read_entry(path: str | Path) -> Entry:
    """Read a forecast, and verify that it is the one that was written.

    Args:
        path: a file that ``skillscale forecast --save`` or ``skillscale backtest --freeze`` wrote.

    Returns:
        The forecast, called as the file is.

    Raises:
        SkillscaleError: the file is missing, no such file or of another schema, or was changed.

    Example:
        >>> read_entry("/no/such/forecast.json")
        Traceback (most recent call last):
        skillscale.errors.SkillscaleError: /no/such/forecast.json can't be read as frozen ...
    """
    return Entry(Path(path).stem, read_sealed(Path(path), SCHEMA))


def read_entries(
    paths: Iterable[str | Path], *, on_note: Callable[[str], None] = silent
) -> list[Entry]:
    """Read forecasts from files and folders.

    Args:
        paths: files, as of `read_entry`, and folders of ``.json`` files. In a folder, files that
            are no forecasts at all are passed over, aloud; one that was changed is not.
        on_note: told what is passed over, a sentence each.

    Returns:
        Forecasts in the order of the paths, those of a folder by name; a file that is named twice
        once. Where two files have one name, their folders are part of what they are called.

    Raises:
        SkillscaleError: a path is missing, a file is none of a forecast or was changed, or a folder
            holds none.

    Example:
        >>> import tempfile
        >>> read_entries([tempfile.mkdtemp()])
        Traceback (most recent call last):
        skillscale.errors.SkillscaleError: ... holds no forecasts. Name files of ...
    """
    files: dict[Path, Path] = {}
    for path in map(Path, paths):
        found = [path]
        if path.is_dir():
            of_folder = sorted(path.glob("*.json"))
            found = [file for file in of_folder if _is_entry(file)]
            for file in of_folder:
                if file not in found:
                    on_note(f"{file} is no forecast, and passed over.")
            if not found:
                raise SkillscaleError(
                    f"{path} holds no forecasts. Name files of skillscale forecast --save, or a "
                    "folder of these."
                )
        files |= {file.resolve(): file for file in found}
    stems = [file.stem for file in files.values()]
    return [
        Entry(file.stem if stems.count(file.stem) == 1 else str(file), read_entry(file).document)
        for file in files.values()
    ]


def _is_entry(path: Path) -> bool:
    """Whether a file says that it is a forecast, or can't be read at all."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return True  # reading it says what is wrong
    return isinstance(document, dict) and bool({HASH, "forecasts"} & set(document))
