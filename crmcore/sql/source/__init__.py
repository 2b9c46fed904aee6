"""A shop's own rows in SQL, read as its source says: the same rows and the same account."""

from crmcore.sql.source.mapping import BadRows, Reading, given_rows
from crmcore.sql.source.shop import asked_names

__all__ = ["BadRows", "Reading", "asked_names", "given_rows"]
