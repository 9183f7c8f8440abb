"""Makes the dashboards: `python -m generator` in `dashboards/` writes them anew. Never edit the JSON by hand."""
