"""Write a product in SAFE format: measurement, annotation, calibration, noise and manifest."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import rasterio
from numpy.typing import NDArray

from s1monthly.raster.geotiff import GDAL_OPTIONS
from s1monthly.sources.grd.annotation import Annotation, GeolocationGrid, GroundRange, StateVectors
from s1monthly.sources.grd.manifest import Manifest
from s1monthly.sources.grd.tables import AzimuthBlock, Calibration, Noise, RangeVectors

Singles = NDArray[np.float32]


def cropped(annotation: Annotation, first_line: int, lines: int, first_sample: int, samples: int) -> Annotation:
    """Return the annotation of a part of an image; its geolocation grid keeps all points, some outside.

    Parameters
    ----------
    annotation : Annotation
        Of the whole image.
    first_line, lines, first_sample, samples : int
        The part.
    """
    grid, sets = annotation.grid, annotation.ground_range
    start = annotation.first_line + np.timedelta64(round(first_line * annotation.line_interval * 1e6), "us")
    origins = sets.origins - first_sample * annotation.sample_spacing
    nearest = np.abs(sets.times - start).argmin()
    slant_range = np.polyval(sets.coefficients[nearest][::-1], -origins[nearest])
    return replace(
        annotation,
        first_line=start,
        lines=lines,
        samples=samples,
        slant_range_time=float(2 * slant_range / 299_792_458.0),
        ground_range=GroundRange(sets.times, origins, sets.coefficients),
        grid=GeolocationGrid(
            grid.azimuth_times,
            grid.slant_range_times,
            grid.lines - (start - annotation.first_line) / np.timedelta64(1, "s") / annotation.line_interval,
            grid.pixels - first_sample,
            grid.longitudes,
            grid.latitudes,
            grid.heights,
            grid.incidences,
        ),
    )


def digital_numbers(
    beta: Singles, calibration: float, noise: Singles | float, looks: float | None, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Return the digital numbers of an image.

    Parameters
    ----------
    beta : float32 (lines, samples)
        Linear beta0.
    calibration : float
        Value of the table of beta0.
    noise : float32 (lines, samples) or float
        Thermal noise in squared digital numbers.
    looks : float or None
        Number of looks of the speckle, 4.4 in IW GRDH; None for none.
    rng : Generator
        Source of the speckle.
    """
    power = beta * np.float32(calibration**2) + noise
    if looks is not None:
        power = power * rng.gamma(looks, 1 / looks, beta.shape).astype(np.float32)
    return np.clip(np.rint(np.sqrt(power)), 1, 65535).astype(np.uint16)


def noise_image(noise: Noise, lines: int, samples: int) -> Singles:
    """Return the thermal noise of every pixel, in squared digital numbers, by tables that `tables_for` made."""
    level = np.interp(np.arange(samples), noise.range_vectors.pixels[0], noise.range_vectors.values[0])
    along = np.ones(lines)
    for block in noise.blocks:
        along = np.interp(np.arange(lines), block.lines, block.values)
    return (along[:, None] * level).astype(np.float32)


def write_product(
    folder: Path,
    name: str,
    manifest: Manifest,
    annotations: Mapping[str, Annotation],
    calibrations: Mapping[str, Calibration],
    noises: Mapping[str, Noise],
    images: Mapping[str, NDArray[np.uint16]],
) -> Path:
    """Write a whole product.

    Parameters
    ----------
    folder : Path
        Folder in which the product's own folder is made.
    name : str
        Name of the product, with ``.SAFE``.
    manifest : Manifest
        What the manifest says; its list of files is made anew.
    annotations, calibrations, noises, images : mapping of str
        By polarization.

    Returns
    -------
    Path
        The product's folder.
    """
    target = folder / name
    parts = name.removesuffix(".SAFE").lower().split("_")
    objects = []
    for number, layer in enumerate(annotations, 1):
        stem = "-".join([parts[0], parts[1], "grd", layer.lower(), *parts[4:8], f"{number:03d}"])
        files = {
            f"annotation/{stem}.xml": ("s1Level1ProductSchema", annotation_xml(annotations[layer])),
            f"annotation/calibration/calibration-{stem}.xml": (
                "s1Level1CalibrationSchema", calibration_xml(annotations[layer], calibrations[layer])),
            f"annotation/calibration/noise-{stem}.xml": (
                "s1Level1NoiseSchema", noise_xml(annotations[layer], noises[layer])),
        }  # fmt: skip
        for file, (_, text) in files.items():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            (target / file).write_text(text, encoding="utf-8")
        measurement = f"measurement/{stem}.tiff"
        write_measurement(target / measurement, images[layer])
        kinds = [*((file, kind) for file, (kind, _) in files.items()), (measurement, "s1Level1MeasurementSchema")]
        objects += [(kind, file, (target / file).read_bytes()) for file, kind in kinds]
    (target / "manifest.safe").write_text(manifest_xml(manifest, objects), encoding="utf-8")
    return target


