"""Annotation, calibration, noise and manifest: whatever is wrong ends in an error that names file and element."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from s1monthly.errors import SourceError
from s1monthly.sources.grd.annotation import StateVectors, check_same_image, parse_annotation
from s1monthly.sources.grd.image import image_geometry
from s1monthly.sources.grd.manifest import parse_manifest
from s1monthly.sources.grd.orbit_file import parse_orbit_file
from s1monthly.sources.grd.product import Product
from s1monthly.sources.grd.tables import parse_calibration, parse_noise
from support.xml_faults import shortened

START = np.datetime64("2022-09-18T07:49:21", "us")


def parse_orbit(content: bytes, file: str) -> StateVectors:
    return parse_orbit_file(content, file, "S1A", START, START + np.timedelta64(25, "s"))


PARSERS: dict[str, Callable[[bytes, str], object]] = {
    "annotation": parse_annotation,
    "calibration": parse_calibration,
    "noise": parse_noise,
    "manifest": parse_manifest,
    "orbit": parse_orbit,
}


@pytest.fixture(scope="module")
def files(products: dict[str, Product], sentinel1: Path) -> dict[str, bytes]:
    """Small real files by kind."""
    product = products["6FF8"]
    names = {**product.layers["VV"], "manifest": "manifest.safe"}
    found = {kind: shortened(product.files.read(names[kind])) for kind in PARSERS if kind in names}
    orbit = next((sentinel1 / "orbit").glob("*20220918T093241*")).read_bytes()
    return {**found, "orbit": shortened(orbit, slice(819, 834))}


NEEDED = {
    "annotation": [
        "adsHeader/mode", "adsHeader/polarisation", "adsHeader/missionDataTakeId", "adsHeader/missionId",
        "generalAnnotation/productInformation/pass", "generalAnnotation/orbitList/orbit/time",
        "generalAnnotation/orbitList/orbit/frame",
        "generalAnnotation/orbitList/orbit/position/y", "generalAnnotation/orbitList/orbit/velocity/z",
        "imageAnnotation/imageInformation/productFirstLineUtcTime",
        "imageAnnotation/imageInformation/productLastLineUtcTime",
        "imageAnnotation/imageInformation/azimuthTimeInterval", "imageAnnotation/imageInformation/numberOfLines",
        "imageAnnotation/imageInformation/slantRangeTime", "imageAnnotation/imageInformation/rangePixelSpacing",
        "imageAnnotation/processingInformation/thermalNoiseCorrectionPerformed",
        "imageAnnotation/processingInformation/orbitSource",
        "geolocationGrid/geolocationGridPointList/geolocationGridPoint/azimuthTime",
        "geolocationGrid/geolocationGridPointList/geolocationGridPoint/height",
        "coordinateConversion/coordinateConversionList/coordinateConversion/grsrCoefficients",
        "coordinateConversion/coordinateConversionList/coordinateConversion/gr0",
    ],
    "calibration": [
        "calibrationVectorList/calibrationVector/line", "calibrationVectorList/calibrationVector/pixel",
        "calibrationVectorList/calibrationVector/gamma", "calibrationVectorList/calibrationVector/betaNought",
    ],
    "noise": [
        "noiseRangeVectorList/noiseRangeVector/line", "noiseRangeVectorList/noiseRangeVector/noiseRangeLut",
        "noiseAzimuthVectorList/noiseAzimuthVector/lastRangeSample",
        "noiseAzimuthVectorList/noiseAzimuthVector/noiseAzimuthLut",
    ],
    "manifest": [
        f"metadataSection/metadataObject/metadataWrap/xmlData/{path}" for path in (
            "{*}platform/{*}number", "{*}orbitReference/{*}relativeOrbitNumber",
            "{*}orbitReference/{*}extension/{*}orbitProperties/{*}pass", "{*}acquisitionPeriod/{*}startTime",
            "{*}standAloneProductInformation/{*}missionDataTakeID", "{*}frameSet/{*}frame/{*}footPrint/{*}coordinates",
        )
    ],
    "orbit": [
        "Earth_Explorer_Header/Fixed_Header/Mission", "Earth_Explorer_Header/Variable_Header/Time_Reference",
        "Data_Block/List_of_OSVs/OSV/TAI", "Data_Block/List_of_OSVs/OSV/UTC", "Data_Block/List_of_OSVs/OSV/Y",
        "Data_Block/List_of_OSVs/OSV/VZ",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, paths in NEEDED.items() for path in paths])
@pytest.mark.parametrize("wrong", ["missing", "twice", "empty", "text", "huge", "form"])
def test_wrong_elements_are_named(files: dict[str, bytes], kind: str, path: str, wrong: str) -> None:
    root = ElementTree.fromstring(files[kind])
    parent = root.find(path.rpartition("/")[0])
    assert parent is not None
    element = root.find(path)
    assert element is not None
    name = element.tag.rpartition("}")[2]
    if wrong == "missing":
        parent.remove(element)
    elif wrong == "twice":
        parent.append(element)
    elif wrong == "empty":
        element.text = None
    else:
        element.text = {"text": "?!", "huge": "9e99", "form": "0x1_0"}[wrong]
        if name == "orbitSource":
            return  # any text will do
    with pytest.raises(SourceError, match=f"{name}|{parent.tag.rpartition('}')[2]}") as caught:
        PARSERS[kind](ElementTree.tostring(root), "some/file.xml")
    assert str(caught.value).startswith("some/file.xml: ")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("imageAnnotation/imageInformation/slantRangeTime", "5340.1"),  # microseconds
        ("imageAnnotation/imageInformation/azimuthTimeInterval", "1.499"),  # milliseconds
        ("generalAnnotation/orbitList/orbit/position/x", "5430.4"),  # km
        (
            "coordinateConversion/coordinateConversionList/coordinateConversion/grsrCoefficients",
            "800.4 0.5 " + "0 " * 7,
        ),
        ("geolocationGrid/geolocationGridPointList/geolocationGridPoint/azimuthTime", "2021-08-09T17:39:53.253509"),
    ],
)
def test_wrong_units_and_times_are_refused(files: dict[str, bytes], path: str, value: str) -> None:
    root = ElementTree.fromstring(files["annotation"])
    element = root.find(path)
    assert element is not None
    element.text = value
    with pytest.raises(SourceError, match=r"^x\.xml: "):
        image_geometry(parse_annotation(ElementTree.tostring(root), "x.xml"))


def test_other_kinds_of_image_are_refused(files: dict[str, bytes]) -> None:
    text = files["annotation"].decode()
    for before, after, message in [
        ("<pixelValue>Detected<", "<pixelValue>Complex<", "pixelValue is 'Complex', not one of Detected"),
        (">Ground Range<", ">Slant Range<", "projection is 'Slant Range'"),
        ("<productType>GRD<", "<productType>SLC<", "productType is 'SLC'"),
    ]:
        assert before in text
        with pytest.raises(SourceError, match=message):
            parse_annotation(text.replace(before, after).encode(), "x.xml")


def test_lists_that_were_cut_are_noticed(files: dict[str, bytes]) -> None:
    root = ElementTree.fromstring(files["annotation"])
    points = root.find("geolocationGrid/geolocationGridPointList")
    assert points is not None
    points.append(points[0])
    with pytest.raises(SourceError, match="geolocationGridPointList says count='4', but has 5"):
        parse_annotation(ElementTree.tostring(root), "x.xml")


def test_polarizations_of_one_product_show_the_same_image(products: dict[str, Product]) -> None:
    first, other = products["CEAB"], products["3768"]
    check_same_image(first.annotation("VV"), first.annotation("VH"))
    with pytest.raises(SourceError, match="first_line is"):
        check_same_image(first.annotation("VV"), other.annotation("VH"))
