"""Evaluators of the typed form: over columns, for one customer, and with reasons."""
