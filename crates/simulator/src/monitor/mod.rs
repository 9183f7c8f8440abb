//! `GetMonitorData`: the data points of one metric of tunnels or gateways.
//!
//! Four documented errors occur only as faults: `FailedOperation.ErrNotOpen` and `.ErrOwed`, which concern bills,
//! `FailedOperation.APITranslateError`, and `UnsupportedOperation`.

mod instance;
mod metric;

use serde::Serialize;

pub(super) use self::{instance::Instance, metric::Namespace};
use self::{
    instance::{PERIODS, is_visible},
    metric::Metric,
};
use super::{
    clock::{Now, Timeline},
    error::ApiError,
    journal::Entry,
    parameters::{Dimensions, Parameters},
    region_world::RegionWorld,
    times,
};

/// The maximum number of data points of a response.
const MOST_POINTS: u64 = 1440;

/// The parameters of a request.
///
/// The document makes the period and the times optional. They are required here: a forgotten period, which means 300
/// seconds, is more likely a mistake.
#[derive(Debug)]
pub(super) struct MonitorRequest {
    namespace: Namespace,
    metric_name: String,
    metric: Metric,
    period: u64,
    start_time: String,
    end_time: String,
    /// The first and the last data point, in Unix seconds.
    start: u64,
    end: u64,
    ids: Vec<String>,
}

/// The content of a response.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MonitorData<'a> {
    start_time: String,
    end_time: String,
    period: u64,
    metric_name: &'a str,
    data_points: Vec<DataPoint<'a>>,
    msg: &'static str,
}

/// The data of one instance.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DataPoint<'a> {
    dimensions: [Dimension<'a>; 1],
    timestamps: Vec<u64>,
    values: Vec<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension<'a> {
    name: &'a str,
    value: &'a str,
}

impl MonitorRequest {
    pub(super) fn parse(mut parameters: Parameters, max_instances: usize) -> Result<Self, ApiError> {
        let namespace = parameters.required_text("Namespace")?;
        let metric_name = parameters.required_text("MetricName")?;
        let period = parameters.number("Period")?.ok_or_else(|| ApiError::missing("Period"))? as u64;
        let start_time = parameters.required_text("StartTime")?;
        let end_time = parameters.required_text("EndTime")?;
        let instances = parameters.instances("Instances")?.ok_or_else(|| ApiError::missing("Instances"))?;
        parameters.finish()?;
        let namespace = Namespace::find(&namespace)?;
        let metric = namespace.metric(&metric_name)?;
        if !PERIODS.contains(&period) {
            return Err(ApiError::invalid_value(format!("The period {period} is not 60 or 300.")));
        }
        let start = unix("StartTime", &start_time)?;
        let end = unix("EndTime", &end_time)?;
        if end < start {
            return Err(ApiError::invalid_value("`EndTime` is before `StartTime`."));
        }
        let ids = ids(namespace, instances, max_instances)?;
        let (start, end) = (start - start % period, end - end % period);
        let points = ((end - start) / period + 1).saturating_mul(ids.len() as u64);
        if points > MOST_POINTS {
            let message = format!("The request is for {points} data points, and the limit is {MOST_POINTS}.");
            return Err(ApiError::invalid_value(message));
        }
        Ok(Self { namespace, metric_name, metric, period, start_time, end_time, start, end, ids })
    }

    /// Adds the parameters to a journal entry.
    pub(super) fn note(&self, entry: &mut Entry) {
        entry.namespace = Some(self.namespace.name().to_owned());
        entry.metric = Some(self.metric_name.clone());
        entry.period = Some(self.period);
        entry.start_time = Some(self.start_time.clone());
        entry.end_time = Some(self.end_time.clone());
        entry.ids.clone_from(&self.ids);
    }

    /// The visible data points. The bounds are inclusive. An instance that is not in the region has no data.
    pub(super) fn data(&self, region: &RegionWorld, timeline: &Timeline, now: Now) -> MonitorData<'_> {
        let points = |id: &str| {
            let instance = Instance::find(region, self.namespace, id);
            let count = (self.end - self.start) / self.period;
            let starts = (0..=count).map(|number| self.start + number * self.period);
            let visible = starts.filter(|start| is_visible(id, self.period, *start, now.unix));
            let point = |start| {
                let value = instance.as_ref()?.point(self.metric, self.period, start, timeline)?;
                Some((start, value))
            };
            visible.filter_map(point).unzip()
        };
        let data_points = self.ids.iter().map(|id| {
            let (timestamps, values) = points(id);
            let dimensions = [Dimension { name: self.namespace.dimension(), value: id }];
            DataPoint { dimensions, timestamps, values }
        });
        MonitorData {
            start_time: times::with_offset(self.start),
            end_time: times::with_offset(self.end),
            period: self.period,
            metric_name: &self.metric_name,
            data_points: data_points.collect(),
            msg: "",
        }
    }
}

/// A time in the documented format, in Unix seconds.
fn unix(parameter: &str, text: &str) -> Result<u64, ApiError> {
    times::parse(text).ok_or_else(|| {
        let example = "2026-11-27T12:00:00+08:00";
        ApiError::invalid_value(format!("`{parameter}` is `{text}` and must be a time such as `{example}`."))
    })
}

