"""The numbers of requests in docs/traffic.md are those of its formula."""

import re
import unittest

from kit.tools import ROOT

PAGE = (ROOT / "docs/traffic.md").read_text()
MIGRATION = (ROOT / "docs/from-tencentcloud-exporter.md").read_text()

# Tencent's document: how many tunnels or gateways a request has, and how many requests a month are free.
INSTANCES = {"china": 50, "international": 10}
FREE = 1_000_000
# The exporter's own limit for an account.
REQUESTS_PER_SECOND = 10

INTERVALS = {"5m": 300, "1m": 60}
MONTH = 30 * 24 * 60 * 60
# Statistics of tunnels. Gateways have three, with every choice of metrics that has bandwidth.
STATISTICS = {"all": 6, "bandwidth": 2}
OF_GATEWAYS = 3
TUNNELS = [10, 50, 200, 1_000, 10_000]
TUNNELS_OF_A_GATEWAY = 10


def requests_of_a_query(tunnels, gateways, metrics, site):
    """How many requests one query of a target takes."""
    return STATISTICS[metrics] * -(-tunnels // INSTANCES[site]) + OF_GATEWAYS * -(-gateways // INSTANCES[site])


def requests_of_a_month(requests, interval):
    """How many requests an account makes in 30 days if each query takes so many."""
    return requests * (MONTH // INTERVALS[interval])


def cell(requests, interval):
    """The requests of a month as the tables show them."""
    if requests > REQUESTS_PER_SECOND * INTERVALS[interval]:
        return "too many"
    month = requests_of_a_month(requests, interval)
    return f"**{month:,}**" if month > FREE else f"{month:,}"


def table(site):
    """The rows of a site's table."""
    for tunnels in TUNNELS:
        cells = [f"{tunnels:,}"]
        for metrics in STATISTICS:
            requests = requests_of_a_query(tunnels, tunnels // TUNNELS_OF_A_GATEWAY, metrics, site)
            cells += [f"{requests:,}", *(cell(requests, interval) for interval in INTERVALS)]
        yield f"| {' | '.join(cells)} |"


def documented(site):
    """The rows of a site's table in the page."""
    (text,) = re.findall(rf"^<!-- costs: {site} -->\n\n(.*?)\n\n", PAGE, re.DOTALL | re.MULTILINE)
    return text.splitlines()[2:]


class Costs(unittest.TestCase):
    maxDiff = None

    def test_tables_have_the_numbers_of_the_formula(self):
        for site in INSTANCES:
            with self.subTest(site):
                self.assertEqual(list(table(site)), documented(site))

    def test_limits_are_what_fits_into_an_interval(self):
        limits = {interval: REQUESTS_PER_SECOND * seconds for interval, seconds in INTERVALS.items()}
        self.assertIn(f"{limits['5m']:,} requests at `5m`, or {limits['1m']:,} at `1m`", " ".join(PAGE.split()))

    def test_example_has_the_numbers_of_the_formula(self):
        requests = requests_of_a_query(50, 5, "all", "china")
        months = [requests_of_a_month(requests, interval) for interval in INTERVALS]
        text = " ".join(PAGE.split())
        self.assertIn(f"6 × 1 + 3 × 1 = {requests} requests", text)
        self.assertIn(f"{months[0]:,} requests a month at `5m`, and {months[1]:,} at `1m`", text)

    def test_comparison_has_the_numbers_of_the_formula(self):
        ours = requests_of_a_query(50, 5, "all", "china")
        # The other exporter queries two more statistics of gateways, with each scrape.
        theirs = ours + 2
        months = [requests_of_a_month(*query) for query in [(theirs, "1m"), (ours, "1m"), (ours, "5m")]]
        text = " ".join(MIGRATION.split())
        self.assertIn(f"{theirs} metrics and a scrape each minute make {months[0]:,} requests a month; here, {ours} statistics make "
                      f"{months[1]:,}, or {months[2]:,} with `5m`", text)

    def test_printed_estimates_have_the_numbers_of_the_formula(self):
        printed = re.findall(r"takes? (\d+) requests, ([\d,]+) a month", PAGE)
        self.assertTrue(printed)
        for requests, month in printed:
            self.assertEqual(f"{requests_of_a_month(int(requests), '5m'):,}", month)
        self.assertIn(f"free allowance is {FREE:,}", PAGE)
