"""Writes every dashboard as a JSON file next to this package."""

import json
from pathlib import Path

from generator import exporter, gateways, overview, tunnel


def rendered():
    """File name and text of every dashboard."""
    for dashboard in (overview.DASHBOARD, gateways.DASHBOARD, tunnel.DASHBOARD, exporter.DASHBOARD):
        yield dashboard["uid"].removeprefix("tencentcloud-vpn-") + ".json", json.dumps(dashboard, indent=2) + "\n"


if __name__ == "__main__":
    for name, text in rendered():
        Path(__file__).parent.parent.joinpath(name).write_text(text)
