"""Composites by how the passes saw the tile, against plain numpy: area weights, one angle, what is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from s1monthly.cube.static import new_group
from s1monthly.cube.static_header import StaticOrigin
from s1monthly.errors import CubeError, SourceError
from s1monthly.granule_names import layer_file, parse_granule_id
from s1monthly.granules import GranuleList, SetAside
from s1monthly.grid.lattice import GeoBox, geobox_outline, tile_geobox
from s1monthly.grid.orbit import bursts_over, incidence_angle, utm_footprint
from s1monthly.kernels import compositing
from s1monthly.kernels.angle_normalisation import angle_factors
from s1monthly.kernels.speckle.quegan_yu import quegan_yu
from s1monthly.kernels.static_layers import LAYERS
from s1monthly.model import CompositeKey, Direction, Tile
from s1monthly.raster.geotiff import crop
from s1monthly.raster.writing import write_raster
from s1monthly.records.account import Account
from s1monthly.records.statics_used import other_statics, static_granules, statics_used
from s1monthly.sources.simulated.scene import Scene
from s1monthly.stages.composite import Composed, Merging, compose
from s1monthly.stages.viewing import ANGLE, AREA, granules_without_static, left_out_without_static

BOX = GeoBox(epsg=32610, resolution=30.0, left=499980.0, top=4200000.0, width=70, height=90)
PAIR = ("VV", "VH")
ID = "OPERA_L2_RTC-S1_{burst}_{acquired}_20250830T120333Z_S1A_30_v1.0"
STATIC = "OPERA_L2_RTC-S1-STATIC_{burst}_20140403_S1A_30_v1.0"
BURSTS = {137: "T137-292318-IW1", 64: "T064-135518-IW1"}
WITHOUT = "T137-292319-IW1"
"""A burst that has no static granule."""
PASSES = [(137, "20211107T015800Z"), (64, "20211110T015000Z"), (137, "20211119T015800Z")]
COLUMNS = {137: slice(0, 55), 64: slice(20, 70)}

Floats = NDArray[np.float64]
Values = NDArray[np.float32]
nan = np.nan


def write_static(store: Path, burst: str, box: GeoBox, values: Mapping[str, Values]) -> None:
    """Write the static layers of a burst's track, of one static granule; those that are not given are 0."""
    granules = (STATIC.format(burst=burst),)
    origin = StaticOrigin("10SGD", "ASCENDING", int(burst[1:4]), granules, "0123", without=(WITHOUT,))
    with new_group(store, origin, box, (16, 16)) as group:
        for name, layer in LAYERS.items():
            group.write(name, values.get(name, np.zeros(box.shape, layer.dtype)), {})


class Month:
    """Burst files of three passes of two tracks, and the static layers of these; all on the whole grid."""

    def __init__(self, folder: Path) -> None:
        random = np.random.default_rng(3)
        self.folder, self.store = folder / "bursts", folder / "S1_static.zarr"
        self.power = np.full((len(PAIR), len(PASSES), *BOX.shape), nan, np.float32)
        self.names = [ID.format(burst=BURSTS[track], acquired=acquired) for track, acquired in PASSES]
        for number, (name, (track, _)) in enumerate(zip(self.names, PASSES, strict=True)):
            columns = COLUMNS[track]
            power = random.gamma(4.0, 0.05, (len(PAIR), BOX.height, columns.stop - columns.start)).astype(np.float32)
            power[:, random.random(power.shape[1:]) < 0.1] = nan
            self.power[:, number, :, columns] = power
            for layer, plane in zip(PAIR, power, strict=True):
                place = crop(BOX, slice(0, BOX.height), columns)
                write_raster(self.folder / layer_file(name, layer), [plane], place, [layer])
        self.static = {
            track: {
                AREA: random.uniform(0.3, 5, BOX.shape).astype(np.float32),
                ANGLE: random.uniform(30, 46, BOX.shape).astype(np.float32),
            }
            for track in BURSTS
        }
        self.static[137][AREA][10:14, 30:34] = np.array([nan, 0, -1, np.inf])
        self.static[64][ANGLE][20:24, 30:40] = nan
        for track, values in self.static.items():
            write_static(self.store, BURSTS[track], BOX, values)

    def of_passes(self, layer: str) -> Floats:
        """A static layer of the track of each pass."""
        return np.array([self.static[track][layer] for track, _ in PASSES], np.float64)

    def compose(self, **options: object) -> Composed:
        """The composite by these options of `Merging`."""
        return compose(self.folder, self.names, BOX, PAIR, Merging(**options), threads=2, statics=self.store)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Month:
    return Month(tmp_path_factory.mktemp("month"))


