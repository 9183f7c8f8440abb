//! `GetMonitorData` as the documents specify it: parameters, responses and limits.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use simulator::Options;

use crate::{
    client::{Request, RunningSimulator},
    listing::{EU, text},
};

pub(crate) const ASIA: &str = "ap-tokyo";
/// 2026-11-27 12:00:00 in China, in Unix seconds.
pub(crate) const NOON: u64 = 1_795_752_000;

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}

/// A time as the document writes it.
pub(crate) fn time(unix: u64) -> String {
    let time = jiff::Timestamp::from_second(unix.try_into().expect("a time")).expect("a time");
    let local = jiff::tz::offset(8).to_datetime(time);
    format!("{}+08:00", local.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// The parameters for the bandwidth of tunnels, in the last hour.
pub(crate) fn parameters(ids: &[impl AsRef<str>]) -> Value {
    of("QCE/VPNX", "OutBandwidth", ids)
}

/// The parameters for a metric, in the last hour or, for many instances, in the last minutes.
pub(crate) fn of(namespace: &str, metric: &str, ids: &[impl AsRef<str>]) -> Value {
    let dimension = if namespace == "QCE/VPNX" { "vpnConnId" } else { "vpnGwId" };
    let instances = ids.iter().map(|id| json!({"Dimensions": [{"Name": dimension, "Value": id.as_ref()}]}));
    let instances: Vec<_> = instances.collect();
    let minutes = 60.min(1440 / instances.len().max(1) as u64 - 1);
    json!({
        "Namespace": namespace,
        "MetricName": metric,
        "Instances": instances,
        "Period": 60,
        "StartTime": time(now() - minutes * 60),
        "EndTime": time(now()),
    })
}

/// The parameters with another value, or without a value that is null.
fn with(mut parameters: Value, name: &str, value: Value) -> Value {
    parameters[name] = value;
    parameters
}

pub(crate) fn request(api: &RunningSimulator, region: &str, parameters: &Value) -> Request {
    api.client.request("GetMonitorData", region, parameters).for_product("monitor", "2018-07-24")
}

pub(crate) async fn query(api: &RunningSimulator, region: &str, parameters: &Value) -> Value {
    request(api, region, parameters).send().await.response()
}

pub(crate) async fn code(api: &RunningSimulator, region: &str, parameters: &Value) -> Value {
    query(api, region, parameters).await["Error"]["Code"].clone()
}

/// The timestamps and values of each instance in a response.
pub(crate) fn points(response: &Value) -> Vec<Vec<(u64, f64)>> {
    let instances = response["DataPoints"].as_array().unwrap_or_else(|| panic!("no data: {response}"));
    let list = |instance: &Value, name: &str| instance[name].as_array().expect("a list").clone();
    let points = instances.iter().map(|instance| {
        let (timestamps, values) = (list(instance, "Timestamps"), list(instance, "Values"));
        assert_eq!(timestamps.len(), values.len());
        let pair = |(timestamp, value): (Value, Value)| {
            (timestamp.as_u64().expect("Unix seconds"), value.as_f64().expect("a number"))
        };
        timestamps.into_iter().zip(values).map(pair).collect()
    });
    points.collect()
}

pub(crate) fn gateway_ids(api: &RunningSimulator, region: &str) -> Vec<String> {
    let rows = api.control.gateway_rows(region).expect("the region");
    rows.iter().map(|row| text(&row["VpnGatewayId"])).collect()
}

#[tokio::test]
async fn response_has_documented_fields_and_aligned_times() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let ids = api.control.ids(EU).expect("the region");
    let mut parameters = parameters(&ids);
    parameters["StartTime"] = "2018-09-22T19:23:07+08:00".into();
    parameters["EndTime"] = "2018-09-22T13:23:07+01:00".into();
    parameters["Period"] = "300".into();
    let response = request(&api, EU, &parameters).send().await;
    let fields = [
        "StartTime",
        "EndTime",
        "Period",
        "MetricName",
        "DataPoints",
        "Dimensions",
        "Timestamps",
        "Values",
        "Msg",
        "RequestId",
    ];
    let place =
        |field| response.body.find(&format!("\"{field}\":")).unwrap_or_else(|| panic!("{field} is missing"));
    let places: Vec<_> = fields.iter().map(place).collect();
    assert!(places.is_sorted(), "{}", response.body);
    let response = response.response();
    assert_eq!(response["StartTime"], "2018-09-22T19:20:00+08:00");
    assert_eq!(response["EndTime"], "2018-09-22T20:20:00+08:00");
    assert_eq!(
        (&response["Period"], &response["MetricName"], &response["Msg"]),
        (&json!(300), &json!("OutBandwidth"), &json!(""))
    );
    assert_eq!(response["DataPoints"][0]["Dimensions"], json!([{"Name": "vpnConnId", "Value": ids[0]}]));
    let timestamps: Vec<_> = points(&response)[0].iter().map(|(timestamp, _)| *timestamp).collect();
    let expected: Vec<u64> = (1_537_615_200..=1_537_618_800).step_by(300).collect();
    assert_eq!(timestamps, expected, "both ends are included");
}

#[tokio::test]
async fn instances_without_data_keep_their_place() {
    let api = RunningSimulator::frozen(&[(EU, 3), (ASIA, 1)]).await;
    let (mine, foreign) =
        (api.control.ids(EU).expect("the region"), api.control.ids(ASIA).expect("the region"));
    let gateway = &gateway_ids(&api, EU)[0];
    let ids = [&*mine[2], &foreign[0], "vpnx-00000000", &mine[0], gateway, "anything", &mine[2]];
    let response = query(&api, EU, &parameters(&ids)).await;
    let points = points(&response);
    let named = |index: usize| text(&response["DataPoints"][index]["Dimensions"][0]["Value"]);
    assert_eq!((0..ids.len()).map(named).collect::<Vec<_>>(), ids);
    let empty: Vec<_> = points.iter().map(Vec::is_empty).collect();
    assert_eq!(empty, [false, true, true, false, true, true, false]);
    assert_eq!(points[0], points[6]);
    assert_ne!(points[0], points[3]);
}

#[tokio::test]
async fn invalid_monitor_parameters_are_refused() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let good = parameters(&api.control.ids(EU).expect("the region"));
    let table = [
        ("MetricName", json!("OutBandwidth"), Value::Null),
        ("MetricName", json!("Outpkg"), json!("InvalidParameterValue")),
        ("Period", Value::Null, json!("MissingParameter")),
        ("StartTime", json!(NOON), json!("InvalidParameter")),
        ("Offset", json!(0), json!("UnknownParameter")),
    ];
    for (name, value, expected) in table {
        let parameters = with(good.clone(), name, value);
        assert_eq!(code(&api, EU, &parameters).await, expected, "{parameters}");
    }
}

