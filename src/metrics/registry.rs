//! The one registry: everything that the exporter publishes.
//!
//! `once` prints what it gathers, without `process_*` and `exporter_*`. The daemon serves the same families from a cache, in
//! `renderer` (with `--web.disable-exporter-metrics`, without `process_*`); it uses the registry only to check for duplicate
//! names and labels.

use std::sync::Arc;

use prometheus::{
    Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tokio::sync::watch;

use super::{process::Process, section::RowSection, sections};
use crate::{domain::tag_label::TagLabel, snapshot::Snapshot, telemetry::Telemetry};

/// A registry of all metrics: those of the snapshot, of `telemetry` and of the process. Fails where a tag's label is invalid, or
/// occurs twice.
pub fn registry(
    snapshots: watch::Receiver<Arc<Snapshot>>,
    telemetry: &Telemetry,
    tag_labels: &[TagLabel],
) -> prometheus::Result<Registry> {
    let registry = Registry::new();
    registry.register(Box::new(SnapshotCollector::new(snapshots, tag_labels)?))?;
    registry.register(Box::new(telemetry.clone()))?;
    registry.register(Box::new(Process::new(telemetry.started())?))?;
    Ok(registry)
}

/// Collects the metrics of all rows.
#[derive(Debug)]
struct SnapshotCollector {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    sections: Vec<Box<dyn RowSection>>,
    descs: Vec<Desc>,
}

impl SnapshotCollector {
    fn new(snapshots: watch::Receiver<Arc<Snapshot>>, tag_labels: &[TagLabel]) -> prometheus::Result<Self> {
        let sections = sections(&tag_labels.into());
        let descs: Vec<_> = sections.iter().map(|section| section.descs()).collect::<Result<_, _>>()?;
        Ok(Self { snapshots, sections, descs: descs.concat() })
    }
}

impl Collector for SnapshotCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let snapshot = self.snapshots.borrow().clone();
        self.sections.iter().flat_map(|section| section.families(&snapshot)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, env, fmt::Write, fs, path::Path};

    use super::*;
    use crate::telemetry::BuildInfo;

    /// The table of each kind of row, in the order of [`sections`]. A page needs both marker lines of a table.
    const TABLES: [&str; 7] = [
        "tunnels",
        "gateways",
        "customer gateways",
        "traffic of tunnels",
        "traffic of gateways",
        "targets",
        "accounts",
    ];

    /// The metrics of rows that need no age: they count polls, name the targets of this process, or are a data point's time.
    const WITHOUT_AGE: [&str; 5] = [
        "tencentcloud_vpn_polls_total",
        "tencentcloud_vpn_poll_failures_total",
        "tencentcloud_vpn_target_info",
        "tencentcloud_vpn_tunnel_traffic_timestamp_seconds",
        "tencentcloud_vpn_gateway_traffic_timestamp_seconds",
    ];

    /// The rows of a table. Labels that all its metrics have are in the table's introduction.
    fn table(metrics: &[(Desc, MetricFamily)]) -> String {
        let is_common = |label: &String| metrics.iter().all(|(desc, _)| desc.variable_labels.contains(label));
        let row = |(desc, family): &(Desc, MetricFamily)| {
            let name = desc.fq_name.strip_prefix("tencentcloud_vpn_").expect("the prefix of all metrics");
            let kind = format!("{:?}", family.get_field_type()).to_lowercase();
            let labels = desc.variable_labels.iter().filter(|label| !is_common(label));
            let labels: Vec<_> = labels.map(|label| format!("`{label}` ")).collect();
            format!("| `{name}` | {kind} | {}| {} |\n", labels.concat(), desc.help)
        };
        metrics.iter().map(row).collect()
    }

    /// The page with these tables between its markers.
    fn page_with(page: &str, tables: &[(&str, String)]) -> String {
        let mut page = page.to_owned();
        for (name, rows) in tables {
            let begin =
                format!("<!-- table of {name}: `UPDATE_GOLDEN=1 cargo test --lib docs_list` writes it -->\n");
            let end = "<!-- end of table -->\n";
            let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
            let (_, after) = rest.split_once(end).expect("the end of the table");
            let mut table =
                String::from("\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n");
            writeln!(table, "{rows}").expect("a string");
            page = format!("{before}{begin}{table}{end}{after}");
        }
        page
    }

    #[test]
    fn cached_metrics_say_as_of_when() {
        for section in sections(&[].into()) {
            for desc in section.descs().expect("no tag has a label") {
                let ages = [
                    "as of the last poll",
                    "as of the last listing of gateways",
                    "as of the last region discovery",
                    "as of the newest data point",
                    "as of the last query of traffic",
                ];
                let says_age = ages.iter().any(|age| desc.help.contains(age));
                let needs_age = !WITHOUT_AGE.contains(&desc.fq_name.as_str());
                assert_eq!(says_age, needs_age, "{}: {}", desc.fq_name, desc.help);
            }
        }
    }

    #[test]
    fn docs_list_metrics_as_declared() {
        let build = BuildInfo { version: "0", revision: "0", rustc: "0" };
        let telemetry = Telemetry::new(&build).expect("metrics");
        let own = telemetry.desc().into_iter().cloned().zip(telemetry.collect());
        let (exporter, accounts) =
            own.partition(|(desc, _)| desc.fq_name.starts_with("tencentcloud_vpn_exporter_"));
        let mut metrics: BTreeMap<&str, Vec<_>> = [("the exporter", exporter), ("accounts", accounts)].into();
        let sections = sections(&[].into());
        assert_eq!(sections.len(), TABLES.len(), "each kind of row has a table");
        for (name, section) in TABLES.into_iter().zip(sections) {
            let descs = section.descs().expect("no tag has a label");
            let rows = descs.into_iter().zip(section.families(&Snapshot::default()));
            metrics.entry(name).or_default().extend(rows);
        }
        let tables: Vec<_> = metrics.iter().map(|(name, metrics)| (*name, table(metrics))).collect();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
        let page = fs::read_to_string(&path).expect("the page can be read");
        let expected = page_with(&page, &tables);
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &expected).expect("the page can be written");
        } else {
            assert_eq!(page, expected);
        }
    }
}
