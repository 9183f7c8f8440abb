"""The dashboards match their generator, have only keys that Grafana knows, and are complete."""

import json
import re
import sys
import unittest

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from kit.tools import ROOT

sys.path.insert(0, str(ROOT / "dashboards"))
from generator.__main__ import rendered  # noqa: E402

DASHBOARDS = {path.name: json.loads(path.read_text()) for path in (ROOT / "dashboards").glob("*.json")}


def panels():
    """Every panel that shows data, with its dashboard's name."""
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                yield f"{name}: {panel['title']}", panel


def missing_keys(before, after, path=""):
    """The paths of all keys and elements that differ or are missing."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key not in after:
                yield f"{path}.{key}"
            else:
                yield from missing_keys(value, after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from missing_keys(one, other, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


class Dashboards(unittest.TestCase):
    maxDiff = None

    def test_dashboards_match_the_generator(self):
        made = dict(rendered())
        self.assertEqual(set(made), set(DASHBOARDS))
        for name, text in made.items():
            self.assertEqual(text, (ROOT / "dashboards" / name).read_text(),
                             f"{name} is out of step: run `python -m generator` in dashboards/")

    def test_grafana_knows_every_key(self):
        plugins.register_default_plugins()
        for name, dashboard in DASHBOARDS.items():
            again = json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder))
            self.assertEqual([], list(missing_keys(dashboard, again)), name)

    def test_panels_have_unit_description_and_no_data_text(self):
        for name, panel in panels():
            with self.subTest(name):
                defaults = panel["fieldConfig"]["defaults"]
                self.assertTrue(defaults["unit"] and defaults["noValue"] and panel["description"] and panel["targets"])

    def test_no_panel_covers_another(self):
        for name, dashboard in DASHBOARDS.items():
            cells = [
                (x, y)
                for place in (panel["gridPos"] for panel in dashboard["panels"])
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            ]
            self.assertEqual(len(cells), len(set(cells)), name)
            self.assertLess(max(x for x, _ in cells), 24, name)

    def test_every_used_variable_is_defined(self):
        for name, dashboard in DASHBOARDS.items():
            chosen = {variable["name"] for variable in dashboard["templating"]["list"]}
            expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
            used = set(re.findall(r"\$\{?([a-z]\w*)", " ".join(expressions)))
            self.assertLessEqual(used, chosen, name)

    def test_dashboards_have_variables_and_alert_annotations(self):
        for name, dashboard in DASHBOARDS.items():
            chosen = [variable["name"] for variable in dashboard["templating"]["list"]]
            self.assertEqual(["datasource", "account", "region"], chosen[:3], name)
            self.assertTrue(all("ALERTS" in mark["expr"] for mark in dashboard["annotations"]["list"]), name)
            self.assertTrue(dashboard["annotations"]["list"], name)

    def test_links_point_to_existing_dashboards(self):
        known = {dashboard["uid"] for dashboard in DASHBOARDS.values()}
        linked = set(re.findall(r"/d/([\w-]+)", json.dumps(DASHBOARDS)))
        self.assertTrue(linked)
        self.assertLessEqual(linked, known)
