"""The dashboards are what their generator makes, what Grafana knows, and complete."""

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


def lost(before, after, path=""):
    """The paths of all keys and elements that are in one and not, or otherwise, in the other."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key not in after:
                yield f"{path}.{key}"
            else:
                yield from lost(value, after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


class Dashboards(unittest.TestCase):
    maxDiff = None

    def test_they_are_what_the_generator_makes(self):
        made = dict(rendered())
        self.assertEqual(set(made), set(DASHBOARDS))
        for name, text in made.items():
            self.assertEqual(text, (ROOT / "dashboards" / name).read_text(),
                             f"{name} is out of step: run `python -m generator` in dashboards/")

    def test_grafana_knows_every_key(self):
        plugins.register_default_plugins()
        for name, dashboard in DASHBOARDS.items():
            again = json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder))
            self.assertEqual([], list(lost(dashboard, again)), name)

    def test_every_panel_has_a_unit_a_description_and_a_meaning_for_no_data(self):
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

    def test_every_variable_that_is_used_is_chosen_somewhere(self):
        for name, dashboard in DASHBOARDS.items():
            chosen = {variable["name"] for variable in dashboard["templating"]["list"]}
            expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
            used = set(re.findall(r"\$\{?([a-z]\w*)", " ".join(expressions)))
            self.assertLessEqual(used, chosen, name)

    def test_every_dashboard_offers_its_data_source_account_and_region_and_marks_alerts(self):
        for name, dashboard in DASHBOARDS.items():
            chosen = [variable["name"] for variable in dashboard["templating"]["list"]]
            self.assertEqual(["datasource", "account", "region"], chosen[:3], name)
            self.assertTrue(all("ALERTS" in mark["expr"] for mark in dashboard["annotations"]["list"]), name)
            self.assertTrue(dashboard["annotations"]["list"], name)

    def test_links_lead_to_dashboards_that_exist(self):
        known = {dashboard["uid"] for dashboard in DASHBOARDS.values()}
        linked = set(re.findall(r"/d/([\w-]+)", json.dumps(DASHBOARDS)))
        self.assertTrue(linked)
        self.assertLessEqual(linked, known)
