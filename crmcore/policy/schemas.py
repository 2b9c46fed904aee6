"""The JSON Schema of policy files, for editors and other checkers."""

from __future__ import annotations

from pydantic import BaseModel

from crmcore.policy.document import Document

__all__ = ["schema"]


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
    found = model.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
