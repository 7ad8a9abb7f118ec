"""Building blocks of the configuration's sections: options, checked types, the base class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from s1monthly.errors import NameFormatError
from s1monthly.layout import folder_path
from s1monthly.model import TRACKS, Month, Tile


def option(default: Any, description: str, *, example: Any = None, no_effect: str = "", **limits: Any) -> Any:
    """Declare an option with its default, a one-line description and, without a default, an example.

    Parameters
    ----------
    default : object
        Default value; ``...`` if the option is required.
    description : str
        One line for config.yaml and the documentation.
    example : object
        Shown, commented out, if the default is None.
    no_effect : str
        For an option of S1-GRiTS that has no effect here: the reason.
    **limits
        Passed on to `pydantic.Field` (``gt``, ``ge``, ``le``, ``min_length`` ...).
    """
    return Field(
        default, description=description, json_schema_extra={"example": example, "no_effect": no_effect}, **limits
    )


def listed(value: Any) -> Any:
    """Turn a single value into a list of one."""
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


def unique(values: list[Any] | None) -> list[Any] | None:
    """Refuse a list with duplicate values.

    Raises
    ------
    PydanticCustomError
        If a value occurs twice; the message names it.
    """
    if values is not None and len(set(values)) < len(values):
        twice = sorted({v for v in values if values.count(v) > 1})
        raise PydanticCustomError("twice", "{twice} given twice", {"twice": ", ".join(map(str, twice))})
    return values


def _tile(name: Any) -> Any:
    try:
        return Tile(name).name if isinstance(name, str) else name
    except NameFormatError as error:
        raise PydanticCustomError("tile", "{message}", {"message": str(error)}) from error


def _month(text: Any) -> Any:
    try:
        return str(Month.parse(str(text)))
    except NameFormatError as error:
        raise PydanticCustomError("month", "{message}", {"message": str(error)}) from error


def _folder(path: str) -> str:
    try:
        return folder_path(path)
    except NameFormatError as error:
        raise PydanticCustomError("path", "{message}", {"message": str(error)}) from error


def rows_columns(value: Any) -> Any:
    """Turn chunks in S1-GRiTS's other form, {time: 1, y: 1024, x: 1024}, into rows and columns."""
    return [value.get("y"), value.get("x")] if isinstance(value, Mapping) else value


ChunkSide = Annotated[int, Field(ge=16, le=16384)]
Track = Annotated[int, Field(ge=1, le=TRACKS)]
Year = Annotated[int, Field(ge=2014, le=2100)]
MonthNumber = Annotated[int, Field(ge=1, le=12)]
TileName = Annotated[str, BeforeValidator(_tile)]
MonthText = Annotated[str, BeforeValidator(_month)]
FolderPath = Annotated[str, Field(min_length=1), AfterValidator(_folder)]


class Section(BaseModel):
    """A section of the configuration: it refuses unknown keys, and its values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _empty_section(cls, values: Any) -> Any:
        return {} if values is None else values
