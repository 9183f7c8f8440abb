"""Checks of what an operator is given: rules, dashboards, deployment. Each test_*.py runs by `python -m unittest kit.test_*`."""
