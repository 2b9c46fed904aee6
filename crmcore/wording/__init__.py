"""Wording: messages as keys with parameters, and the catalogues that say them in a language.

Nothing that crmcore explains is a finished sentence: it is a `Message`, and a `Catalogue` has a
template for it in each language and for each voice. A host adds languages and its own wording.
"""

from __future__ import annotations

from crmcore.wording.catalogue import Catalogue, Labels, WordingError, load_catalogue
from crmcore.wording.message import Label, Message, Money, Parameter, Voice, plain

__all__ = [
    "Catalogue",
    "Label",
    "Labels",
    "Message",
    "Money",
    "Parameter",
    "Voice",
    "WordingError",
    "load_catalogue",
    "plain",
]
