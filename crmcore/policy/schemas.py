"""The JSON Schema of policy files, for editors and other checkers."""

from __future__ import annotations

import inspect
import re
from typing import Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from crmcore.policy.document import Document

__all__ = ["schema"]

_SECTION: Final = re.compile(r"\n\n(\w+)\n-{3,}\n")


def schema(model: type[BaseModel] = Document) -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a policy file, or of another document.

    It tells a document's shape. Whether names exist and edges fit is checked on loading only.

    Parameters
    ----------
    model
        The root node of the document; of policies unless given.

    Examples
    --------
    >>> schema()["title"]
    'crmcore policy'
    """
    found = model.model_json_schema(by_alias=True, schema_generator=_Described)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


class _Described(GenerateJsonSchema):
    """Takes the descriptions of keys from the docstrings of their models."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        found = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        described: dict[str, str] = {}
        for one in reversed(model.__mro__):
            if one is not BaseModel and issubclass(one, BaseModel):
                found["description"], entries = _described(inspect.cleandoc(one.__doc__ or ""))
                described |= entries
        for name, info in model.model_fields.items():
            key = found.get("properties", {}).get(info.alias or name)
            if key is not None and name in described:
                key.setdefault("description", described[name])
        return found


def _described(text: str) -> tuple[str, dict[str, str]]:
    """Return the summary of a docstring, and what it says of each parameter."""
    summary, *sections = _SECTION.split(text)
    by_title = dict(zip(sections[::2], sections[1::2], strict=True))
    described: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", by_title.get("Parameters", "")):
        names, _, meaning = entry.partition("\n")
        for name in names.split(", "):
            described[name] = " ".join(meaning.split())
    return " ".join(summary.split()), described
