//! `GetMonitorData` of Cloud Monitor: one metric of some tunnels or gateways.
//!
//! Source: the API document of `GetMonitorData`, version 2018-07-24, the metrics of the namespaces `QCE/VPNX` and `QCE/VPNGW`,
//! and the Python SDK of `monitor`, release 3.1.189.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{
    action::{Action, Service},
    envelope::ApiResponse,
    error::ApiError,
    field::{self, Field, structure},
    row_fields::API_ZONE,
};
use crate::domain::{
    gateway::GatewayId,
    site::Site,
    traffic::{DataPoint, Instance, Period, Statistic, TrafficMetric, TrafficSettings, TunnelInstance},
};

/// How many requests of an account are free in a month.
pub const FREE_REQUESTS: usize = 1_000_000;

/// The largest number of requests a second for an account. Tencent's limit is 20, which other programs use too.
pub const MAX_REQUESTS_PER_SECOND: f64 = 10.0;

/// The minutes of a month of 30 days.
const MONTH_MINUTES: usize = 30 * 24 * 60;

/// A metric of Cloud Monitor.
#[derive(Debug)]
pub struct MonitorMetric {
    /// `MetricName`.
    pub name: &'static str,
    /// What it measures.
    pub statistic: Statistic,
    /// The group in the configuration.
    group: TrafficMetric,
    /// One unit of the API in base units.
    unit: f64,
}

impl MonitorMetric {
    const fn new(name: &'static str, statistic: Statistic, group: TrafficMetric, unit: f64) -> Self {
        Self { name, statistic, group, unit }
    }

    /// The same data point in base units. `None`: it is impossible, for example more than all packets are lost.
    #[must_use]
    pub fn to_base_unit(&self, point: DataPoint) -> Option<DataPoint> {
        let value = point.value * self.unit;
        let largest = if self.statistic == Statistic::PacketLoss { 1.0 } else { f64::MAX };
        (0.0..=largest).contains(&value).then_some(DataPoint { value, ..point })
    }
}

/// A kind of instance that Cloud Monitor knows.
pub trait Monitored: Instance {
    /// `Namespace`.
    const NAMESPACE: &'static str;
    /// The name of the dimension that has the id.
    const DIMENSION: &'static str;
    /// Its metrics.
    const METRICS: &'static [MonitorMetric];
}

/// Mbit/s in bytes a second.
const MEGABIT: f64 = 125_000.0;
const PERCENT: f64 = 0.01;
const MILLISECOND: f64 = 0.001;

impl Monitored for TunnelInstance {
    const NAMESPACE: &'static str = "QCE/VPNX";
    const DIMENSION: &'static str = "vpnConnId";
    const METRICS: &'static [MonitorMetric] = &[
        MonitorMetric::new("InBandwidth", Statistic::ReceivedBytes, TrafficMetric::Bandwidth, MEGABIT),
        MonitorMetric::new("OutBandwidth", Statistic::TransmittedBytes, TrafficMetric::Bandwidth, MEGABIT),
        MonitorMetric::new("InPkg", Statistic::ReceivedPackets, TrafficMetric::Packets, 1.0),
        MonitorMetric::new("OutPkg", Statistic::TransmittedPackets, TrafficMetric::Packets, 1.0),
        // The last two exist only for tunnels with a health check (inferred), but all tunnels are queried.
        MonitorMetric::new("PkgDrop", Statistic::PacketLoss, TrafficMetric::PacketLoss, PERCENT),
        MonitorMetric::new("Delay", Statistic::Latency, TrafficMetric::Latency, MILLISECOND),
    ];
}

impl Monitored for GatewayId {
    const NAMESPACE: &'static str = "QCE/VPNGW";
    const DIMENSION: &'static str = "vpnGwId";
    const METRICS: &'static [MonitorMetric] = &[
        MonitorMetric::new("InBandwidth", Statistic::ReceivedBytes, TrafficMetric::Bandwidth, MEGABIT),
        MonitorMetric::new("OutBandwidth", Statistic::TransmittedBytes, TrafficMetric::Bandwidth, MEGABIT),
        MonitorMetric::new(
            "VpnBandwidthUsageRate",
            Statistic::BandwidthUsage,
            TrafficMetric::Bandwidth,
            PERCENT,
        ),
    ];
}

