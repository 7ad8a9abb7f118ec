"""Generate config.yaml, schema.json and the table of options from the configuration model.

``python -m s1monthly.config.docs`` writes them; a test fails if they do not match the model.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from s1monthly.config import s1grits
from s1monthly.config.messages import every_key, section_of
from s1monthly.config.root import Config

EXAMPLE = {
    "roi.manual_mgrs_tiles": ["50RKV"],
    "roi.flight_direction": "ASCENDING",
    "time.years": [2024],
    "time.months": [1, 2, 3],
}
"""Values in the shipped config.yaml for options without a default."""

HEADER = """\
# Every option of s1monthly, with its default. Every key of an S1-GRiTS configuration file is understood.
# Generated from scripts/s1monthly/config/root.py by `make config`: copy this file, then edit the copy, and run
#   snakemake --cores 4 --configfile my.yaml
"""


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value


def _yaml(value: Any) -> str:
    text = yaml.safe_dump(_plain(value), default_flow_style=True, width=1000, allow_unicode=True).strip()
    return text.removesuffix("...").strip()


def _extra(field: FieldInfo, key: str) -> Any:
    extra = field.json_schema_extra
    return extra.get(key) if isinstance(extra, dict) else None


def _choices(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from (str(choice) for choice in get_args(annotation))
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        yield from (str(choice.value) for choice in annotation)
    else:
        for part in get_args(annotation):
            yield from _choices(part)


def options(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield every option of a section and the sections inside it, with its full key."""
    return ((key, field) for key, field in every_key(model) if not section_of(field.annotation))


def _lines(model: type[BaseModel], indent: str, prefix: str) -> Iterator[str]:
    for key, field in model.model_fields.items():
        inner = section_of(field.annotation)
        if inner:
            live = any(_is_live(f"{prefix}{key}.{name}", f) for name, f in options(inner))
            yield ""
            yield f"{indent}# {(inner.__doc__ or '').strip()}"
            yield f"{indent}{'' if live else '# '}{key}:"
            yield from _lines(inner, indent + "  ", f"{prefix}{key}.")
            continue
        notes = field.description or ""
        choices = list(_choices(field.annotation))
        if choices and not all(choice in notes for choice in choices):
            notes += f" ({' | '.join(choices)})"
        if _extra(field, "no_effect"):
            notes = f"no effect: {_extra(field, 'no_effect')} ({notes[:1].lower()}{notes[1:]})"
        for line in textwrap.wrap(notes, 110 - len(indent)):
            yield f"{indent}# {line}"
        value, live = EXAMPLE.get(prefix + key, field.default), _is_live(prefix + key, field)
        shown = value if value not in (None, PydanticUndefined) else _extra(field, "example")
        yield f"{indent}{'' if live else '# '}{key}: {_yaml(shown)}"


def _is_live(key: str, field: FieldInfo) -> bool:
    """Return True if an option stands in the file as it is, False if it is commented out."""
    value = EXAMPLE.get(key, field.default)
    return value not in (None, PydanticUndefined) and not _extra(field, "no_effect")


def config_yaml() -> str:
    """Return the text of the shipped, commented config.yaml."""
    return HEADER + "\n".join(_lines(Config, "", "")) + "\n"


def schema_json() -> str:
    """Return the text of schema.json, the JSON Schema of the configuration."""
    schema = Config.model_json_schema()
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=1) + "\n"


def option_table() -> str:
    """Return a Markdown table of every option: key, default, meaning."""
    rows = ["| option | default | meaning |", "|---|---|---|"]
    for key, field in options(Config):
        given = field.default not in (None, PydanticUndefined)
        default = f"`{_yaml(field.default)}`" if given else ("must be given" if field.is_required() else "")
        meaning = (field.description or "").replace("|", "\\|")
        if _extra(field, "no_effect"):
            meaning += f" *(no effect here: {_extra(field, 'no_effect')})*"
        rows.append(f"| `{key}` | {default} | {meaning} |")
    return "\n".join(rows)


def files(readme: str) -> dict[str, str]:
    """Return name and text of every generated file in the config folder; the README gets new tables."""
    for name, table in (("S1-GRiTS", s1grits.table()), ("options", option_table())):
        start, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
        before, rest = readme.split(start)
        readme = before + start + table + end + rest.split(end)[1]
    return {"config.yaml": config_yaml(), "schema.json": schema_json(), "README.md": readme}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, text in files((folder / "README.md").read_text(encoding="utf-8")).items():
        (folder / name).write_text(text, encoding="utf-8")
