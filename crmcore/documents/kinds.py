"""What one kind of document has of its own: everything else is alike for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pydantic import BaseModel

from crmcore.errors import PolicyError

__all__ = ["ANY", "DocumentKind", "Location", "upwards"]

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
    meant
        For suggestions: what keys are called here that others may call otherwise.
    examples
        For keys at the top that are required: a line that gives one.

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
    meant: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)

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

    def keys_near(self, location: Location) -> tuple[str, ...]:
        """Return the keys that the table there may have, or would have with another tag."""
        others = [(*location[:-1], tag) for tag in sorted(self.tags)]
        tagged = others if location and location[-1] in self.tags else []
        return tuple(dict.fromkeys(key for one in (location, *tagged) for key in self.keys_at(one)))


def upwards(path: str) -> Iterator[str]:
    """Yield a dotted path, and those of what is around it, the nearest first.

    Examples
    --------
    >>> list(upwards("scores.s.from"))
    ['scores.s.from', 'scores.s', 'scores']
    """
    while path:
        yield path
        path = path.rpartition(".")[0]
