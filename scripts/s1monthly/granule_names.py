"""Names of granules and of their files: this module alone formats and parses them. Standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from s1monthly.errors import NameFormatError
from s1monthly.granules import UNKNOWN_TRACK, Burst, BurstGranule, Granule, Slice, StaticGranule

LAYER_NAMES = ("VV", "VH", "HH", "HV", "mask")
STATIC_LAYERS = (
    "incidence_angle",
    "local_incidence_angle",
    "number_of_looks",
    "rtc_anf_gamma0_to_beta0",
    "rtc_anf_gamma0_to_sigma0",
    "mask",
)
"""Layers of a static granule, as OPERA names them."""
_GRANULE = re.compile(
    r"OPERA_L2_RTC-S1_(?P<burst>T\d{3}-\d{6}-IW[123])_(?P<acquired>\d{8}T\d{6}Z)_(?P<processed>\d{8}T\d{6}Z)"
    r"_(?P<platform>S1[A-D])_(?P<spacing>\d+)_v(?P<version>\d+(?:\.\d+)*)"
)
_OLDER_NAMES = {"layover_shadow_mask": "mask"}
"""Layer names in earlier product versions."""
_LAYER_FILE = re.compile(
    rf"(?P<granule>{_GRANULE.pattern})_(?P<layer>{'|'.join((*LAYER_NAMES, *_OLDER_NAMES))})\.tiff?",
    re.IGNORECASE | re.ASCII,
)
_LAYERS = {name.lower(): name for name in LAYER_NAMES} | _OLDER_NAMES
_LIKE_GRANULE = re.compile(rf"(?P<granule>{_GRANULE.pattern})|OPERA_L2_RTC-S1_", re.IGNORECASE | re.ASCII)
_BESIDE_LAYERS = (".xml", ".png", ".jpg", ".jpeg", ".kml", ".json", ".html", ".txt", ".md5", ".sha256", ".ovr")
"""Suffixes of files that accompany a granule but hold no layer."""
_STATIC = re.compile(
    r"OPERA_L2_RTC-S1-STATIC_(?P<burst>T\d{3}-\d{6}-IW[123])_(?P<day>\d{8})_(?P<platform>S1[A-D])"
    r"_(?P<spacing>\d+)_v(?P<version>\d+(?:\.\d+)*)"
)
_STATIC_FILE = re.compile(
    rf"(?P<granule>{_STATIC.pattern})_(?P<layer>{'|'.join(STATIC_LAYERS)})\.tiff?", re.IGNORECASE | re.ASCII
)

_PRODUCT = re.compile(
    r"(?P<mission>S1[A-D])_(?P<mode>IW|EW|WV|S[1-6]|EN|N[1-6])_(?P<type>GRD|SLC|OCN|RAW)(?P<resolution>[FHM_])_"
    r"(?P<level>[012])(?P<kind>[SA])(?P<polarization>SH|SV|DH|DV|HH|HV|VV|VH)_(?P<start>\d{8}T\d{6})_(?P<stop>\d{8}T\d{6})_"
    r"(?P<orbit>\d{6})_(?P<datatake>[0-9A-F]{6})_(?P<unique>[0-9A-F]{4})(?P<cog>_COG)?(?:\.SAFE)?(?:\.zip)?"
)
SLICE_PATTERN = r"S1[A-D]_[A-Z0-9]{2}_GRD[A-Z0-9_]+?_[0-9A-F]{6}_[0-9A-F]{4}(?:_COG)?(?:_T\d{3})?"
"""The name of a GRD slice within a text."""
_SLICE = re.compile(r"(?P<product>S1[A-D]_[A-Z0-9_]+?)(?:_T(?P<track>\d{3}))?")


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def parse_granule_id(name: str) -> Granule:
    """Parse the name of a granule of any source; return a Granule without layers or footprint.

    Raises
    ------
    NameFormatError
        If it is neither the name of an OPERA RTC-S1 product, nor that of a Sentinel-1 product with its track.
    """
    return slice_of_id(name) or parse_burst_id(name)


def slice_of_id(name: str) -> Slice | None:
    """Parse the name of a Sentinel-1 product with its track; return None for any other name."""
    match = _SLICE.fullmatch(name)
    return slice_of(parse_product_name(match["product"]), int(match["track"] or UNKNOWN_TRACK)) if match else None


def parse_burst_id(name: str) -> BurstGranule:
    """Parse the name of an OPERA RTC-S1 product; return a granule without layers or footprint.

    Raises
    ------
    NameFormatError
        If the name does not follow the product specification.
    """
    match = _GRANULE.fullmatch(name)
    if not match:
        raise NameFormatError(
            f"not an OPERA RTC-S1 granule name: {name!r}",
            "expected OPERA_L2_RTC-S1_<burst>_<acquired>_<processed>_<platform>_<spacing>_v<version>",
        )
    try:
        return BurstGranule(
            burst=Burst.parse(match["burst"]),
            acquired=_moment(match["acquired"]),
            processed=_moment(match["processed"]),
            platform=match["platform"],
            spacing=int(match["spacing"]),
            version=match["version"],
        )
    except ValueError as error:
        raise NameFormatError(
            f"granule {name}: {error}", "the name holds an impossible date; remove the file"
        ) from error


def parse_layer_file(name: str) -> tuple[str, str] | None:
    """Split a layer's file name into granule id and layer name; return None for any other file.

    Accepts upper and lower case, ``.tif`` and ``.tiff``, and ``_layover_shadow_mask.tif``, the mask layer's older name.
    Returns id and layer name as OPERA writes them today.
    """
    match = _LAYER_FILE.fullmatch(name)
    return (_as_published(match["granule"]), _LAYERS[match["layer"].lower()]) if match else None


def parse_static_id(name: str) -> StaticGranule:
    """Parse a static granule's name; return a StaticGranule without layers.

    Raises
    ------
    NameFormatError
        If the name does not follow the OPERA RTC-S1-STATIC product specification.
    """
    match = _STATIC.fullmatch(name)
    if not match:
        raise NameFormatError(
            f"not an OPERA RTC-S1-STATIC granule name: {name!r}",
            "expected OPERA_L2_RTC-S1-STATIC_<burst>_<day>_<platform>_<spacing>_v<version>",
        )
    try:
        day = date.fromisoformat(match["day"])
    except ValueError as error:
        raise NameFormatError(
            f"granule {name}: {error}", "the name holds an impossible date; remove the file"
        ) from error
    burst, spacing = Burst.parse(match["burst"]), int(match["spacing"])
    return StaticGranule(burst, day, match["platform"], spacing, match["version"])


def parse_static_source(name: str) -> StaticGranule | Slice:
    """Parse the name of what static layers are made of: a static granule, or a slice of GRD products.

    Raises
    ------
    NameFormatError
        If it is neither.
    """
    return slice_of_id(name) or parse_static_id(name)


def parse_static_file(name: str) -> tuple[str, str] | None:
    """Split a static layer's file name into granule id and layer name; return None for any other file.

    Accepts upper and lower case, ``.tif`` and ``.tiff``. Returns id and layer name as OPERA writes them.
    """
    match = _STATIC_FILE.fullmatch(name)
    return (_as_published(match["granule"]), match["layer"].lower()) if match else None


def burst_of_file(name: str) -> Burst | None:
    """Return the burst of a layer's file, of a granule or a static granule; None for any other file."""
    if granule := parse_layer_file(name):
        return parse_burst_id(granule[0]).burst
    static = parse_static_file(name)
    return parse_static_id(static[0]).burst if static else None


