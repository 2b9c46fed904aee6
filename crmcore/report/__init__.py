"""Reports: figures of an evaluation, put on one HTML page that needs nothing else."""

from __future__ import annotations

from crmcore.report.figures import ClassLine, Figures, SpendBand, figures_of
from crmcore.report.page import DemoPage, render_demo, texts
from crmcore.report.people import Person, telling_people
from crmcore.report.tables import EdgeRow, EdgeTable, edge_tables

__all__ = [
    "ClassLine",
    "DemoPage",
    "EdgeRow",
    "EdgeTable",
    "Figures",
    "Person",
    "SpendBand",
    "edge_tables",
    "figures_of",
    "render_demo",
    "telling_people",
    "texts",
]
