"""Error messages for an unusable configuration: places, allowed values, nearest known keys."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from s1monthly.errors import GridError
from s1monthly.grid.crs import crs_of, map_crs


def check_polygon(wkt: str) -> None:
    """Refuse a region that is not a valid polygon in longitude and latitude.

    Raises
    ------
    PydanticCustomError
        If the text is invalid; the message says why.
    """
    from s1monthly.grid.regions import (
        read_region,  # here: only a configuration with a polygon needs this slow import
    )

    try:
        read_region(wkt)
    except GridError as error:
        raise PydanticCustomError("wkt", "{message}", {"message": str(error)}) from error


def check_epsg(code: int) -> None:
    """Refuse an EPSG code that is not a map CRS.

    Raises
    ------
    PydanticCustomError
        If there is no such CRS, or it is not for maps; the message names the code.
    """
    try:
        crs_of(code)
    except GridError as error:
        raise PydanticCustomError(
            "crs", "there is no EPSG:{code}; give one such as EPSG:32610", {"code": code}
        ) from error
    try:
        map_crs(code)
    except GridError as error:
        raise PydanticCustomError("crs", "{message}", {"message": str(error)}) from error


def check_folder(path: str) -> None:
    """Refuse a path that is not a folder. A missing or unreadable folder passes: only jobs that read it must stop.

    Raises
    ------
    PydanticCustomError
        If the path is not a folder; the message names it and the reason.
    """
    try:
        with os.scandir(path):
            return
    except (FileNotFoundError, PermissionError):
        return
    except OSError as error:
        raise PydanticCustomError(
            "folder",
            "folder {path} cannot be read ({reason}); give an existing folder, relative to where snakemake runs",
            {"path": path, "reason": error.strerror or str(error)},
        ) from error


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield every section that an annotation can hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from models_in(part)


def _section(root: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel]:
    model = root
    for key in place:
        inner = model.model_fields[str(key)].annotation if str(key) in model.model_fields else None
        model = next(models_in(inner), model)
    return model


def _every_key(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, field in model.model_fields.items():
        yield key, prefix + key
        for inner in models_in(field.annotation):
            yield from _every_key(inner, f"{prefix}{key}.")


def _unknown(root: type[BaseModel], place: tuple[int | str, ...]) -> str:
    key = str(place[-1])
    here = list(_section(root, place[:-1]).model_fields)
    close = difflib.get_close_matches(key, here, n=1)
    if close:
        return f"unknown key; did you mean {close[0]!r}?"
    elsewhere = dict(_every_key(root))
    close = difflib.get_close_matches(key, elsewhere, n=1)
    if close:
        return f"unknown key here; did you mean {elsewhere[close[0]]!r}? Known here: {', '.join(here)}"
    return f"unknown key; known here: {', '.join(here)}"


def explain(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """Turn pydantic's errors into one line each: place, problem, what is allowed. `root` is the validated model."""
    lines: dict[str, None] = {}
    for item in error.errors():
        keys = tuple(k for k in item["loc"] if not (isinstance(k, str) and ("[" in k or k in ("str", "int", "float"))))
        place = ".".join(str(k) for k in keys)
        kind, message = item["type"], item["msg"]
        if kind == "extra_forbidden":
            text = f"{place}: {_unknown(root, keys)}"
        elif kind == "missing" and isinstance(keys[-1], int):  # one of several values
            of = ".".join(str(k) for k in keys[:-1])
            field = _section(root, keys[:-2]).model_fields[str(keys[-2])]
            text = f"{of}: too few values, {list(item['input'])!r}; {field.description}"
        elif kind == "missing":
            field = _section(root, keys[:-1]).model_fields[str(keys[-1])]
            text = f"{place}: missing; {field.description or 'this section must be given'}"
        elif "url" not in item:  # our own error, not pydantic's
            text = f"{place}: {message}" if place else message
        else:
            given = item["input"] if not isinstance(item["input"], dict) else "a section"
            text = f"{place}: {message[:1].lower()}{message[1:]}; found {given!r}"
        lines[text] = None
    return list(lines)


def without_effect(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every option that was given but has no effect, with the reason."""
    for key in sorted(section.model_fields_set):
        value, extra = getattr(section, key), type(section).model_fields[key].json_schema_extra
        if isinstance(value, BaseModel):
            yield from without_effect(value, f"{prefix}{key}.")
        elif isinstance(extra, dict) and extra.get("no_effect"):
            yield prefix + key, str(extra["no_effect"])
