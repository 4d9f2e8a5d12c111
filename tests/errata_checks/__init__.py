"""Runs the check of each erratum in data/errata, and deliberate mutations that it must catch."""
