"""The preview picture: reduction and colours."""

from __future__ import annotations

import numpy as np
import pytest

from s1monthly.kernels.preview import CO_DB_RANGE, CROSS_DB_RANGE, RATIO_RANGE, preview_rgba
from s1monthly.versions import PRODUCTS


def flat(value: float, shape: tuple[int, int] = (4, 4)) -> np.ndarray:
    return np.full(shape, value, dtype=np.float32)


@pytest.mark.parametrize(
    ("co", "cross", "ratio", "colour"),
    [
        (-20.0, -27.0, 0.0, (0, 0, 0)),
        (0.0, -7.0, 0.5, (255, 255, 255)),
        (-10.0, -17.0, 0.25, (128, 128, 128)),
        (-35.0, -40.0, -1.0, (0, 0, 0)),
        (12.0, 3.0, 9.0, (255, 255, 255)),
        (-16.0, -23.0, 0.1, (51, 51, 51)),
    ],
)
def test_channels_are_stretched_over_fixed_ranges(
    co: float, cross: float, ratio: float, colour: tuple[int, int, int]
) -> None:
    picture = preview_rgba(flat(co), flat(cross), flat(ratio), 2)
    assert picture.shape == (4, 2, 2) and picture.dtype == np.uint8
    np.testing.assert_allclose(picture[:3, 0, 0].astype(int), colour, atol=1)
    assert (picture[3] == 255).all()


def test_decibels_are_averaged_as_power() -> None:
    co = np.array([[0.0, -20.0], [0.0, -20.0]], dtype=np.float32)
    picture = preview_rgba(co, flat(-17.0, (2, 2)), flat(0.2, (2, 2)), 2)
    mean = 10 * np.log10((1 + 0.01) / 2)  # -2.97 dB; the mean of the decibels would be -10
    assert picture[0, 0, 0] == round(255 * (mean + 20) / 20)


def test_a_whole_picture_agrees_with_plain_numpy() -> None:
    rng = np.random.default_rng(3)
    shape, factor = (700, 410), 10  # more rows than are worked at a time
    bands = [rng.uniform(low - 3, high + 3, shape).astype(np.float32) for low, high in (CO_DB_RANGE, CROSS_DB_RANGE)]
    bands.append(rng.uniform(*RATIO_RANGE, shape).astype(np.float32))
    for band in bands:
        band[:200, :150] = np.nan
        band[300:304, 300:305] = np.nan  # 20 of 100 pixels of a block
    picture = preview_rgba(bands[0], bands[1], bands[2], factor)

    def blocks(values: np.ndarray) -> np.ndarray:
        parts = values.astype(np.float64).reshape(70, 10, 41, 10).transpose(0, 2, 1, 3).reshape(70, 41, 100)
        empty = np.isnan(parts).all(axis=-1)
        parts[empty] = 1.0
        return np.where(empty, np.nan, np.nanmean(parts, axis=-1))

    means = [10 * np.log10(blocks(10 ** (band.astype(np.float64) / 10))) for band in bands[:2]] + [blocks(bands[2])]
    for channel, mean, (low, high) in zip(picture, means, (CO_DB_RANGE, CROSS_DB_RANGE, RATIO_RANGE), strict=False):
        expected = np.nan_to_num(255 * np.clip((mean - low) / (high - low), 0, 1))
        assert np.abs(channel - expected).max() <= 0.51
    np.testing.assert_array_equal(picture[3], np.where(np.isnan(means[0]), 0, 255))


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_a_block_without_one_of_the_bands_is_transparent_and_black(empty: int) -> None:
    bands = [flat(-10.0), flat(-15.0), flat(0.3)]
    bands[empty][:2, :2] = np.nan
    picture = preview_rgba(bands[0], bands[1], bands[2], 2)
    assert picture[:, 0, 0].tolist() == [0, 0, 0, 0]
    assert (picture[3].ravel()[1:] == 255).all()


def test_blocks_cut_short_by_the_edge_show_what_there_is() -> None:
    ratio = flat(0.0, (5, 7))
    ratio[:, 6] = 0.5
    ratio[:3, 3:6] = np.nan
    picture = preview_rgba(flat(-10.0, (5, 7)), flat(-17.0, (5, 7)), ratio, 3)
    assert picture[3].tolist() == [[255, 0, 255], [255, 255, 255]]
    assert picture[2].tolist() == [[0, 0, 255], [0, 0, 255]]


GOLDEN = {1: [[204, 0], [191, 0], [51, 0], [255, 0]]}
"""Channels of a pixel of -4 dB, -12 dB and Ratio 0.1, and of one without data, by hand, by version of the product."""


def test_golden_values() -> None:
    pair = (np.array([[value, np.nan]], np.float32) for value in (-4, -12, 0.1))
    assert preview_rgba(*pair, 1)[:, 0].tolist() == GOLDEN[PRODUCTS["previews"]]


def test_without_a_ratio_it_follows_from_both_bands() -> None:
    rng = np.random.default_rng(4)
    co, cross = (rng.uniform(-22, -2, (70, 40)).astype(np.float32) for _ in range(2))
    co[:20, :20] = cross[:20, :20] = np.nan
    ratio = (10 ** ((cross.astype(np.float64) - co) / 10)).astype(np.float32)
    found, expected = (preview_rgba(co, cross, given, 10).astype(int) for given in (None, ratio))
    assert np.abs(found - expected).max() <= 1 and (found[3] == expected[3]).all() and set(found[3].flat) == {0, 255}
