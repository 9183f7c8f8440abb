"""Checks of the files for operators: rules, dashboards, deployment. Each test_*.py runs by `python -m unittest kit.test_*`."""