/// The largest number of instances of a request. Accounts of the international site have a lower limit. That 50 are accepted on
/// the China site is unverified: its documents name both 10 and 50.
#[must_use]
pub fn instances_per_request(site: Site) -> usize {
    match site {
        Site::International => 10,
        Site::China => 50,
    }
}

/// The metrics that the settings enable.
pub fn metrics<I: Monitored>(settings: &TrafficSettings) -> impl Iterator<Item = &'static MonitorMetric> {
    I::METRICS.iter().filter(|metric| settings.metrics.contains(&metric.group))
}

/// How many requests one query of a target takes, without retries.
#[must_use]
pub fn requests_per_query(settings: &TrafficSettings, tunnels: usize, gateways: usize) -> usize {
    let requests =
        |metrics: usize, instances: usize| metrics * instances.div_ceil(settings.instances_per_request);
    requests(metrics::<TunnelInstance>(settings).count(), tunnels)
        + requests(metrics::<GatewayId>(settings).count(), gateways)
}

/// How many requests a month of 30 days takes, if each query takes this many.
#[must_use]
pub fn requests_per_month(settings: &TrafficSettings, requests_per_query: usize) -> usize {
    let queries = match settings.period {
        Period::OneMinute => MONTH_MINUTES,
        Period::FiveMinutes => MONTH_MINUTES / 5,
    };
    requests_per_query * queries
}

/// Requests the data points of one metric.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase", bound = "I: Monitored")]
pub struct GetMonitorData<'a, I> {
    namespace: &'static str,
    metric_name: &'static str,
    #[serde(serialize_with = "serialize_instances")]
    instances: &'a [I],
    period: u64,
    #[serde(serialize_with = "serialize_time")]
    start_time: Timestamp,
    #[serde(serialize_with = "serialize_time")]
    end_time: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceFields<'a> {
    dimensions: [DimensionFields<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DimensionFields<'a> {
    name: &'static str,
    value: &'a str,
}

fn serialize_instances<I: Monitored, S: Serializer>(
    instances: &[I],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(instances.iter().map(|instance| InstanceFields {
        dimensions: [DimensionFields { name: I::DIMENSION, value: instance.id() }],
    }))
}

/// ISO 8601, in the zone of the API's times.
fn serialize_time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.display_with_offset(API_ZONE))
}

impl<'a, I: Monitored> GetMonitorData<'a, I> {
    /// Requests a metric of these instances, from the first time to the second. Both must have whole seconds.
    #[must_use]
    pub fn new(
        metric: &'static MonitorMetric,
        instances: &'a [I],
        settings: &TrafficSettings,
        [start_time, end_time]: [Timestamp; 2],
    ) -> Self {
        Self {
            namespace: I::NAMESPACE,
            metric_name: metric.name,
            instances,
            period: settings.period.duration().as_secs(),
            start_time,
            end_time,
        }
    }
}

/// The data points of an instance, in the API's unit.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceData {
    /// The id of the instance.
    pub id: Box<str>,
    /// Its data points, in the API's order.
    pub points: Vec<DataPoint>,
}

impl<I: Monitored> Action for GetMonitorData<'_, I> {
    const NAME: &'static str = "GetMonitorData";
    const SERVICE: Service = Service::MONITOR;
    const PERMISSION: &'static str = "monitor:GetMonitorData";
    const MAX_REQUESTS_PER_SECOND: f64 = MAX_REQUESTS_PER_SECOND;
    type Response = Vec<InstanceData>;

    fn read(response: &ApiResponse<'_>) -> Result<Vec<InstanceData>, ApiError> {
        let Some(entries) = response.get("DataPoints") else {
            return Err(ApiError::malformed("it has no DataPoints"));
        };
        let entries: Vec<Field<'_>> = serde_json::from_str(entries.get())
            .map_err(|_| ApiError::malformed("DataPoints is not a list"))?;
        entries.into_iter().filter_map(|entry| instance_data(entry, I::DIMENSION).transpose()).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EntryFields<'a> {
    #[serde(borrow)]
    dimensions: Field<'a>,
    #[serde(borrow)]
    timestamps: Field<'a>,
    #[serde(borrow)]
    values: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DimensionOfResponse<'a> {
    #[serde(borrow)]
    name: Field<'a>,
    #[serde(borrow)]
    value: Field<'a>,
}

