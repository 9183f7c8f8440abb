"""The dashboard that shows the exporter at work."""

from generator.parts import (
    alert_annotation, dashboard, graph, measured, query, row, stat, table, timeline, variable,
)

TARGET = 'account=~"$account",region=~"$region"'
ACCOUNT = 'account=~"$account"'
RATE = "$__rate_interval"
NOT_SCRAPED = "No exporter is scraped"
NO_POLL = "No poll has ended yet, or no exporter is scraped"
SELF = "and on (job, instance) tencentcloud_vpn_exporter_build_info"

VARIABLES = [
    variable("account", "Account", "label_values(tencentcloud_vpn_target_info, account)"),
    variable("region", "Region", 'label_values(tencentcloud_vpn_target_info{account=~"$account"}, region)'),
]

ANNOTATIONS = [
    alert_annotation("Target blind", "TencentCloudVpnTarget(Blind|Stale)", "purple"),
    alert_annotation("Credentials", "TencentCloudVpnCredentials(Refused|Expiring)", "red"),
]


def total(metric, by, labels=TARGET):
    """How often a second, of all replicas together."""
    return f"sum by ({by}) (rate(tencentcloud_vpn_{metric}{{{labels}}}[{RATE}]))"


def quantile(rank, metric, by, labels=ACCOUNT):
    """A quantile of a histogram."""
    return f"histogram_quantile({rank}, sum by ({by}, le) (rate(tencentcloud_vpn_{metric}_bucket{{{labels}}}[{RATE}])))"


OVERALL = [
    stat("Exporters", "count(tencentcloud_vpn_exporter_build_info)", description="How many are scraped.", unit="short",
         no_data=NOT_SCRAPED),
    stat("Targets seen", f"sum(max by (account, region) (tencentcloud_vpn_up{{{TARGET}}}))",
         description="Targets whose last poll succeeded, of one replica at least.", unit="short", no_data=NO_POLL),
    stat("Targets", f"count(count by (account, region) (tencentcloud_vpn_target_info{{{TARGET}}}))",
         description="What is polled: an account in a region each.", unit="short", no_data=NOT_SCRAPED),
    stat("Oldest listing", f"time() - min(max by (account, region) (tencentcloud_vpn_last_success_timestamp_seconds{{{TARGET}}}))",
         description="The age of the oldest last good listing of all targets.", unit="s", no_data="No poll has succeeded yet",
         steps=["green", (120, "orange"), (300, "red")]),
    stat("Configuration", "min(tencentcloud_vpn_exporter_config_last_reload_successful)",
         description="Whether the last reload was accepted, by all exporters.", unit="none", no_data=NOT_SCRAPED,
         values={0: ("Refused", "red"), 1: ("In force", "green")}),
    stat("Credentials end in", f"min(tencentcloud_vpn_credentials_expiry_timestamp_seconds{{{ACCOUNT}}}) - time()",
         description="The shortest time that is left to temporary credentials. They are renewed when five minutes remain.",
         unit="s", no_data="No temporary credentials", steps=["red", (180, "green")]),
]

SEEN = timeline(
    "Targets",
    [query(f"max by (account, region) (tencentcloud_vpn_up{{{TARGET}}})", "{{account}} {{region}}")],
    {0: ("Blind", "red"), 1: ("Seen", "green")},
    description="Whether the last poll of each target succeeded. A gap means that no exporter was scraped.",
    no_data=NO_POLL,
    width=24,
    height=8,
)

POLLS = [
    graph("Polls", [query(total("polls_total", "account"), "{{account}}")],
          description="Polls that ended, good or not, of all replicas.", unit="ops", no_data=NO_POLL),
    graph("Failed polls by reason", [query(f"{total('poll_failures_total', 'account, reason')} > 0", "{{account}} {{reason}}")],
          description="Polls that failed, and why.", unit="ops", no_data="No poll has failed", stacked=True),
    graph("Poll duration", [query(quantile(0.5, "poll_duration_seconds", "account"), "{{account}} median"),
                            query(quantile(0.99, "poll_duration_seconds", "account"), "{{account}} 99 %")],
          description="How long polls took, retries included.", unit="s", no_data=NO_POLL),
    graph("Slowest targets",
          [query(f"topk(10, max by (account, region) (tencentcloud_vpn_last_poll_duration_seconds{{{TARGET}}}))",
                 "{{account}} {{region}}")],
          description="The last poll of the ten slowest targets. At poll.timeout, 45 s by default, a poll fails.", unit="s",
          no_data=NO_POLL),
    graph("Tunnels", [query(f"max by (account, region) (tencentcloud_vpn_tunnels{{{TARGET}}})", "{{account}} {{region}}")],
          description="How many tunnels each target's last good listing had.", unit="short",
          no_data="No poll has succeeded yet", stacked=True),
    graph("Inconsistent listings",
          [query(f"sum by (account, region) (increase(tencentcloud_vpn_listing_inconsistencies_total{{{TARGET}}}[1h])) > 0",
                 "{{account}} {{region}}")],
          description="Listings of the hour before whose pages contradicted each other.", unit="short",
          no_data="No listing has contradicted itself"),
]

