"""The methods by which changes are found, and the bands that describe them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import ConfigError
from s1monthly.kernels.bands import Band
from s1monthly.kernels.change.cusum import CONFIDENCE, PERMUTATIONS, SMALLEST, Changes, cusum
from s1monthly.kernels.change.penalised import MOST, PENALTY, penalised

Floats = NDArray[np.float32]

METHODS: dict[str, Callable[..., Changes]] = {"cusum": cusum, "pelt": penalised}
DEFAULTS: dict[str, dict[str, Any]] = {
    "cusum": {"confidence": CONFIDENCE, "permutations": PERMUTATIONS, "smallest": SMALLEST},
    "pelt": {"penalty": PENALTY, "smallest": SMALLEST},
}
"""Options of each method."""
ALLOWED = {"confidence": (0.5, 0.9999), "permutations": (19, 9999), "smallest": (3, 120), "penalty": (0.1, 1000)}


def method_options(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of a method; those with the value None count as not given.

    Raises
    ------
    ConfigError
        If an option is not one of the method, or its value is not allowed.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    for name, value in chosen.items():
        if name not in DEFAULTS[method]:
            raise ConfigError(f"{name}: not an option of {method}", f"it has {', '.join(DEFAULTS[method])}")
        low, high = ALLOWED[name]
        if not low <= value <= high:
            raise ConfigError(f"{name}: {value:g}", f"give {low:g} to {high:g}")
    options = {**DEFAULTS[method], **chosen}
    if method == "cusum" and 1 - options["confidence"] < 1 / (1 + options["permutations"]) - 1e-9:
        raise ConfigError(
            f"confidence: {options['confidence']:g} cannot be reached with {options['permutations']} permutations",
            f"give at least {round(1 / (1 - options['confidence'])) - 1} permutations",
        )
    return options


def change_bands(method: str, band: Band) -> list[Band]:
    """Return the bands of a map of changes of a band."""
    inf = float("inf")

    def numbered(suffix: str, words: str) -> list[Band]:
        text = "first month after the change, as year x 100 + month"
        sure = "confidence of the change"
        return [
            Band(f"month{suffix}", "1", f"{text}{words}", (190001, 999912), "index", None),
            Band(f"magnitude{suffix}", band.units, f"mean after minus mean before{words}", (-inf, inf), "index", None),
            Band(f"confidence{suffix}", "1", f"{sure}, 0 to 1{words}", (0, 1), "index", None),
        ]

    valid = Band("valid_months", "1", "months with a value that was used", (0, inf), "index", None)
    if method == "cusum":
        return [*numbered("", ""), valid]
    breaks = Band("changes", "1", "number of changes", (0, inf), "index", None)
    more = [one for k in range(2, MOST + 1) for one in numbered(f"_{k}", f"; {k}. largest step")]
    return [*numbered("", "; largest step"), valid, breaks, *more]


def change_values(method: str, changes: Changes, months: NDArray[np.int32]) -> Floats:
    """Return the values of `change_bands`: (band, pixels), NaN for no data.

    Parameters
    ----------
    months : array (months,) of int
        Each month of the series as year x 100 + month.
    """
    month = np.where(changes.place >= 0, months[changes.place], np.nan).astype(np.float32)
    triples = [[m, s, c] for m, s, c in zip(month, changes.magnitude, changes.confidence, strict=True)]
    seen = changes.valid > 0
    valid, breaks = (np.where(seen, one, np.nan).astype(np.float32) for one in (changes.valid, changes.breaks))
    rest = [valid] if method == "cusum" else [valid, breaks, *(one for some in triples[1:] for one in some)]
    return np.stack([*triples[0], *rest])
