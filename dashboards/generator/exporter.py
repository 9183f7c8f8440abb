"""The dashboard that shows the exporter at work."""

from generator.parts import (
    LISTING, alert_annotation, bar_gauge, dashboard, graph, measured, query, row, stat, table, timeline, variable,
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
    alert_annotation("Target blind", "TencentCloudVpnTarget(Blind|Stale|Gone)", "purple"),
    alert_annotation("Credentials", "TencentCloudVpnCredentials(Refused|Expiring)", "red"),
]


def total(metric, by, labels=TARGET):
    """The rate per second, summed over all replicas."""
    return f"sum by ({by}) (rate(tencentcloud_vpn_{metric}{{{labels}}}[{RATE}]))"


def quantile(rank, metric, by):
    """A quantile of a histogram."""
    return f"histogram_quantile({rank}, sum by ({by}, le) (rate(tencentcloud_vpn_{metric}_bucket{{{ACCOUNT}}}[{RATE}])))"


OVERALL = [
    stat("Exporters", "count(tencentcloud_vpn_exporter_build_info)", description="Scraped exporters.", unit="short",
         no_data=NOT_SCRAPED),
    stat("Working targets", f"sum(max by (account, region) (tencentcloud_vpn_up{{{TARGET}}}))",
         description="Targets whose last poll succeeded in at least one replica.", unit="short", no_data=NO_POLL),
    stat("Targets", f"count(count by (account, region) (tencentcloud_vpn_target_info{{{TARGET}}}))",
         description="Polled targets. A target is an account in a region.", unit="short", no_data=NOT_SCRAPED),
    stat("Oldest listing", f"time() - min(max by (account, region) (tencentcloud_vpn_last_success_timestamp_seconds{{{TARGET}}}))",
         description="Age of the last good listing, for the target where it is oldest.", unit="s",
         no_data="No poll has succeeded yet", steps=["green", (120, "orange"), (300, "red")]),
    stat("Configuration", "min(tencentcloud_vpn_exporter_config_last_reload_successful)",
         description="Whether the last reload succeeded in all exporters.", unit="none", no_data=NOT_SCRAPED,
         values={0: ("Refused", "red"), 1: ("In use", "green")}),
    stat("Credentials expire in", f"min(tencentcloud_vpn_credentials_expiry_timestamp_seconds{{{ACCOUNT}}}) - time()",
         description="Shortest time until temporary credentials expire. They are renewed when five minutes remain.",
         unit="s", no_data="No temporary credentials", steps=["red", (180, "green")]),
]

TARGET_HISTORY = timeline(
    "Targets",
    [query(f"max by (account, region) (tencentcloud_vpn_up{{{TARGET}}})", "{{account}} {{region}}")],
    {0: ("Failing", "red"), 1: ("Working", "green")},
    description="Whether the last poll of each target succeeded. A gap means that no exporter was scraped.",
    no_data=NO_POLL,
    width=24,
    height=8,
)

GATEWAYS_OFF = "gateways.enabled is false, or no listing of gateways has ended"

GATEWAYS = [
    timeline("Listings of gateways",
             [query(f"max by (account, region) (tencentcloud_vpn_gateways_up{{{TARGET}}})", "{{account}} {{region}}")],
             LISTING,
             description="Whether the last listings of gateways and of customer gateways both succeeded. The policy must allow both. "
                         "Tunnels do not depend on it.",
             no_data=GATEWAYS_OFF, width=12, height=8),
    graph("Oldest listings of gateways",
          [query("topk(10, time() - max by (account, region) "
                 f"(tencentcloud_vpn_gateways_last_success_timestamp_seconds{{{TARGET}}}))", "{{account}} {{region}}")],
          description="Time since both gateways and customer gateways were last listed, for the ten targets where it is longest. They "
                      "are listed every gateways.interval, 5 m by default.",
          unit="s", no_data="Gateways were never listed: gateways.enabled is false, or the policy does not allow listing them"),
]

NO_TRAFFIC = "Traffic is off (traffic.enabled: false), or no query has ended"
WHY_NO_TRAFFIC = ("No data means one of these: traffic is off (set traffic.enabled: true), no query of traffic has {}, or the target "
                  "has neither tunnels nor gateways.")
