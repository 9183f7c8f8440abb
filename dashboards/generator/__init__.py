"""Generates the dashboards: `python -m generator` in `dashboards/` writes the JSON files. Do not edit those by hand."""
