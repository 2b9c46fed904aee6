"""The JSON Schema of policy files, for editors and other checkers.

Editors read it with different libraries, some of which know draft 7 only. What those do not know
is said once more in a way that they do, so that all of them complete keys and point at mistakes.
"""

from __future__ import annotations

import inspect
import re
from typing import Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonRef, JsonSchemaValue
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
    found = model.model_json_schema(by_alias=True, schema_generator=_ForEditors)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


class _ForEditors(GenerateJsonSchema):
    """Describes keys by the docstrings of their models, and nothing that no document can hold."""

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
            if key is not None:
                key.setdefault("description", described.get(name, found["description"]))
        return found

    def field_title_should_be_set(self, schema: object) -> bool:
        return False  # it would repeat the key

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        # A key without a value is left out: TOML has no null, and JSON's is refused.
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        if found.get("default", ...) is None:
            del found["default"]
        return found

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        found = super().dict_schema(schema)
        found.get("propertyNames", {}).pop("examples", None)
        if "patternProperties" in found:
            found["additionalProperties"] = False
        return found

    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchemaValue:
        found = super().tuple_schema(schema)
        if "prefixItems" in found and "items" not in found:
            # There are no more items; but where prefixItems is not known, this is of all of them.
            found["items"] = {"anyOf": found["prefixItems"]}
        return found

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        found = super().tagged_union_schema(schema)
        if found.pop("discriminator", None):
            return found
        members = [self.get_schema_from_definitions(JsonRef(one["$ref"])) for one in found["oneOf"]]
        return _together([one for one in members if one])


def _together(members: list[JsonSchemaValue]) -> JsonSchemaValue:
    """Return one table with the keys of several kinds of table, told apart by what they require.

    Of a choice among tables, editors complete the keys of one only, or say of a misspelt key that
    none of the tables fits.
    """
    properties = {key: one for table in members for key, one in table["properties"].items()}
    kinds = [
        {
            "if": {"required": table["required"]},
            "then": {"propertyNames": {"enum": [*table["properties"]]}},
        }
        for table in members
        if "required" in table
    ]
    return {
        "type": "object",
        "description": " ".join(str(table["description"]) for table in members),
        "properties": properties,
        "additionalProperties": False,
        "allOf": kinds,
    }


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