def write_measurement(path: Path, image: NDArray[np.uint16]) -> None:
    """Write the pixels as the processor does: a GeoTIFF of strips, without a CRS of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        rasterio.Env(**GDAL_OPTIONS),
        rasterio.open(
            path, "w", driver="GTiff", dtype="uint16", count=1, height=image.shape[0], width=image.shape[1],
            transform=rasterio.Affine(1, 0, 0, 0, 1, 1e-9),
        ) as dataset,
    ):  # fmt: skip
        dataset.write(image, 1)


def _xml(root: str, parts: Iterable[str]) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>\n' + "\n".join(parts) + f"\n</{root.split()[0]}>\n"


def _element(name: str, value: object) -> str:
    return f"<{name}>{escape(str(value))}</{name}>"


def _numbers(name: str, values: NDArray[np.floating], form: str = ".9e") -> str:
    return f'<{name} count="{len(values)}">' + " ".join(format(float(value), form) for value in values) + f"</{name}>"


def _list(name: str, items: Iterable[str]) -> str:
    found = list(items)
    return f'<{name} count="{len(found)}">' + "\n".join(found) + f"</{name}>"


def _last_line(annotation: Annotation) -> np.datetime64:
    seconds = (annotation.lines - 1) * annotation.line_interval
    return annotation.first_line + np.timedelta64(round(seconds * 1e6), "us")


def _header(annotation: Annotation) -> str:
    values = {
        "missionId": annotation.mission,
        "productType": "GRD",
        "polarisation": annotation.polarization,
        "mode": annotation.mode,
        "swath": annotation.mode,
        "startTime": annotation.first_line,
        "stopTime": _last_line(annotation),
        "missionDataTakeId": annotation.datatake,
    }
    return "<adsHeader>" + "".join(_element(name, value) for name, value in values.items()) + "</adsHeader>"


def annotation_xml(annotation: Annotation) -> str:
    """Return an annotation as XML, with the elements that `parse_annotation` reads."""
    general = _element("pass", annotation.direction.capitalize()) + _element("projection", "Ground Range")
    processing = (
        _element("thermalNoiseCorrectionPerformed", str(annotation.noise_removed).lower())
        + _element("ellipsoidName", "WGS84")
        + _element("orbitSource", annotation.orbit_source)
    )
    orbit, sets = _list("orbitList", _orbits(annotation.orbit)), _conversions(annotation.ground_range)
    return _xml(
        "product",
        [
            _header(annotation),
            f"<generalAnnotation><productInformation>{general}</productInformation>{orbit}</generalAnnotation>",
            f"<imageAnnotation><imageInformation>{_image_information(annotation)}</imageInformation>"
            f"<processingInformation>{processing}</processingInformation></imageAnnotation>",
            f"<geolocationGrid>{_list('geolocationGridPointList', _points(annotation.grid))}</geolocationGrid>",
            f"<coordinateConversion>{_list('coordinateConversionList', sets)}</coordinateConversion>",
        ],
    )


def _image_information(annotation: Annotation) -> str:
    information = {
        "productFirstLineUtcTime": annotation.first_line,
        "productLastLineUtcTime": _last_line(annotation),
        "slantRangeTime": f"{annotation.slant_range_time:.15e}",
        "pixelValue": "Detected",
        "outputPixels": "16 bit Unsigned Integer",
        "rangePixelSpacing": annotation.sample_spacing,
        "azimuthTimeInterval": f"{annotation.line_interval:.15e}",
        "numberOfSamples": annotation.samples,
        "numberOfLines": annotation.lines,
    }
    return "".join(_element(name, value) for name, value in information.items())


def _orbits(orbit: StateVectors) -> Iterator[str]:
    for time, position, velocity in zip(orbit.times, orbit.positions, orbit.velocities, strict=True):
        yield (
            f"<orbit>{_element('time', time)}<frame>Earth Fixed</frame><position>{_axes(position)}</position>"
            f"<velocity>{_axes(velocity)}</velocity></orbit>"
        )


def _conversions(sets: GroundRange) -> Iterator[str]:
    for time, origin, coefficients in zip(sets.times, sets.origins, sets.coefficients, strict=True):
        yield (
            f"<coordinateConversion>{_element('azimuthTime', time)}{_element('gr0', f'{origin:.15e}')}"
            f"{_numbers('grsrCoefficients', coefficients, '.15e')}</coordinateConversion>"
        )


def _points(grid: GeolocationGrid) -> Iterator[str]:
    fields = {
        "slantRangeTime": grid.slant_range_times, "line": grid.lines, "pixel": grid.pixels, "latitude": grid.latitudes,
        "longitude": grid.longitudes, "height": grid.heights, "incidenceAngle": grid.incidences,
    }  # fmt: skip
    for number, time in enumerate(grid.azimuth_times):
        values = "".join(_element(name, f"{column[number]:.15e}") for name, column in fields.items())
        yield f"<geolocationGridPoint>{_element('azimuthTime', time)}{values}</geolocationGridPoint>"


def _axes(vector: NDArray[np.float64]) -> str:
    return "".join(_element(axis, f"{value:.15e}") for axis, value in zip("xyz", vector, strict=True))


def _vectors(name: str, tables: Mapping[str, RangeVectors]) -> list[str]:
    first = next(iter(tables.values()))
    return [
        f"<{name}>{_element('line', round(line))}{_numbers('pixel', first.pixels[number], '.0f')}"
        + "".join(_numbers(value, table.values[number]) for value, table in tables.items())
        + f"</{name}>"
        for number, line in enumerate(first.lines)
    ]


def calibration_xml(annotation: Annotation, calibration: Calibration) -> str:
    """Return a calibration file."""
    tables = {"sigmaNought": calibration.sigma, "betaNought": calibration.beta, "gamma": calibration.gamma}
    vectors = _list("calibrationVectorList", _vectors("calibrationVector", tables))
    return _xml("calibration", [_header(annotation), vectors])


def noise_xml(annotation: Annotation, noise: Noise, old: bool = False) -> str:
    """Return a noise file, in the form of before IPF 2.90 if `old`."""
    if old:
        vectors = _vectors("noiseVector", {"noiseLut": noise.range_vectors})
        return _xml("noise", [_header(annotation), _list("noiseVectorList", vectors)])
    vectors = _vectors("noiseRangeVector", {"noiseRangeLut": noise.range_vectors})
    blocks = [_block(block) for block in noise.blocks]
    return _xml(
        "noise",
        [_header(annotation), _list("noiseRangeVectorList", vectors), _list("noiseAzimuthVectorList", blocks)],
    )


def _block(block: AzimuthBlock) -> str:
    bounds = {
        "firstAzimuthLine": block.first_line,
        "firstRangeSample": block.first_sample,
        "lastAzimuthLine": block.last_line,
        "lastRangeSample": block.last_sample,
    }
    inner = "".join(_element(name, value) for name, value in bounds.items())
    values = _numbers("line", block.lines, ".0f") + _numbers("noiseAzimuthLut", block.values)
    return f"<noiseAzimuthVector>{inner}{values}</noiseAzimuthVector>"


def manifest_xml(manifest: Manifest, objects: Iterable[tuple[str, str, bytes]]) -> str:
    """Return a manifest; `objects` are kinds (repID), names and contents of files."""
    corners = " ".join(f"{latitude:.6f},{longitude:.6f}" for longitude, latitude in manifest.footprint)
    polarizations = "".join(_element("s1sarl1:transmitterReceiverPolarisation", p) for p in manifest.polarizations)
    version = f"{manifest.ipf[0]:03d}.{manifest.ipf[1]:02d}"
    metadata = {
        "processing": f'<safe:processing name="GRD Post Processing" stop="{manifest.processed}"><safe:facility>'
        f'<safe:software name="Sentinel-1 IPF" version="{version}"/></safe:facility></safe:processing>',
        "platform": f"<safe:platform>{_element('safe:number', manifest.mission[2])}<safe:instrument><safe:extension>"
        f"<s1sarl1:instrumentMode>{_element('s1sarl1:mode', manifest.mode)}</s1sarl1:instrumentMode>"
        "</safe:extension></safe:instrument></safe:platform>",
        "measurementOrbitReference": "<safe:orbitReference>"
        f'<safe:orbitNumber type="start">{manifest.absolute_orbit}</safe:orbitNumber>'
        f'<safe:relativeOrbitNumber type="start">{manifest.track}</safe:relativeOrbitNumber><safe:extension>'
        f"<s1:orbitProperties>{_element('s1:pass', manifest.direction)}</s1:orbitProperties>"
        "</safe:extension></safe:orbitReference>",
        "generalProductInformation": "<s1sarl1:standAloneProductInformation>"
        + _element("s1sarl1:missionDataTakeID", manifest.datatake)
        + polarizations
        + _element("s1sarl1:productType", manifest.product_type)
        + "</s1sarl1:standAloneProductInformation>",
        "acquisitionPeriod": f"<safe:acquisitionPeriod>{_element('safe:startTime', manifest.start)}"
        f"{_element('safe:stopTime', manifest.stop)}</safe:acquisitionPeriod>",
        "measurementFrameSet": "<safe:frameSet><safe:frame><safe:footPrint>"
        f"{_element('gml:coordinates', corners)}</safe:footPrint></safe:frame></safe:frameSet>",
    }
    listed = (
        f'<dataObject ID="{Path(file).stem}" repID="{kind}"><byteStream size="{len(content)}">'
        f'<fileLocation locatorType="URL" href="./{file}"/><checksum checksumName="MD5">'
        f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}</checksum></byteStream></dataObject>"
        for kind, file, content in objects
    )
    spaces = {
        "xfdu": "urn:ccsds:schema:xfdu:1", "safe": "http://www.esa.int/safe/sentinel-1.0", "gml": "http://www.opengis.net/gml",
        "s1": "http://www.esa.int/safe/sentinel-1.0/sentinel-1",
        "s1sarl1": "http://www.esa.int/safe/sentinel-1.0/sentinel-1/sar/level-1",
    }  # fmt: skip
    root = "xfdu:XFDU " + " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in spaces.items())
    wrapped = (
        f'<metadataObject ID="{name}"><metadataWrap><xmlData>{text}</xmlData></metadataWrap></metadataObject>'
        for name, text in metadata.items()
    )
    sections = ("metadataSection", wrapped), ("dataObjectSection", listed)
    return _xml(root, ["\n".join([f"<{name}>", *parts, f"</{name}>"]) for name, parts in sections])


def tables_for(annotation: Annotation, beta: float, noise: float) -> tuple[Calibration, Noise]:
    """Return calibration and noise of an image: incidence angles are those of its geolocation grid.

    Parameters
    ----------
    annotation : Annotation
        Of the image.
    beta : float
        Value of the table of beta0, about 474.
    noise : float
        Thermal noise in the middle of the swath, in squared digital numbers, about 1500; it varies by a third along the
        range, and by a tenth along the lines. 0 for unknown noise, as from IPF 2.36.
    """
    every = np.arange(0.0, annotation.samples - 1, 40)
    pixels = np.append(every, annotation.samples - 1.0)
    lines = np.append(np.arange(0.0, annotation.lines - 1, 668), annotation.lines - 1.0)
    order = np.argsort(annotation.grid.pixels)
    angle = np.radians(np.interp(pixels, annotation.grid.pixels[order], annotation.grid.incidences[order]))
    pixel_rows = (pixels,) * len(lines)

    def vectors(values: NDArray[np.float64]) -> RangeVectors:
        return RangeVectors(lines, pixel_rows, (values,) * len(lines))

    calibration = Calibration(
        annotation.polarization,
        vectors(beta / np.sqrt(np.sin(angle))),
        vectors(np.full(len(pixels), beta)),
        vectors(beta / np.sqrt(np.tan(angle))),
    )
    along = np.append(np.arange(0.0, annotation.lines - 1, 10), annotation.lines - 1.0)
    scalloping = 1.05 + 0.05 * np.cos(2 * math.pi * along / 250)
    block = AzimuthBlock(0, annotation.lines - 1, 0, annotation.samples - 1, along, scalloping)
    level = noise * (1 + 0.3 * np.cos(math.pi * pixels / annotation.samples))
    return calibration, Noise(annotation.polarization, vectors(level), (block,) if noise else ())