/// The identifiers of the requested instances, which have one dimension each.
fn ids(
    namespace: Namespace,
    instances: Vec<Dimensions>,
    max_instances: usize,
) -> Result<Vec<String>, ApiError> {
    if instances.is_empty() || instances.len() > max_instances {
        let message =
            format!("`Instances` has {} instances and must have 1 to {max_instances}.", instances.len());
        return Err(ApiError::invalid_value(message));
    }
    let ids = instances.into_iter().map(|dimensions| match <[_; 1]>::try_from(dimensions) {
        Ok([(name, id)]) if name == namespace.dimension() => Ok(id),
        _ => Err(ApiError::invalid_value(format!(
            "Each instance of `{}` has the dimension `{}` and no other.",
            namespace.name(),
            namespace.dimension()
        ))),
    });
    ids.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        json!({
            "Namespace": "QCE/VPNX",
            "MetricName": "OutPkg",
            "Instances": [{"Dimensions": [{"Name": "vpnConnId", "Value": "vpnx-f49l6u0z"}]}],
            "Period": 60,
            "StartTime": "2026-11-27T12:00:59+08:00",
            "EndTime": "2026-11-27T12:02:00+08:00",
        })
    }

    /// The request with one other parameter, or the code of the error.
    fn parse(name: &str, value: Value) -> Result<MonitorRequest, String> {
        let mut parameters = good();
        parameters[name] = value;
        let parameters = Parameters::parse(parameters.to_string().as_bytes()).expect("an object");
        MonitorRequest::parse(parameters, 2).map_err(|error| error.code.into_owned())
    }

    #[test]
    fn each_invalid_parameter_has_its_error() {
        let instance = |name: &str| json!({"Dimensions": [{"Name": name, "Value": "vpnx-f49l6u0z"}]});
        let dimensions =
            |of: [&str; 2]| json!([{"Dimensions": of.map(|name| json!({"Name": name, "Value": "a"}))}]);
        let invalid = "InvalidParameterValue";
        let table = [
            ("Namespace", json!("QCE/CVM"), invalid),
            ("Namespace", json!("QCE/VPNGW"), invalid),
            ("Namespace", json!("qce/vpnx"), invalid),
            ("Namespace", json!(5), "InvalidParameter"),
            ("MetricName", json!("Outpkg"), invalid),
            ("MetricName", json!("VpnBandwidthUsageRate"), invalid),
            ("MetricName", json!(["OutPkg"]), "InvalidParameter"),
            ("Period", json!(10), invalid),
            ("Period", json!(3600), invalid),
            ("Period", json!(-60), invalid),
            ("Period", json!(60.5), "InvalidParameter"),
            ("StartTime", json!("2026-11-27 12:00:00"), invalid),
            ("StartTime", json!("2026-11-27T12:00:00"), invalid),
            ("StartTime", json!("2026-11-27T12:00:00Z"), invalid),
            ("StartTime", json!("2026-11-7T12:00:00+08:00"), invalid),
            ("StartTime", json!("2026-02-30T12:00:00+08:00"), invalid),
            ("StartTime", json!("1960-01-01T12:00:00+08:00"), invalid),
            ("StartTime", json!("2026-11-27T12:02:01+08:00"), invalid),
            ("StartTime", json!("2026-11-26T12:02:00+08:00"), invalid),
            ("StartTime", json!(1_800_000_000), "InvalidParameter"),
            ("EndTime", json!("today"), invalid),
            ("EndTime", json!("9999-12-31T23:59:59+08:00"), invalid),
            ("Instances", json!([]), invalid),
            (
                "Instances",
                json!([instance("vpnConnId"), instance("vpnConnId"), instance("vpnConnId")]),
                invalid,
            ),
            ("Instances", json!([instance("vpnGwId")]), invalid),
            ("Instances", json!([instance("VpnConnId")]), invalid),
            ("Instances", json!([{"Dimensions": []}]), invalid),
            ("Instances", dimensions(["vpnConnId", "vpnGwId"]), invalid),
            ("Instances", dimensions(["vpnConnId", "vpnConnId"]), invalid),
            ("Instances", json!({}), "InvalidParameter"),
            ("Instances", json!(["vpnx-f49l6u0z"]), "InvalidParameter"),
            ("Instances", json!([{"Dimensions": {"Name": "vpnConnId"}}]), "InvalidParameter"),
            ("Instances", json!([{}]), "MissingParameter"),
            ("Instances", json!([{"Dimensions": [{"Name": "vpnConnId"}]}]), "MissingParameter"),
            ("Instances", json!([{"Dimensions": [{"Value": "vpnx-f49l6u0z"}]}]), "MissingParameter"),
            ("Instances", json!([{"Dimensions": [], "Name": "a"}]), "UnknownParameter"),
            ("SpecifyStatistics", json!(1), "UnknownParameter"),
        ];
        for (name, value, expected) in table {
            let code = parse(name, value.clone()).expect_err("an error");
            assert_eq!(code, expected, "{name}: {value}");
        }
        for name in good().as_object().expect("an object").keys() {
            assert_eq!(parse(name, Value::Null).expect_err("an error"), "MissingParameter", "{name}");
        }
    }

    #[test]
    fn times_are_aligned_to_the_period() {
        let bounds = |name: &str, value| {
            let request = parse(name, value).expect("a request");
            (times::with_offset(request.start), times::with_offset(request.end))
        };
        let noon = |minute| format!("2026-11-27T12:{minute}:00+08:00");
        assert_eq!(bounds("Period", json!(60)), (noon("00"), noon("02")));
        assert_eq!(bounds("Period", json!("300")), (noon("00"), noon("00")));
        let utc = json!("2026-11-27T04:00:59+00:00");
        assert_eq!(bounds("StartTime", utc), (noon("00"), noon("02")), "the offset counts");
        let late = json!("2026-11-27T12:02:00+08:00");
        assert_eq!(bounds("StartTime", late), (noon("02"), noon("02")), "both ends can be the same");
    }
}