def parse_like_granule(name: str) -> str | None:
    """Return the id of the granule that a file seems to belong to, judging by its name.

    Returns
    -------
    str or None
        Granule id; empty if the name only begins like a granule's. None for any other name, and for files that
        accompany the layers, such as pictures and metadata.
    """
    match = _LIKE_GRANULE.search(name)
    if not match or name.lower().endswith(_BESIDE_LAYERS):
        return None
    return _as_published(match["granule"]) if match["granule"] else ""


def _as_published(granule_id: str) -> str:
    """Return a granule id in OPERA's upper and lower case."""
    *parts, version = granule_id.upper().split("_")
    return "_".join([*parts, version.lower()])


def layer_file(granule_id: str, layer: str) -> str:
    """Return the file name of a granule's layer."""
    return f"{granule_id}_{layer}.tif"


def seen_file(granule_id: str) -> str:
    """Return the name of the file of what a burst saw of each pixel, see `kernels.quality`."""
    return layer_file(granule_id, "seen")


@dataclass(frozen=True)
class ProductName:
    """What the name of a product says.

    Attributes
    ----------
    id : str
        The name without ``.SAFE`` and ``.zip``.
    mission : str
        S1A to S1D.
    mode : str
        IW, EW, WV, or the swath of a stripmap product, S1 to S6.
    product_type : str
        GRD, SLC, OCN or RAW.
    resolution : str
        F (full), H (high) or M (medium); ``_`` where there is none.
    polarization : str
        SH, SV, DH or DV: one (S) or two (D) layers, sent in H or V.
    start, stop : datetime
        First and last line, in whole seconds, UTC.
    absolute_orbit : int
        Orbits since launch.
    datatake : str
        Hexadecimal number of the datatake.
    unique : str
        Checksum of the metadata: tells apart products of the same lines.
    """

    id: str
    mission: str
    mode: str
    product_type: str
    resolution: str
    polarization: str
    start: datetime
    stop: datetime
    absolute_orbit: int
    datatake: str
    unique: str


def parse_product_name(name: str) -> ProductName:
    """Parse the name of a product, with or without ``.SAFE`` or ``.zip``.

    Raises
    ------
    NameFormatError
        If it is none.

    Examples
    --------
    >>> parse_product_name("S1A_IW_GRDH_1SDV_20210809T173953_20210809T174018_039156_049F13_6FF8.SAFE").mode
    'IW'
    """
    found = _PRODUCT.fullmatch(name)
    try:
        if found is None:
            raise ValueError(name)
        start, stop = (datetime.strptime(found[key], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) for key in ("start", "stop"))
    except ValueError:
        raise NameFormatError(
            f"{name!r} is not the name of a Sentinel-1 product",
            "keep the archive's names, as S1A_IW_GRDH_1SDV_20210809T173953_20210809T174018_039156_049F13_6FF8.SAFE",
        ) from None
    return ProductName(
        id=name.removesuffix(".zip").removesuffix(".SAFE"),
        mission=found["mission"],
        mode=found["mode"],
        product_type=found["type"],
        resolution=found["resolution"],
        polarization=found["polarization"],
        start=start,
        stop=stop,
        absolute_orbit=int(found["orbit"]),
        datatake=found["datatake"],
        unique=found["unique"],
    )


def is_product_name(name: str) -> bool:
    """Return whether a file or folder has the name of a Sentinel-1 product, with or without ``.SAFE`` or ``.zip``."""
    try:
        return bool(parse_product_name(name))
    except NameFormatError:
        return False


def slice_of(name: ProductName, track: int = UNKNOWN_TRACK) -> Slice:
    """Return a product as a granule, without layers or footprint."""
    return Slice(
        product=name.id,
        acquired=name.start,
        end=name.stop,
        platform=name.mission,
        mode=name.mode,
        datatake=name.datatake,
        track=track,
    )