def weighted(power: Floats, area: Floats) -> tuple[Floats, NDArray[np.int_]]:
    """Small's composite and its count, and NaN without a pass."""
    there = np.isfinite(power) & np.isfinite(area) & (area > 0)
    weights = np.where(there, 1 / np.where(there, area, 1), 0)
    with np.errstate(invalid="ignore"):
        return (weights * np.where(there, power, 0)).sum(0) / weights.sum(0), there.sum(0)


@pytest.mark.parametrize("rows", [7, 90])
def test_local_resolution_weights_each_pass_by_its_tracks_area(
    month: Month, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(compositing, "BLOCK_PIXELS", rows * BOX.width * len(PASSES))
    found = month.compose(method="local_resolution", spread=["max"])
    area = month.of_passes(AREA)
    for number in range(len(PAIR)):
        expected, count = weighted(month.power[number].astype(float), area)
        np.testing.assert_allclose(found.power[number], expected, rtol=1e-5)
        np.testing.assert_array_equal(found.count, count)
        assert np.isnan(found.power[number][count == 0]).all() and (count == 0).any() and count.max() == 3
    high = dict(found.spread)["VV_dB_max"]
    np.testing.assert_array_equal(np.isnan(high), found.count == 0)  # what is no measurement is in no band


@pytest.mark.filterwarnings("ignore:All-NaN slice")
def test_passes_are_normalised_by_the_angle_of_their_track(month: Month) -> None:
    found = month.compose(angle={"reference": 38, "exponent": 1.7})
    ratio = np.cos(np.radians(38.0)) / np.cos(np.radians(month.of_passes(ANGLE)))
    normalised = month.power * ratio**1.7
    np.testing.assert_allclose(found.power, np.nanmedian(normalised, axis=1), rtol=1e-5)
    np.testing.assert_array_equal(found.count, np.isfinite(normalised[0]).sum(0))


def test_passes_are_normalised_first_then_despeckled_then_weighted(month: Month) -> None:
    found = month.compose(method="local_resolution", angle={"reference": 30, "exponent": 2}, quegan_yu=5)
    area = month.of_passes(AREA)
    factors = angle_factors(month.of_passes(ANGLE).astype(np.float32), 30, 2)
    normalised = np.where(np.isfinite(area) & (area > 0), month.power[0] * factors, nan).astype(np.float32)
    smooth = quegan_yu(normalised, [track for track, _ in PASSES], 5)
    np.testing.assert_allclose(found.power[0], weighted(smooth.astype(float), area)[0], rtol=1e-5)


def test_the_cosine_factor_and_its_exponent() -> None:
    angles = np.array([[0, 38, 60, nan]], np.float32)
    np.testing.assert_allclose(angle_factors(angles, 60, 2), [[0.25, 0.25 / np.cos(np.radians(38)) ** 2, 1, nan]], 1e-6)
    assert angle_factors(angles, 60, 2).dtype == np.float32


def test_without_these_options_no_static_layer_is_read(month: Month) -> None:
    plain = compose(month.folder, month.names, BOX, PAIR, Merging(), statics=month.store.with_name("none.zarr"))
    assert plain.count.max() == 3
    with pytest.raises(CubeError, match="T064: rtc_anf_gamma0_to_beta0 cannot be read"):
        compose(
            month.folder,
            month.names,
            BOX,
            PAIR,
            Merging(method="local_resolution"),
            statics=month.store.with_name("none.zarr"),
        )


def test_granules_without_a_static_granule_are_named_and_bursts_never_asked_for_are_an_error(month: Month) -> None:
    lacking = ID.format(burst=WITHOUT, acquired=PASSES[0][1])
    found = granules_without_static([*month.names, lacking], month.store)
    assert found == {lacking: "its burst has no static granule"}
    other = ID.format(burst="T035-073251-IW2", acquired=PASSES[0][1])
    with pytest.raises(CubeError, match=r"not made for T035-073251-IW2.*search\.refresh"):
        granules_without_static([*month.names, other], month.store)
    with pytest.raises(CubeError, match="not made for T064-135518-IW1, T137-292318-IW1"):
        granules_without_static(month.names, month.store.with_name("none.zarr"))


def test_slices_share_the_static_layers_of_their_track(tmp_path: Path) -> None:
    name = "S1A_IW_GRDH_1SDV_20240{month}08T051129_20240{month}08T051154_000007_000007_0889_T022"
    origin = StaticOrigin("10SGD", "ASCENDING", 22, (name.format(month=5),), "0123")
    with new_group(tmp_path / "S1_static.zarr", origin, BOX, (16, 16)) as group:
        for layer in LAYERS.values():
            group.write(layer.name, np.zeros(BOX.shape, layer.dtype), {})
    assert granules_without_static([name.format(month=6)], tmp_path / "S1_static.zarr") == {}
    with pytest.raises(CubeError, match="not made for T095"):
        granules_without_static([name.format(month=6).replace("T022", "T095")], tmp_path / "S1_static.zarr")


def test_granules_without_static_count_with_those_that_cannot_be_read(month: Month) -> None:
    lacking = ID.format(burst=WITHOUT, acquired=PASSES[0][1])
    key, lost = CompositeKey.parse("10SGD", "ASCENDING", "2021-11"), SetAside("a granule", "no layer VH", lost=True)
    listed = GranuleList(tuple(map(parse_granule_id, [*month.names, lacking])), (lost,))
    account = Account({}, {}, "", "", [*month.names, lacking], {})
    total = len(month.names) + 2
    with pytest.raises(SourceError, match=f"2 of {total} granules cannot be used") as refused:
        left_out_without_static(key, listed, account, month.store, 1.9 / total)
    assert f"granule {lacking}: its burst has no static" in str(refused.value) and "no layer VH" in str(refused.value)
    assert list(left_out_without_static(key, listed, account, month.store, 2 / total)) == [lacking]
    with pytest.raises(SourceError, match="cannot be used"):
        left_out_without_static(key, listed, replace(account, on_tile=[lacking]), month.store, 1.0)
    assert left_out_without_static(key, listed, replace(account, on_tile=month.names), month.store, 0.0) == {}


def test_the_static_granules_of_a_month_are_named_and_others_found_out(month: Month, tmp_path: Path) -> None:
    one, newer = STATIC.format(burst=BURSTS[137]), STATIC.replace("v1.0", "v1.1").format(burst=BURSTS[137])
    facts = {month.names[0]: {"static_granule": one, "beam": "IW1"}, month.names[1]: {}}
    used = statics_used(facts, month.store, {137, 64})
    assert used == {
        "bursts": [one],
        "tracks": {
            "T064": {"granules": [STATIC.format(burst=BURSTS[64])], "made_of": "0123"},
            "T137": {"granules": [one], "made_of": "0123"},
        },
    }
    assert static_granules(used) == [STATIC.format(burst=BURSTS[64]), one] and static_granules(None) == []
    assert statics_used({}, month.store) is None and statics_used(facts, "none.zarr") == {"bursts": [one]}
    assert other_statics(used, month.store) == other_statics(None, month.store) == []
    store = tmp_path / "S1_static.zarr"
    with new_group(store, StaticOrigin("10SGD", "ASCENDING", 137, (newer,), "4567"), BOX, (16, 16)) as group:
        for name, layer in LAYERS.items():
            group.write(name, np.zeros(BOX.shape, layer.dtype), {})
    assert other_statics(used, store) == other_statics({"bursts": [one]}, store) == ["T137"]
    assert other_statics({"tracks": used["tracks"]}, store) == ["T137"]


NUMBER = {44: 2, 146: 3}
"""Passes of each track of `PlantedSlope`."""


class PlantedSlope:
    """A month of two tracks, one of which ends inside the tile, whose backscatter falls with the incidence angle."""

    BOX = tile_geobox(Tile("33UVP"), 600)
    EXPONENT, REFERENCE = 2.3, 38.0

    def __init__(self, folder: Path) -> None:
        self.store, self.names, random = folder / "S1_static.zarr", [], np.random.default_rng(5)
        self.angles = self._angles()
        self.truth = Scene(1).truth(self.BOX, date(2024, 5, 15), Direction.ASCENDING, "VV")
        self.folder = folder / "bursts"
        for track, number in NUMBER.items():
            burst = f"T{track:03d}-{1000 * track:06d}-IW1"
            write_static(self.store, burst, self.BOX, {ANGLE: self.angles[track].astype(np.float32)})
            fall = (np.cos(np.radians(self.angles[track])) / np.cos(np.radians(self.REFERENCE))) ** self.EXPONENT
            for day in range(number):
                self.names.append(ID.format(burst=burst, acquired=f"202405{track % 9 + 9 * day + 1:02d}T170000Z"))
                power = (self.truth * fall * random.gamma(100, 0.01, self.BOX.shape)).astype(np.float32)
                write_raster(self.folder / layer_file(self.names[-1], "VV"), [power], self.BOX, ["VV"])

    def _angles(self) -> dict[int, Floats]:
        """Incidence angles of the simulator's bursts, by track; NaN where a track does not see the tile."""
        found = {track: np.full(self.BOX.shape, nan) for track in NUMBER}
        rows, columns = np.mgrid[: self.BOX.height, : self.BOX.width] + 0.5
        x, y = self.BOX.left + columns * self.BOX.resolution, self.BOX.top - rows * self.BOX.resolution
        for burst in bursts_over(geobox_outline(self.BOX), Direction.ASCENDING):
            seen = shapely.contains_xy(utm_footprint(burst), x, y)
            found[burst.track][seen] = incidence_angle(burst, self.BOX)[seen]
        return found

    def ratio(self, angle: Mapping[str, float] | None) -> tuple[Floats, NDArray[np.bool_]]:
        """The mean composite over its truth, and where both tracks see the ground."""
        how = Merging(method="mean", angle=angle)
        found = compose(self.folder, self.names, self.BOX, ["VV"], how, statics=self.store)
        return found.power[0] / self.truth.astype(float), found.count == sum(NUMBER.values())


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> PlantedSlope:
    return PlantedSlope(tmp_path_factory.mktemp("planted"))


def test_a_planted_slope_of_angle_is_recovered_and_the_seam_between_tracks_shrinks(planted: PlantedSlope) -> None:
    before, _ = planted.ratio(None)
    after, both = planted.ratio({"reference": planted.REFERENCE, "exponent": planted.EXPONENT})
    angle, one = planted.angles[146], np.isfinite(planted.angles[146]) & ~np.isfinite(planted.angles[44])
    assert one.sum() > 5000 and both.sum() > 5000

    def slope(ratio: Floats) -> float:
        """Decibels a degree where one track sees the ground."""
        there = one & np.isfinite(ratio)
        return float(np.polyfit(angle[there], 10 * np.log10(ratio[there]), 1)[0])

    fall = 10 * planted.EXPONENT * np.log10(np.cos(np.radians(angle[one])))
    assert slope(before) == pytest.approx(np.polyfit(angle[one], fall, 1)[0], abs=0.01)
    assert slope(before) < -0.1 and abs(slope(after)) < 0.01

    def step(ratio: Floats) -> float:
        """Decibels from one side of the track's edge to the other."""
        near = maximum_filter(both, 7) & maximum_filter(one, 7)
        inside, beside = (ratio[near & side & np.isfinite(ratio)].mean() for side in (both, one))
        return float(10 * np.log10(inside / beside))

    assert step(before) < -0.4 and abs(step(after)) < 0.04