#[tokio::test]
async fn instances_and_data_points_are_limited() {
    let site = |max_instances| {
        let regions = vec![(EU.to_owned(), 60)];
        RunningSimulator::start(Options { regions, frozen: true, max_instances, ..Options::default() })
    };
    for (most, api) in [(50, site(50).await), (10, site(10).await)] {
        let ids = api.control.ids(EU).expect("the region");
        assert_eq!(code(&api, EU, &parameters(&ids[..most])).await, Value::Null, "{most}");
        assert_eq!(code(&api, EU, &parameters(&ids[..=most])).await, "InvalidParameterValue", "{most}");
        let spanning = |minutes: u64| {
            let end = time(NOON + minutes * 60);
            with(with(parameters(&ids[..10]), "StartTime", time(NOON).into()), "EndTime", end.into())
        };
        assert_eq!(code(&api, EU, &spanning(143)).await, Value::Null, "1440 data points");
        assert_eq!(code(&api, EU, &spanning(144)).await, "InvalidParameterValue", "1450 data points");
    }
}

#[tokio::test]
async fn monitor_requests_are_regional_signed_and_permitted() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let parameters = parameters(&api.control.ids(EU).expect("the region"));
    let refusal = |request: Request| async { request.send().await.response()["Error"]["Code"].clone() };
    let request = || request(&api, EU, &parameters);
    assert_eq!(refusal(request().with("X-TC-Region", None)).await, "MissingParameter");
    assert_eq!(refusal(request().with("X-TC-Region", Some("eu-atlantis"))).await, "UnsupportedRegion");
    assert_eq!(refusal(request().for_product("monitor", "2017-03-12")).await, "NoSuchVersion");
    assert_eq!(refusal(request().for_product("vpc", "2017-03-12")).await, "InvalidAction");
    assert_eq!(
        refusal(request().with("Authorization", Some("SKIP"))).await,
        "AuthFailure.InvalidAuthorization"
    );
    let account = api.control.accounts()[0].number.clone();
    api.control.forbid(&account, "GetMonitorData").expect("an action");
    assert_eq!(refusal(request()).await, "UnauthorizedOperation");
    assert_eq!(api.client.describe(EU, json!({})).await["TotalCount"], 1);
    api.control.allow(&account, "GetMonitorData").expect("an action");
    assert_eq!(refusal(request()).await, Value::Null);
}

#[tokio::test]
async fn journal_has_the_parameters_of_monitor_requests() {
    let api = RunningSimulator::frozen(&[(EU, 3)]).await;
    let ids = api.control.ids(EU).expect("the region");
    let asked = [&*ids[2], "vpnx-00000000", &ids[0]];
    let parameters = parameters(&asked);
    query(&api, EU, &parameters).await;
    query(&api, EU, &with(parameters.clone(), "Period", json!(61))).await;
    let journal = api.control.journal();
    assert_eq!((&*journal[0].action, &*journal[0].region), ("GetMonitorData", EU));
    assert_eq!(journal[0].ids, asked);
    let noted = (&journal[0].namespace, &journal[0].metric, journal[0].period);
    assert_eq!(noted, (&Some("QCE/VPNX".to_owned()), &Some("OutBandwidth".to_owned()), Some(60)));
    assert_eq!(journal[0].start_time.as_deref(), parameters["StartTime"].as_str());
    assert_eq!(journal[0].end_time.as_deref(), parameters["EndTime"].as_str());
    assert_eq!((&journal[1].namespace, journal[1].ids.len()), (&None, 0), "invalid parameters are left out");
    assert_eq!(journal[1].error.as_deref(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn monitor_limit_covers_all_regions() {
    let regions = vec![(EU.to_owned(), 1), (ASIA.to_owned(), 1)];
    for (requests_per_second, most) in [(100, 20), (3, 3)] {
        let options = Options { regions: regions.clone(), requests_per_second, ..Options::default() };
        let api = RunningSimulator::start(options).await;
        let parameters = parameters(&["vpnx-00000000"]);
        let mut codes = Vec::new();
        for number in 0..=most {
            codes.push(code(&api, [EU, ASIA][number % 2], &parameters).await);
        }
        // On a slow machine the last request can be a second late and be accepted. The journal has the times.
        let journal = api.control.journal();
        if journal[most].at < journal[0].at + std::time::Duration::from_millis(900) {
            assert_eq!(codes[most], "RequestLimitExceeded");
        }
        assert!(codes[..most].iter().all(Value::is_null), "{codes:?}");
    }
}