CALLS = [
    graph("API requests", [query(total("api_requests_total", "account, action", ACCOUNT), "{{account}} {{action}}")],
          description="Requests to Tencent Cloud, retries included.", unit="reqps", no_data="No request yet"),
    graph("Failed API requests by reason",
          [query(f"{total('api_request_failures_total', 'account, action, reason', ACCOUNT)} > 0",
                 "{{account}} {{action}} {{reason}}")],
          description="Requests that failed. Some are tried again, and their poll succeeds.", unit="reqps",
          no_data="No request has failed", stacked=True),
    graph("API request duration",
          [query(quantile(0.5, "api_request_duration_seconds", "action"), "{{action}} median"),
           query(quantile(0.99, "api_request_duration_seconds", "action"), "{{action}} 99 %")],
          description="How long single requests took.", unit="s", no_data="No request yet"),
    graph("Waiting for our own limit", [query(total("api_throttle_seconds_total", "account", ACCOUNT), "{{account}}")],
          description="Seconds a second that requests waited so as not to exceed api.requests_per_second.", unit="s",
          no_data="No account is configured, or no exporter is scraped"),
    graph("Clock offset",
          [query(f"max by (account, region) (tencentcloud_vpn_api_clock_offset_seconds{{{TARGET}}}) != 0",
                 "{{account}} {{region}}")],
          description="The API's clock minus ours, where a correction is in force.", unit="s",
          no_data="The clock is right: no correction is in force"),
    graph("Values that are new to us",
          [query(f"sum by (field) (increase(tencentcloud_vpn_unknown_values_total{{{TARGET}}}[1h])) > 0", "{{field}}")],
          description="Values of the hour before that this version of the exporter does not know.", unit="short",
          no_data="Every value is known"),
]

ACCOUNTS = table(
    "Credentials and regions",
    [
        query(f"count by (account) (count by (account, region) (tencentcloud_vpn_target_info{{{ACCOUNT}}}))", table=True),
        query(f"min by (account) (tencentcloud_vpn_credentials_expiry_timestamp_seconds{{{ACCOUNT}}}) - time()", table=True),
        query(f"max by (account) (tencentcloud_vpn_region_discovery_up{{{ACCOUNT}}})", table=True),
        query(f"time() - max by (account) (tencentcloud_vpn_region_discovery_last_success_timestamp_seconds{{{ACCOUNT}}})",
              table=True),
    ],
    {"account": "Account", "Value #A": "Regions", "Value #B": "Credentials end in", "Value #C": "Look-up of regions",
     "Value #D": "Last look-up"},
    description="Each account. Credentials without an end are permanent; a look-up is made where regions are `all`.",
    no_data=NOT_SCRAPED,
    properties={
        "Credentials end in": measured("s"),
        "Look-up of regions": [{"id": "mappings", "value": [{"type": "value", "options": {
            "0": {"text": "Fails", "color": "red", "index": 0}, "1": {"text": "Works", "color": "green", "index": 1}}}]}],
        "Last look-up": measured("s"),
    },
    height=6,
)

PROCESS = [
    graph("Scrapes", [query(f"sum by (instance) (rate(tencentcloud_vpn_exporter_scrapes_total[{RATE}]))", "{{instance}}")],
          description="How often each exporter is asked for its metrics.", unit="reqps", no_data=NOT_SCRAPED, width=8),
    graph("Scrape duration",
          [query(quantile(0.99, "exporter_scrape_duration_seconds", "instance", ""), "{{instance}} 99 %")],
          description="How long exporters take to answer a scrape.", unit="s", no_data=NOT_SCRAPED, width=8),
    graph("Memory", [query(f"process_resident_memory_bytes {SELF}", "{{instance}}")],
          description="Resident memory.", unit="bytes", no_data=NOT_SCRAPED, width=8),
    graph("CPU", [query(f"rate(process_cpu_seconds_total[{RATE}]) {SELF}", "{{instance}}")],
          description="Processor time: 1 is one core.", unit="short", no_data=NOT_SCRAPED, width=8),
    graph("File descriptors", [query(f"process_open_fds {SELF}", "{{instance}}"),
                               query(f"process_max_fds {SELF}", "{{instance}} limit")],
          description="Open files and connections, and how many are allowed.", unit="short", no_data=NOT_SCRAPED, width=8),
    table("Versions", [query("max by (instance, version, revision) (tencentcloud_vpn_exporter_build_info)", table=True),
                       query(f"time() - max by (instance) (process_start_time_seconds {SELF})", table=True)],
          {"instance": "Exporter", "version": "Version", "revision": "Revision", "Value #B": "Running for"},
          description="What runs, and for how long.", no_data=NOT_SCRAPED, properties={"Running for": measured("s")}, width=8,
          height=8),
]

DASHBOARD = dashboard(
    "exporter", "Tencent Cloud VPN / Exporter", "The exporter at work: polls, requests to Tencent Cloud, scrapes, resources.",
    VARIABLES, ANNOTATIONS,
    [*OVERALL, SEEN, row("Polls"), *POLLS, row("Tencent Cloud's API"), *CALLS, ACCOUNTS, row("Process"), *PROCESS],
)
