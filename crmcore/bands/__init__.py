"""Bands: ascending edges that turn a measured value into points or a label.

An edge belongs to the band it opens: a value gets the band of the greatest edge that it reaches.
Edges are exact: bound to a field, they become integers of the field's own unit (minor units of
money, whole numbers, local days), so no value can fall between two bands or into the wrong one.
"""

from __future__ import annotations

from crmcore.bands.bound import Band, BoundBands
from crmcore.bands.nodes import Edge, Identifier, LabelBands, PointBands, Points
from crmcore.bands.quantiles import Best, quantile_bands

__all__ = [
    "Band",
    "Best",
    "BoundBands",
    "Edge",
    "Identifier",
    "LabelBands",
    "PointBands",
    "Points",
    "quantile_bands",
]