FREE = 1_000_000

TRAFFIC = [
    timeline("Queries of traffic",
             [query(f"max by (account, region) (tencentcloud_vpn_traffic_up{{{TARGET}}})", "{{account}} {{region}}")],
             LISTING,
             description="Whether all requests of the last query of traffic succeeded. The policy must allow monitor:GetMonitorData. "
                         f"Tunnels and gateways do not depend on it. {WHY_NO_TRAFFIC.format('ended')}",
             no_data=NO_TRAFFIC, width=8, height=8),
    graph("Oldest queries of traffic",
          [query("topk(10, time() - max by (account, region) "
                 f"(tencentcloud_vpn_traffic_last_success_timestamp_seconds{{{TARGET}}}))", "{{account}} {{region}}")],
          description="Time since all requests of a query of traffic last succeeded, for the ten targets where it is longest. A query "
                      f"starts every traffic.interval, 5 m by default. {WHY_NO_TRAFFIC.format('succeeded')}",
          unit="s", no_data="Traffic is off (traffic.enabled: false), or no query has succeeded", width=8),
    bar_gauge("Cloud Monitor requests in 30 days",
              "sort_desc(sum by (account) (increase(tencentcloud_vpn_api_requests_total"
              f'{{action="GetMonitorData",{ACCOUNT}}}[30d])))', "{{account}}",
              description="Requests of GetMonitorData that the scraped exporters sent in the last 30 days, all replicas together, "
                          "against the million that is free each month. It leaves out requests of other programs of the account, of "
                          "once and check-config, and those of the time for which Prometheus has no data. No data means one of "
                          "these: traffic is off (set traffic.enabled: true), or no query has ended.",
              unit="short", no_data=NO_TRAFFIC, width=8, most=FREE, steps=["green", (0.8 * FREE, "orange"), (FREE, "red")]),
]

POLLS = [
    graph("Polls", [query(total("polls_total", "account"), "{{account}}")],
          description="Polls that ended, successful or not, of all replicas.", unit="ops", no_data=NO_POLL),
    graph("Failed polls by reason", [query(f"{total('poll_failures_total', 'account, reason')} > 0", "{{account}} {{reason}}")],
          description="Polls that failed, and why.", unit="ops", no_data="No poll has failed", stacked=True),
    graph("Poll duration", [query(quantile(0.5, "poll_duration_seconds", "account"), "{{account}} median"),
                            query(quantile(0.99, "poll_duration_seconds", "account"), "{{account}} 99 %")],
          description="Duration of polls with their retries.", unit="s", no_data=NO_POLL),
    graph("Slowest targets",
          [query(f"topk(10, max by (account, region) (tencentcloud_vpn_last_poll_duration_seconds{{{TARGET}}}))",
                 "{{account}} {{region}}")],
          description="Duration of the last poll of the ten slowest targets. A poll fails at poll.timeout, 45 s by default.",
          unit="s", no_data=NO_POLL),
    graph("Tunnels",
          [query(f"max by (account, region) (sum without (status) (tencentcloud_vpn_tunnels{{{TARGET}}}))",
                 "{{account}} {{region}}")],
          description="Number of tunnels in each target's last good listing.", unit="short",
          no_data="No poll has succeeded yet", stacked=True),
    graph("Inconsistent listings",
          [query(f"sum by (account, region) (increase(tencentcloud_vpn_listing_inconsistencies_total{{{TARGET}}}[1h])) > 0",
                 "{{account}} {{region}}")],
          description="Listings in the last hour whose pages contradicted each other.", unit="short",
          no_data="No listing was inconsistent"),
]

