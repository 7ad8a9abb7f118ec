"""Every method that the options name exists, and no other."""

from __future__ import annotations

import inspect
import itertools
import re
from typing import Any, get_args

import pytest

from s1monthly.config.processing import DespeckleOptions
from s1monthly.cube.create import CELL_METHODS
from s1monthly.errors import S1MonthlyError
from s1monthly.kernels import options
from s1monthly.kernels.masking import EXCLUDED_CLASSES
from s1monthly.kernels.speckle.despeckling import METHODS


@pytest.mark.parametrize(
    ("choices", "table"),
    [
        (options.MaskChoice, EXCLUDED_CLASSES),
        (options.DespeckleMethod, {**METHODS, **dict.fromkeys(options.OF_SERIES)}),
        (options.DespeckleMethod, options.DESPECKLE_OPTIONS),
        (options.DespeckleMethod, options.DESPECKLE_DOI),
        (options.CompositeMethod, CELL_METHODS),
    ],
)
def test_tables_have_exactly_the_allowed_names(choices: Any, table: dict[str, Any]) -> None:
    assert set(table) == set(get_args(choices))


@pytest.mark.parametrize("method", METHODS)
def test_despeckling_methods_have_their_options_and_config_offers_them(method: options.DespeckleMethod) -> None:
    names = set(options.DESPECKLE_OPTIONS[method])
    assert names <= set(inspect.signature(METHODS[method]).parameters) - {"power", "out", "threads"}
    assert names <= set(DespeckleOptions.model_fields)


@pytest.mark.parametrize("window", [3, 5, 9])
def test_a_pair_too_far_apart_is_refused_with_the_least_distance_that_is(window: int) -> None:
    refused: dict[tuple[int, float], int] = {}
    angles = [0, 30, 45, 60, 90, 135, 200.5]
    for distance, angle in itertools.product(range(1, 16), angles):
        try:
            options.TextureOptions(window_size=window, distance=distance, angles=(angle,))
        except S1MonthlyError as error:
            refused[distance, angle] = int(re.findall(r"distance less than (\d+)", error.remedy)[0])
    assert {(limit, angle) for (_, angle), limit in refused.items()} <= set(refused)
    assert not {(limit - 1, angle) for (_, angle), limit in refused.items()} & set(refused)
    assert (window, 90) in refused and not {(window - 1, 90), (window, 45)} & set(refused)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"metrics": ()}, "contrast, homogeneity"),
        ({"metrics": ("energy",)}, "energy"),
        ({"metrics": ("entropy", "entropy")}, "twice"),
        ({"window_size": 1}, "odd number"),
        ({"window_size": 6}, "odd number"),
        ({"window_size": 65}, "odd number"),
        ({"levels": 1}, "2 to 64"),
        ({"levels": 65}, "2 to 64"),
        ({"distance": 0}, "distance"),
        ({"angles": ()}, "angle"),
        ({"angles": (float("nan"),)}, "angle"),
        ({"angles": (0.0, 0)}, "angles 0 and 0 are the same pair"),
        ({"angles": (0.0, 45.0, 360.0)}, "angles 0 and 360 are the same pair of pixels 1 apart"),
        ({"angles": (10.0, 12.0), "distance": 2}, "angles 10 and 12 are the same pair"),
        ({"angles": (45.0, 90.0), "distance": 5}, "5 apart at angle 90"),
    ],
)
def test_texture_options_out_of_range_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(S1MonthlyError, match=message):
        options.TextureOptions(**given)


def test_angles_that_are_one_pair_nearby_are_two_further_off() -> None:
    assert len(options.TextureOptions(angles=(0.0, 15.0), distance=2).angles) == 2
    with pytest.raises(S1MonthlyError, match="same pair"):
        options.TextureOptions(angles=(0.0, 15.0), distance=1)
