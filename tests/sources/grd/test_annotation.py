"""Annotation, calibration, noise and manifest: whatever is wrong ends in an error that names file and element."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s1monthly.errors import SourceError
from s1monthly.sources.grd.annotation import check_same_image, parse_annotation
from s1monthly.sources.grd.image import image_geometry
from s1monthly.sources.grd.manifest import parse_manifest
from s1monthly.sources.grd.product import Product
from s1monthly.sources.grd.tables import parse_calibration, parse_noise

PARSERS: dict[str, Callable[[bytes, str], object]] = {
    "annotation": parse_annotation,
    "calibration": parse_calibration,
    "noise": parse_noise,
    "manifest": parse_manifest,
}
SHORTENED = {"orbitList": 6, "geolocationGridPointList": 4, "coordinateConversionList": 2, "calibrationVectorList": 2,
             "noiseRangeVectorList": 2}  # fmt: skip
UNUSED = {"qualityInformation", "antennaPattern", "dopplerCentroid", "downlinkInformationList", "noiseList",
          "replicaInformationList", "informationPackageMap"}  # fmt: skip


def shortened(content: bytes) -> ElementTree.Element:
    """Return a file without what is not read, its lists cut to a few items."""
    root = ElementTree.fromstring(content)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in UNUSED:
                parent.remove(child)
        if parent.tag in SHORTENED:
            for child in list(parent)[SHORTENED[parent.tag] :]:
                parent.remove(child)
            parent.set("count", str(len(parent)))
    return root


@pytest.fixture(scope="module")
def files(products: dict[str, Product]) -> dict[str, bytes]:
    """Small real files by kind."""
    product = products["6FF8"]
    names = {**product.layers["VV"], "manifest": "manifest.safe"}
    return {kind: ElementTree.tostring(shortened(product.files.read(names[kind]))) for kind in PARSERS}


NEEDED = {
    "annotation": [
        "adsHeader/mode", "adsHeader/polarisation", "adsHeader/missionDataTakeId", "adsHeader/missionId",
        "generalAnnotation/productInformation/pass", "generalAnnotation/productInformation/radarFrequency",
        "generalAnnotation/orbitList/orbit/time", "generalAnnotation/orbitList/orbit/frame",
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
}  # fmt: skip


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, paths in NEEDED.items() for path in paths])
@pytest.mark.parametrize("wrong", ["missing", "twice", "empty", "text", "huge"])
def test_wrong_elements_are_named(files: dict[str, bytes], kind: str, path: str, wrong: str) -> None:
    root = ElementTree.fromstring(files[kind])
    parent = root.find(path.rpartition("/")[0])
    assert parent is not None
    name = path.rpartition("/")[2]
    element = parent.find(name)
    assert element is not None
    if wrong == "missing":
        parent.remove(element)
    elif wrong == "twice":
        parent.append(element)
    elif wrong == "empty":
        element.text = None
    else:
        element.text = {"text": "?!", "huge": "9e99"}[wrong]
        if name == "orbitSource":
            return  # any text will do
    with pytest.raises(SourceError, match=f"{name}|{parent.tag}") as caught:
        PARSERS[kind](ElementTree.tostring(root), "some/file.xml")
    assert str(caught.value).startswith("some/file.xml: ")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("imageAnnotation/imageInformation/slantRangeTime", "5340.1"),  # microseconds
        ("imageAnnotation/imageInformation/azimuthTimeInterval", "1.499"),  # milliseconds
        ("generalAnnotation/productInformation/radarFrequency", "5.405"),  # GHz
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


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_end_in_a_clear_error(files: dict[str, bytes], data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(PARSERS)))
    content = bytearray(files[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 40))
        content[at : at + length] = data.draw(st.binary(max_size=8))
    try:
        PARSERS[kind](bytes(content), "x.xml")
    except SourceError as error:
        assert str(error).startswith("x.xml: ")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_elements_end_in_a_clear_error(files: dict[str, bytes], data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(PARSERS)))
    root = ElementTree.fromstring(files[kind])
    elements = [node for node in root.iter() if len(node)]
    parent = data.draw(st.sampled_from(elements))
    child = data.draw(st.sampled_from(list(parent)))
    change = data.draw(st.sampled_from(["remove", "double", "rename", "text", "attribute"]))
    if change == "remove":
        parent.remove(child)
    elif change == "double":
        parent.append(child)
    elif change == "rename":
        child.tag = "other"
    elif change == "text":
        child.text = data.draw(
            st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20) | st.floats().map(str)
        )
    else:
        child.attrib = {name: data.draw(st.sampled_from(["", "-1", "1e9", "x"])) for name in child.attrib}
    try:
        PARSERS[kind](ElementTree.tostring(root), "x.xml")
    except SourceError as error:
        assert str(error).startswith("x.xml: ")
        assert re.search(r"(product|calibration|noise|XFDU|manifest)", str(error))