CALLS = [
    graph("API requests", [query(total("api_requests_total", "account, action", ACCOUNT), "{{account}} {{action}}")],
          description="Requests to Tencent Cloud, retries included.", unit="reqps", no_data="No request yet"),
    graph("Failed API requests by reason",
          [query(f"{total('api_request_failures_total', 'account, action, reason', ACCOUNT)} > 0",
                 "{{account}} {{action}} {{reason}}")],
          description="Requests that failed. If a retry succeeds, the poll can still succeed.", unit="reqps",
          no_data="No request has failed", stacked=True),
    graph("API request duration",
          [query(quantile(0.5, "api_request_duration_seconds", "action"), "{{action}} median"),
           query(quantile(0.99, "api_request_duration_seconds", "action"), "{{action}} 99 %")],
          description="Duration of single requests.", unit="s", no_data="No request yet"),
    graph("Waiting for the rate limit", [query(total("api_throttle_seconds_total", "account", ACCOUNT), "{{account}}")],
          description="Seconds per second that requests waited for the limit api.requests_per_second, or for the limit of 10 "
                      "requests of traffic a second.", unit="s",
          no_data="No account is configured, or no exporter is scraped"),
    graph("Clock offset",
          [query(f"max by (account, region) (tencentcloud_vpn_api_clock_offset_seconds{{{TARGET}}}) != 0",
                 "{{account}} {{region}}")],
          description="The API's clock minus the exporter's, where requests are signed with a corrected time.", unit="s",
          no_data="The clock is right: no time is corrected"),
    graph("Unknown values",
          [query(f"sum by (field) (increase(tencentcloud_vpn_unknown_values_total{{{TARGET}}}[1h])) > 0", "{{field}}")],
          description="Unknown status values and rows without an id in the last hour.", unit="short",
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
    {"account": "Account", "Value #A": "Regions", "Value #B": "Credentials expire in", "Value #C": "Region discovery",
     "Value #D": "Last discovery"},
    description="Each account. Without an expiry, credentials are permanent. Region discovery runs if regions are `all`.",
    no_data=NOT_SCRAPED,
    properties={
        "Credentials expire in": measured("s"),
        "Region discovery": [{"id": "mappings", "value": [{"type": "value", "options": {
            "0": {"text": "Fails", "color": "red", "index": 0}, "1": {"text": "Works", "color": "green", "index": 1}}}]}],
        "Last discovery": measured("s"),
    },
    height=6,
)

PROCESS = [
    graph("Scraped samples", [query(f"scrape_samples_scraped {SELF}", "{{instance}}")],
          description="Samples in a scrape of each exporter.", unit="short", no_data=NOT_SCRAPED, width=8),
    graph("Scrape duration", [query(f"scrape_duration_seconds {SELF}", "{{instance}}")],
          description="Duration of scrapes, as Prometheus measures it.", unit="s", no_data=NOT_SCRAPED, width=8),
    graph("Memory", [query(f"process_resident_memory_bytes {SELF}", "{{instance}}")],
          description="Resident memory.", unit="bytes", no_data=NOT_SCRAPED, width=8),
    graph("CPU", [query(f"rate(process_cpu_seconds_total[{RATE}]) {SELF}", "{{instance}}")],
          description="Processor time: 1 is one core.", unit="short", no_data=NOT_SCRAPED, width=8),
    graph("File descriptors", [query(f"process_open_fds {SELF}", "{{instance}}"),
                               query(f"process_max_fds {SELF}", "{{instance}} limit")],
          description="Open files and connections, and their limit.", unit="short", no_data=NOT_SCRAPED, width=8),
    table("Versions", [query("max by (instance, version, revision) (tencentcloud_vpn_exporter_build_info)", table=True),
                       query(f"time() - max by (instance) (process_start_time_seconds {SELF})", table=True)],
          {"instance": "Exporter", "version": "Version", "revision": "Revision", "Value #B": "Running for"},
          description="Version of each exporter, and its time since the start.", no_data=NOT_SCRAPED,
          properties={"Running for": measured("s")}, width=8, height=8),
]

DASHBOARD = dashboard(
    "exporter", "Tencent Cloud VPN / Exporter", "The exporter itself: polls, requests to Tencent Cloud, scrapes, resources.",
    VARIABLES, ANNOTATIONS,
    [*OVERALL, TARGET_HISTORY, *GATEWAYS, *TRAFFIC, row("Polls"), *POLLS, row("Tencent Cloud's API"), *CALLS, ACCOUNTS,
     row("Process"), *PROCESS],
)
