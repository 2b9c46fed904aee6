"""What one kind of document has of its own: everything else is alike for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pydantic import BaseModel

from crmcore.errors import PolicyError

__all__ = ["ANY", "DocumentKind", "Location"]

Location: TypeAlias = tuple[str | int, ...]
"""The keys and positions that lead to a place in a document."""

ANY: Final = "*"
"""In a path: whatever name or position stands there."""


@dataclass(frozen=True, slots=True, eq=False)
class DocumentKind:
    """A kind of document, such as policies.

    Parameters
    ----------
    word
        What messages call it, such as ``"policy"``.
    error
        What is raised when one is refused.
    models
        The model of each table whose keys are known, by its path.
    tags
        The tags by which its models tell apart what may stand at one place: parts of pydantic's
        locations that the document itself does not have.
    known
        For suggestions: the texts that there are at a path.

    Examples
    --------
    >>> from crmcore.money import Currency
    >>> kind = DocumentKind("price list", models={("prices", ANY): Currency})
    >>> kind.keys_at(("prices", "bread")), kind.keys_at(("prices",))
    (('code', 'exponent'), ())
    """

    word: str
    error: type[PolicyError] = PolicyError
    models: Mapping[tuple[str, ...], type[BaseModel]] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    known: Mapping[Location, Callable[[], Iterable[str]]] = field(default_factory=dict)

    def keys_at(self, location: Location) -> tuple[str, ...]:
        """Return the keys that the table there may have; none when that is not known.

        Parameters
        ----------
        location
            As pydantic gives it, with tags.
        """
        for path, model in self.models.items():
            if len(path) == len(location) and all(
                part in (ANY, given) for part, given in zip(path, location, strict=True)
            ):
                fields = model.model_fields.items()
                return tuple(info.alias or name for name, info in fields)
        return ()
