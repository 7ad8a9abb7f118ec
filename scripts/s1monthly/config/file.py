"""Read the configuration file and report every problem in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from s1monthly.errors import ConfigError


def read_config_file(path: str | Path) -> dict[str, Any]:
    """Read a configuration file; an empty file gives an empty configuration.

    Parameters
    ----------
    path : path
        YAML or JSON file.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not UTF-8 or YAML, holds no keys, or holds a key twice.
    """
    where = f"configuration {path}"
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read ({error.strerror})", "give an existing file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: not in UTF-8 ({error})", "save it as UTF-8") from error
    return parse_config(text, path)


def parse_config(text: str, path: str | Path) -> dict[str, Any]:
    """Parse the text of a configuration file; an empty text gives an empty configuration.

    Parameters
    ----------
    text : str
        YAML or JSON.
    path : path
        File that errors name.

    Raises
    ------
    ConfigError
        If it is not YAML, holds no keys, holds a key twice, or holds itself.
    """
    where, remedy = f"configuration {path}", "fix the file, or give another one"
    if text.lstrip().startswith("{"):
        text = text.expandtabs()  # JSON allows tabs between values, YAML does not
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        content = yaml.load(text, Loader=yaml.CSafeLoader)
        twice = list(_twice(root, ""))
    except RecursionError as error:
        raise ConfigError(f"{where}: an alias (*) holds itself", remedy) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: PyYAML reads 2021-02-30 as a date
        raise ConfigError(f"{where}: not YAML ({' '.join(str(error).split())})", remedy) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: holds no keys such as roi: and time:", remedy)
    if twice:
        raise ConfigError(f"{where}: given twice: {', '.join(twice)}", "keep one of the two")
    return content


def _twice(node: yaml.Node | None, place: str) -> Iterator[str]:
    """Yield the keys that occur twice in a section, with the second line: YAML silently drops the first."""
    if isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _twice(inner, place)
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                yield f"{place}{key.value} (line {key.start_mark.line + 1})"
            elif isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
            yield from _twice(value, f"{place}{key.value}.")
