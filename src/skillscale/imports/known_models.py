"""Models of the shipped table, by what they are called on the hub."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property

import pandas as pd

from skillscale.data.cells import require_cells
from skillscale.data.shipped import shipped_directory
from skillscale.imports.aliases import key


@dataclass(frozen=True, eq=False)
class KnownModels:
    """Models that are described.

    Attributes:
        cells: text of ``models.csv``, indexed by ``model``.
        by_hub: models by their name on the hub, in lower case.
        by_name: models by what `short_key` makes of their names.

    Example:
        >>> known = known_models()
        >>> known.alike("NousResearch/Llama-2-7b-hf")
        'llama-2-7b'
        >>> known.cells.loc["llama-2-7b", "n_tokens"]
        '2e12'
    """

    cells: pd.DataFrame
    by_hub: dict[str, str]
    by_name: dict[str, str]

    def alike(self, name: str) -> str | None:
        """The model of a name, whoever has put it on the hub.

        Args:
            name: on the hub, with or without owner.

        Returns:
            The model; None where none is called so.
        """
        found = self.by_hub.get(name.lower())
        return self.by_name.get(short_key(name)) if found is None else found

    def matched(self, names: Iterable[str]) -> dict[str, str]:
        """The models that rows of a leaderboard are of, copies by other owners left out.

        Args:
            names: on the hub, with owners.

        Returns:
            A model by name; names that are of no known model are not in it. An owner may have
            renamed a model: one that is called alike counts where no other is the model.
        """
        names = list(dict.fromkeys(names))
        found = {name: self.by_hub[name.lower()] for name in names if name.lower() in self.by_hub}
        own = {(_owner(hub), model) for hub, model in self.by_hub.items()}
        for name in names:
            if name in found:
                continue
            model = self.by_name.get(short_key(name))
            is_own = not _owner(name) or (_owner(name), model) in own
            if model is not None and is_own and model not in found.values():
                found[name] = model
        return found

    @cached_property
    def developers(self) -> dict[str, str]:
        """Developers as the table writes them, by that and by whose account their models are of.

        By key; owners of models of several developers stand for none.
        """
        named = self.cells.dropna(subset=["developer"])
        found = {key(name): name for name in named["developer"].unique()}
        owners = named["hub_name"].dropna().map(_owner)
        for owner, of_one in named["developer"].loc[owners.index].groupby(owners):
            if of_one.nunique() == 1:
                found.setdefault(key(owner), of_one.iloc[0])
        return found

    def developer(self, name: str) -> str:
        """A developer as the table writes it.

        Args:
            name: of a developer, in any capitals, or of an owner on the hub.

        Returns:
            The name in the table; the same as it was where no other is known.

        Example:
            >>> known_models().developer("Qwen"), known_models().developer("Nova Labs")
            ('Alibaba', 'Nova Labs')
        """
        return self.developers.get(key(name), name)

    def owners(self) -> set[str]:
        """Who has base models on the hub, in lower case."""
        base = set(self.cells.index[self.cells["tuning"] == "base"])
        return {_owner(hub) for hub, model in self.by_hub.items() if model in base}


@cache
def known_models() -> KnownModels:
    """The models that come with the package.

    Returns:
        All of them, and by which names they are known.

    Raises:
        TableError: the shipped file was damaged.
    """
    cells = require_cells(shipped_directory() / "models.csv").set_index("model")
    by_hub = {str(hub).lower(): str(model) for model, hub in cells["hub_name"].dropna().items()}
    by_name: dict[str, str] = {}
    for name, model in [*((str(m), str(m)) for m in cells.index), *by_hub.items()]:
        by_name.setdefault(short_key(name), model)
    return KnownModels(cells, by_hub, by_name)


def short_key(name: str) -> str:
    """What a model is called apart from owner, format and case.

    Args:
        name: on the hub, or elsewhere.

    Returns:
        Its last part without ``meta`` before and ``hf`` after it, and without punctuation but
        between digits: 1.3 is not 13.

    Example:
        >>> short_key("meta-llama/Llama-2-7b-hf"), short_key("Llama 2 7B"), short_key("llama-27b")
        ('llama2-7b', 'llama2-7b', 'llama27b')
        >>> short_key("opt-1.3b"), short_key("opt-13b")
        ('opt1.3b', 'opt13b')
    """
    last = name.lower().split("/")[-1]
    bare = re.sub(r"^meta-|[-_]hf$", "", last) or last
    parted = re.sub(r"(?<=\d)[^a-z0-9+.]+(?=\d)", "-", bare)
    return re.sub(r"[^a-z0-9+.-]|(?<!\d)[.-]|[.-](?!\d)", "", parted)


def _owner(name: str) -> str:
    return name.lower().split("/")[0] if "/" in name else ""