/// A number, also as a text.
fn number(json: &RawValue) -> Option<f64> {
    field::text(Some(json))?.parse().ok()
}

/// A time in Unix seconds. Tencent's Go SDK reads times as floating-point numbers.
fn seconds(json: &RawValue) -> Option<i64> {
    let time = Duration::try_from_secs_f64(number(json)?).ok()?;
    i64::try_from(time.as_secs()).ok()
}

/// Reads the data of one instance. `None`: the entry has no id.
fn instance_data(entry: Field<'_>, dimension: &str) -> Result<Option<InstanceData>, ApiError> {
    let Some(entry) = structure::<EntryFields<'_>>(entry) else { return Ok(None) };
    let id = field::list(entry.dimensions).into_iter().find_map(|dimensions| {
        let DimensionOfResponse { name, value } = structure(Some(dimensions))?;
        (field::text(name)?.eq_ignore_ascii_case(dimension)).then(|| field::text(value))?
    });
    let Some(id) = id else { return Ok(None) };
    let (times, values) = (field::list(entry.timestamps), field::list(entry.values));
    if times.len() != values.len() {
        let problem = format!("DataPoints has {} Timestamps and {} Values", times.len(), values.len());
        return Err(ApiError::malformed(problem));
    }
    let mut points = Vec::with_capacity(times.len());
    for (time, value) in times.into_iter().zip(values) {
        let Some(time) = seconds(time) else {
            return Err(ApiError::malformed("DataPoints has a time that is no number of seconds"));
        };
        // A period without a value has no data point.
        points.extend(number(value).map(|value| DataPoint { time, value }));
    }
    Ok(Some(InstanceData { id: (*id).into(), points }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::tunnel::TunnelId, tencent::envelope};

    /// Entries like those of Tencent's example, and unusual ones.
    const EXAMPLE: &str = include_str!("../../tests/fixtures/api/get_monitor_data.json");

    type Tunnels<'a> = GetMonitorData<'a, TunnelInstance>;

    fn settings(minutes: u64, metrics: &[TrafficMetric], site: Site) -> TrafficSettings {
        TrafficSettings {
            period: Period::of(Duration::from_mins(minutes)).expect("a period"),
            metrics: metrics.to_vec(),
            instances_per_request: instances_per_request(site),
        }
    }

    fn read(json: &str) -> Result<Vec<InstanceData>, ApiError> {
        Tunnels::read(&envelope::parse(json.as_bytes(), None)?)
    }

    #[test]
    fn parameters_are_spelt_as_in_the_document() {
        let tunnel = |id| TunnelInstance::new(TunnelId::new(id).expect("an id"), "g");
        let instances = ["vpnx-f49l6u0z", "vpnx-p0j11j28"].map(tunnel);
        let times = [1_795_752_000, 1_795_753_080].map(|time| Timestamp::from_second(time).expect("a time"));
        let metric = &TunnelInstance::METRICS[1];
        let action = GetMonitorData::new(metric, &instances, &settings(5, &[], Site::China), times);
        assert_eq!(
            String::from_utf8_lossy(&action.body()),
            r#"{"Namespace":"QCE/VPNX","MetricName":"OutBandwidth","Instances":["#.to_owned()
                + r#"{"Dimensions":[{"Name":"vpnConnId","Value":"vpnx-f49l6u0z"}]},"#
                + r#"{"Dimensions":[{"Name":"vpnConnId","Value":"vpnx-p0j11j28"}]}],"Period":300,"#
                + r#""StartTime":"2026-11-27T12:00:00+08:00","EndTime":"2026-11-27T12:18:00+08:00"}"#
        );
    }

    #[test]
    fn example_of_the_command_line_is_read() {
        let data = read(EXAMPLE).expect("a response");
        let point = |time, value| DataPoint { time, value };
        let expected = [
            (
                "vpnx-data0001",
                vec![point(1_795_752_000, 0.5), point(1_795_752_300, 0.0), point(1_795_752_600, 1.25)],
            ),
            ("vpnx-empty001", vec![]),
            (
                "vpnx-quirk001",
                vec![point(1_795_752_000, 2.5), point(1_795_752_600, -1.0), point(1_795_752_900, 3.0)],
            ),
            ("vpnx-nulls001", vec![]),
        ];
        assert_eq!(data, expected.map(|(id, points)| InstanceData { id: id.into(), points }));
    }

    #[test]
    fn contradictory_response_is_malformed() {
        let entry = |times: &str| {
            let dimensions = r#"[{"Name":"vpnConnId","Value":"vpnx-1"}]"#;
            format!(
                r#"{{"Response":{{"DataPoints":[{{"Dimensions":{dimensions},"Timestamps":{times},"Values":[1]}}]}}}}"#
            )
        };
        for times in ["[60]", "[60.0]", "[6e1]", r#"["60"]"#] {
            let points = &read(&entry(times)).expect(times)[0].points;
            assert_eq!(points[..], [DataPoint { time: 60, value: 1.0 }], "{times}");
        }
        for json in [
            &*entry("[60,120]"),
            &*entry("[null]"),
            &*entry("[-1]"),
            &*entry(r#"["noon"]"#),
            r#"{"Response":{}}"#,
            r#"{"Response":{"DataPoints":{}}}"#,
        ] {
            assert!(matches!(read(json), Err(ApiError::Malformed(_))), "{json}");
        }
    }

    #[test]
    fn values_are_converted_to_base_units() {
        let converted = |metrics: &'static [MonitorMetric]| -> Vec<_> {
            let point = DataPoint { time: 0, value: 4.0 };
            let of = |metric: &MonitorMetric| metric.to_base_unit(point).expect("a value").value;
            metrics.iter().map(|metric| (metric.name, of(metric))).collect()
        };
        let tunnels = [
            ("InBandwidth", 500_000.0),
            ("OutBandwidth", 500_000.0),
            ("InPkg", 4.0),
            ("OutPkg", 4.0),
            ("PkgDrop", 0.04),
            ("Delay", 0.004),
        ];
        assert_eq!(converted(TunnelInstance::METRICS), tunnels);
        let gateways =
            [("InBandwidth", 500_000.0), ("OutBandwidth", 500_000.0), ("VpnBandwidthUsageRate", 0.04)];
        assert_eq!(converted(GatewayId::METRICS), gateways);
    }

    #[test]
    fn impossible_values_are_ignored() {
        let is_possible = |name: &str, value: f64| {
            let metric = TunnelInstance::METRICS.iter().find(|metric| metric.name == name).expect(name);
            metric.to_base_unit(DataPoint { time: 0, value }).is_some()
        };
        assert!(is_possible("PkgDrop", 100.0) && is_possible("InBandwidth", 0.0));
        for (name, value) in [
            ("PkgDrop", 101.0),
            ("InBandwidth", -1.0),
            ("InBandwidth", 1e304),
            ("Delay", f64::NAN),
            ("InPkg", f64::INFINITY),
        ] {
            assert!(!is_possible(name, value), "{name} {value}");
        }
    }

    #[test]
    fn requests_are_estimated_for_a_month() {
        let all = &TrafficMetric::ALL[..];
        let (bandwidth, latency) = (&[TrafficMetric::Bandwidth][..], &[TrafficMetric::Latency][..]);
        let table = [
            (1, all, Site::China, (50, 0), 259_200),
            (5, all, Site::China, (50, 0), 51_840),
            (5, all, Site::China, (50, 5), 77_760),
            (5, all, Site::China, (51, 5), 129_600),
            (5, all, Site::International, (50, 5), 285_120),
            (5, bandwidth, Site::China, (50, 5), 43_200),
            (5, latency, Site::China, (50, 5), 8_640),
            (1, all, Site::China, (0, 0), 0),
        ];
        for (minutes, metrics, site, (tunnels, gateways), expected) in table {
            let settings = settings(minutes, metrics, site);
            let requests = requests_per_query(&settings, tunnels, gateways);
            assert_eq!(requests_per_month(&settings, requests), expected, "{settings:?}");
        }
    }
}
