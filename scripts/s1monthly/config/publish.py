"""Section publish: object storage, or a folder, to which the output tree is copied at the end of a run."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationError

from s1monthly.config.fields import Section, checked_by, option, refusal
from s1monthly.config.messages import explain
from s1monthly.errors import ConfigError
from s1monthly.layout import folder_path

_BUCKET = re.compile(r"(?P<scheme>s3|gs|az)://(?P<bucket>[A-Za-z0-9._-]+)(?P<prefix>/[^\s?#]*)?")


def published_at(url: str) -> str:
    """Check an address to publish at and return it without a slash at its end; that of a folder as an absolute path."""
    if re.match("[A-Za-z][A-Za-z0-9+.-]*://", url) and not url.startswith("file://"):
        match = _BUCKET.fullmatch(url)
        parts = (match["prefix"] or "").strip("/").split("/") if match else []
        if match is None or {".", ".."} & {*parts} or "" in parts[1:]:
            raise refusal(
                "not an address to publish at; give s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or a"
                " folder. Keys never belong there: they are taken from the environment"
            )  # which does not repeat the address: it may hold a key
        return url.rstrip("/")
    if re.match("(s3|gs|az):", url):
        raise refusal("a colon without two slashes behind; give s3://bucket/prefix, or, for a folder, its whole path")
    return checked_by(folder_path)(url.removeprefix("file://")).rstrip("/") or "/"


def _server(url: str) -> str:
    if not re.fullmatch(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?(/[^\s@?#]*)?", url):
        raise refusal("not the address of a server; give one beginning with https:// (or, without encryption, http://)")
    return url.rstrip("/")


Address = Annotated[str, AfterValidator(published_at)]
Server = Annotated[str, AfterValidator(_server)]


class Publish(Section):
    """Where the output tree is published: a run copies there what is new at its end."""

    url: Address | None = option(
        None,
        "Copy cubes, COGs and catalogs there at the end of every run: s3://bucket/prefix, gs://, az:// or a folder."
        " Only complete months; nothing is deleted",
        example="s3://bucket/sentinel1",
    )
    endpoint: Server | None = option(
        None, "Server of the storage, if it is not that of AWS, Google or Azure", example="https://s3.example.org"
    )
    base_url: Server | None = option(
        None,
        "Address at which readers find publish.url: links in published STAC documents are absolute then",
        example="https://data.example.org/sentinel1",
    )
    max_workers: int = option(16, "Files copied at once", ge=1, le=256)


def lies_in_tree(url: str, base_dir: str) -> bool:
    """Return True if an address to publish at is the output tree, or a folder in it."""
    base = os.path.realpath(base_dir)
    return "://" not in url and os.path.commonpath([base, os.path.realpath(url)]) == base


IN_TREE = "publish.url: in the output tree, which must not be published onto itself; give a folder outside"


def check_publish(values: Mapping[str, Any], base_dir: str) -> Publish:
    """Check the values of the section ``publish`` and return it.

    Parameters
    ----------
    base_dir : str
        Root of the output tree.

    Raises
    ------
    ConfigError
        If a value is bad, there is no url, or it lies in the output tree.
    """
    try:
        section = Publish.model_validate(dict(values))
    except ValidationError as error:
        problems = "; ".join(f"publish.{line}" for line in explain(error, Publish))
        raise ConfigError(problems, "fix that and run again") from None
    if section.url is None:
        raise ConfigError("publish.url: missing", "give --url, or a configuration with publish.url")
    if lies_in_tree(section.url, base_dir):
        raise ConfigError(*IN_TREE.split("; "))
    return section
