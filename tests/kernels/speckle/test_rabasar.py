"""Despeckling by the ratio to a temporal mean: values, sharpness, changes of a month, pixels without a reference."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from s1monthly.errors import S1MonthlyError
from s1monthly.grid.lattice import tile_geobox
from s1monthly.kernels.speckle.despeckling import despeckle
from s1monthly.kernels.speckle.looks import estimate_looks
from s1monthly.kernels.speckle.rabasar import rabasar
from s1monthly.model import Direction, Tile
from s1monthly.raster.geotiff import crop
from s1monthly.sources.simulated.scene import LandCover, Scene
from support.speckle import db, field, with_holes

nan = np.nan
LOOKS = 8


def speckled(truth, seed, looks=LOOKS):
    return (truth * np.random.default_rng(seed).gamma(looks, 1 / looks, truth.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def scene():
    """A city of single bright pixels and a plain, and the mean of twelve months of it."""
    truth = np.full((400, 400), 0.05)
    spots = np.random.default_rng(1).random((400, 200)) < 0.3
    truth[:, :200] = np.where(spots, 0.5, 0.02)
    reference = np.mean([speckled(truth, seed) for seed in range(12)], axis=0, dtype=np.float64).astype(np.float32)
    return truth, reference


def test_shape_mask_and_threads(scene):
    truth, reference = scene
    power = speckled(truth, 99)
    power[np.isnan(with_holes(power.shape))] = nan
    reference = reference.copy()
    reference[100:180, 100:300] = nan
    made, again = power.copy(), power.copy()
    rabasar(made, reference, looks=LOOKS)
    rabasar(again, reference, looks=LOOKS, threads=2)
    np.testing.assert_array_equal(made, again)
    np.testing.assert_array_equal(np.isnan(made), np.isnan(power))


def test_cities_and_plains_come_within_half_of_the_error_and_keep_their_mean(scene):
    """No despeckling of the month alone comes near in a city."""
    truth, reference = scene
    power = speckled(truth, 99)
    made = power.copy()
    looks, sure = estimate_looks(power / reference)
    assert sure and looks == pytest.approx(LOOKS * 12 / 13, rel=0.08)
    rabasar(made, reference, looks=looks)
    for part in (slice(0, 200), slice(200, 400)):
        error, before = (db(x[:, part]) - db(truth[:, part]) for x in (made, power))
        assert np.sqrt((error**2).mean()) < 0.5 * np.sqrt((before**2).mean())
        assert abs(db(made[:, part].mean()) - db(power[:, part].mean())) < 0.05
    alone = db(despeckle(power, "tv_bregman")[:, :200]) - db(truth[:, :200])
    assert np.sqrt((alone**2).mean()) > 2


def test_a_change_of_one_month_stays_and_its_border_is_sharp(scene):
    truth, reference = scene
    for change in (2.0, 0.5, 0.25):
        changed = truth.copy()
        changed[100:160, 220:280] *= change
        changed[100:160, 20:80] *= change
        made = speckled(changed, 7)
        rabasar(made, reference, looks=LOOKS)
        for rows, cols in ((slice(100, 160), slice(220, 280)), (slice(100, 160), slice(20, 80))):
            found = np.mean(db(made[rows, cols]) - db(truth[rows, cols]))
            assert found == pytest.approx(db(np.array(change)), abs=0.3)
        ring = np.mean(db(made[95:100, 225:275]) - db(truth[95:100, 225:275]))
        assert abs(ring) < 0.3


@pytest.mark.parametrize("layer", ["VV", "VH"])
def test_the_clearings_of_the_simulator_show_no_ghost_of_the_woods_in_the_mean(layer):
    """Stands of wood that were cut after the reference period: by 3.8 dB in VV, 6 dB in VH."""
    geobox = crop(tile_geobox(Tile("10SGD")), slice(2460, 2960), slice(615, 1115))
    scene, random = Scene(1, clearing=date(2024, 7, 1)), np.random.default_rng(0)

    def truth(year, month, day=16):
        return scene.truth(geobox, date(year, month, day), Direction.ASCENDING, layer)

    def composite(year, month):
        passes = [truth(year, month, day) for day in (4, 16, 28)]
        return np.mean([power * random.gamma(4, 1 / 4, power.shape) for power in passes], axis=0)

    reference = np.mean([composite(2023, month) for month in range(1, 13)], axis=0).astype(np.float32)
    now, made = truth(2024, 8), composite(2024, 8).astype(np.float32)
    rabasar(made, reference, looks=estimate_looks(made / reference).looks)
    cover, square = scene.landcover(geobox), np.ones((3, 3), bool)
    cut = cover == LandCover.CLEARING
    inside, around = binary_erosion(cut, square, 2), binary_dilation(cut, square, 3)
    places = {"clearings": cut, "inside": inside, "beside": (cover == LandCover.FOREST) & around}
    assert db((now[cut] / truth(2023, 8)[cut]).mean()) == pytest.approx(-3.8 if layer == "VV" else -6, abs=0.01)
    found = {name: float(db((made[where] / now[where]).mean())) for name, where in places.items()}
    assert found == {
        "clearings": pytest.approx(0, abs=0.3),
        "inside": pytest.approx(0, abs=0.1),
        "beside": pytest.approx(0, abs=0.2),
    }


def test_pixels_that_no_month_of_the_reference_saw_are_despeckled_alone(scene):
    truth, reference = scene
    power = speckled(truth, 5)
    reference = reference.copy()
    reference[:, 300:] = nan
    made = power.copy()
    rabasar(made, reference, looks=LOOKS)
    seen = power.copy()
    rabasar(seen, scene[1], looks=LOOKS)
    np.testing.assert_array_equal(made[:, :296], seen[:, :296])
    assert np.std(made[:, 305:]) < 0.4 * np.std(power[:, 305:])
    assert abs(db(made[:, 300:].mean()) - db(power[:, 300:].mean())) < 0.05
    empty = np.full_like(power, nan)
    rabasar(empty, reference, looks=LOOKS)
    assert np.isnan(empty).all()


def test_a_constant_stays_and_what_is_no_power_is_refused(scene):
    constant = np.full((60, 50), 0.3, np.float32)
    made = constant.copy()
    rabasar(made, field((60, 50), looks=200) * 0 + np.float32(0.1), looks=LOOKS)
    np.testing.assert_allclose(made, constant, rtol=1e-6)
    with pytest.raises(S1MonthlyError, match="zero, negative or infinite"):
        rabasar(np.zeros((20, 20), np.float32), np.ones((20, 20), np.float32), looks=LOOKS)
