//! The one registry: everything that the exporter publishes.
//!
//! `once` prints what it gathers, without `process_*` and `exporter_*`. The daemon serves the same families from a cache, in
//! `renderer`; for it, the registry only checks that the metrics fit together.

use std::sync::Arc;

use prometheus::{
    Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tokio::sync::watch;

use super::{
    family::{Buffer, MetricRow},
    process::Process,
};
use crate::{
    domain::tag_label::TagLabel,
    snapshot::{AccountSnapshot, Snapshot, TargetSnapshot, tunnel_record::TunnelRecord},
    telemetry::Telemetry,
};

/// A registry of all metrics: those of the snapshot, our own, and those of the process. Fails where a tag's label is
/// invalid, or occurs twice.
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

/// Collects the metrics of tunnels, targets and accounts.
#[derive(Debug)]
struct SnapshotCollector {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    tag_labels: Arc<[TagLabel]>,
    descs: Vec<Desc>,
}

impl SnapshotCollector {
    fn new(snapshots: watch::Receiver<Arc<Snapshot>>, tag_labels: &[TagLabel]) -> prometheus::Result<Self> {
        let descs = [
            descs::<TunnelRecord>(tag_labels)?,
            descs::<TargetSnapshot>(tag_labels)?,
            descs::<AccountSnapshot>(tag_labels)?,
        ];
        Ok(Self { snapshots, tag_labels: tag_labels.into(), descs: descs.into_iter().flatten().collect() })
    }
}

impl Collector for SnapshotCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let snapshot = self.snapshots.borrow().clone();
        let families = [
            families::<TunnelRecord>(&snapshot, &self.tag_labels),
            families::<TargetSnapshot>(&snapshot, &self.tag_labels),
            families::<AccountSnapshot>(&snapshot, &self.tag_labels),
        ];
        families.into_iter().flatten().collect()
    }
}

fn descs<T: MetricRow>(tag_labels: &[TagLabel]) -> prometheus::Result<Vec<Desc>> {
    T::FAMILIES.iter().map(|family| family.desc(tag_labels)).collect()
}

fn families<T: MetricRow>(snapshot: &Snapshot, tag_labels: &Arc<[TagLabel]>) -> Vec<MetricFamily> {
    let family = |family| {
        let mut buffer = Buffer::<T>::new(family, tag_labels);
        T::rows(snapshot).for_each(|(owner, row)| buffer.add(owner, row));
        buffer.into_family()
    };
    T::FAMILIES.iter().map(family).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, env, fmt::Write, fs, path::Path};

    use prometheus::proto::MetricType;

    use super::*;
    use crate::telemetry::BuildInfo;

    fn telemetry() -> Telemetry {
        Telemetry::new(&BuildInfo { version: "0", revision: "0", rustc: "0" }).expect("metrics")
    }

    fn line(name: &str, kind: MetricType, labels: &[&str], help: &str) -> String {
        let name = name.strip_prefix("tencentcloud_vpn_").expect("the prefix of all metrics");
        let labels = labels.iter().map(|label| format!("`{label}` ")).collect::<Vec<_>>().concat();
        format!("| `{name}` | {} | {labels}| {help} |\n", format!("{kind:?}").to_lowercase())
    }

    fn table_of_rows<T: MetricRow>() -> String {
        let declarations = T::FAMILIES.iter().map(|family| family.declaration);
        declarations.map(|family| line(family.name, family.kind, family.labels, family.help)).collect()
    }

    /// The table of our own metrics whose names begin like this; the account's label is in the table's introduction.
    fn table_of_own(belongs: fn(&str) -> bool) -> String {
        let telemetry = telemetry();
        let kinds: BTreeMap<String, MetricType> = telemetry
            .collect()
            .iter()
            .map(|family| (family.name().to_owned(), family.get_field_type()))
            .collect();
        let own = telemetry.desc().into_iter().filter(|desc| belongs(&desc.fq_name));
        own.map(|desc| {
            let labels = desc.variable_labels.iter().map(String::as_str).filter(|label| *label != "account");
            line(&desc.fq_name, kinds[&desc.fq_name], &labels.collect::<Vec<_>>(), &desc.help)
        })
        .collect()
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
    fn docs_list_metrics_as_declared() {
        let is_exporter = |name: &str| name.starts_with("tencentcloud_vpn_exporter_");
        let accounts = table_of_own(|name| !name.starts_with("tencentcloud_vpn_exporter_"));
        let tables = [
            ("tunnels", table_of_rows::<TunnelRecord>()),
            ("targets", table_of_rows::<TargetSnapshot>()),
            ("accounts", accounts + &table_of_rows::<AccountSnapshot>()),
            ("the exporter", table_of_own(is_exporter)),
        ];
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
