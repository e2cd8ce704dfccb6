"""Tax expected by our own effective-dated tables, and what a quote, ours or an engine's, has to do with a document.

ask.py        a document's facts -> the question, its number; whether a quote answers it
tables.py     our tax codes with their days
treatment.py  which code a supply falls under: domestic, intra-community
engine.py     question + tables -> quote: the embedded default of every company
figures.py    the supplier's figure, the engine's and our tables', side by side
"""

from tripartite.core.tax.ask import contradiction, question_number, question_of
from tripartite.core.tax.engine import BUILT_IN, quote
from tripartite.core.tax.figures import Figure, figures
from tripartite.core.tax.tables import TaxTables

__all__ = [
    "BUILT_IN",
    "Figure",
    "TaxTables",
    "contradiction",
    "figures",
    "question_number",
    "question_of",
    "quote",
]
