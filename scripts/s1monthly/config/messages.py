"""Error messages for an unusable configuration: places, allowed values, nearest known keys."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section that an annotation can hold, or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    return next((section for part in parts if (section := section_of(part))), None)


def every_key(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every option and section of a section, and what lies in these, with its full key."""
    for key, field in model.model_fields.items():
        yield prefix + key, field
        section = section_of(field.annotation)
        if section:
            yield from every_key(section, f"{prefix}{key}.")


def _section(root: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel]:
    model = root
    for key in place:
        field = model.model_fields.get(str(key))
        model = (section_of(field.annotation) if field else None) or model
    return model


def _unknown(root: type[BaseModel], place: tuple[int | str, ...]) -> str:
    key = str(place[-1])
    here = list(_section(root, place[:-1]).model_fields)
    close = difflib.get_close_matches(key, here, n=1)
    if close:
        return f"unknown key; did you mean {close[0]!r}?"
    elsewhere = {full.rsplit(".", 1)[-1]: full for full, _ in every_key(root)}
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
