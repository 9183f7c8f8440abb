//! `DescribeRegions`: the regions that have VPN.
//!
//! Source: Tencent Cloud, `DescribeRegions` of region management, version 2022-06-27.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    action::{Action, Service},
    envelope::ApiResponse,
    error::ApiError,
    field::{Field, list, structure, text},
};
use crate::domain::target::Region;

/// Lists the regions that have a product. It can be called in any region.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeRegions {
    product: &'static str,
}

impl DescribeRegions {
    /// The regions that have VPN (unverified: the API document does not list the names of products).
    pub const VPN: Self = Self { product: "vpc" };
}

/// The state of a region that can be called.
const AVAILABLE: &str = "AVAILABLE";

/// The maximum number of regions in a response. Tencent Cloud has about forty.
const MAX_REGIONS: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RowFields<'a> {
    #[serde(borrow)]
    region: Field<'a>,
    #[serde(borrow)]
    region_state: Field<'a>,
}

impl Action for DescribeRegions {
    const NAME: &'static str = "DescribeRegions";
    const SERVICE: Service = Service::REGION;
    const PERMISSION: &'static str = "region:DescribeRegions";
    /// The regions that can be called, at least one. Finance regions are omitted: they are polled only if they are configured
    /// by name.
    type Response = BTreeSet<Region>;

    fn read(response: &ApiResponse<'_>) -> Result<BTreeSet<Region>, ApiError> {
        let rows = list(response.get("RegionSet"));
        let regions: BTreeSet<_> = rows.iter().filter_map(|row| available(row)).collect();
        match regions.len() {
            0 => Err(ApiError::malformed(format!("none of its {} regions can be polled", rows.len()))),
            1..=MAX_REGIONS => Ok(regions),
            many => Err(ApiError::malformed(format!("it lists {many} regions, more than {MAX_REGIONS}"))),
        }
    }
}

fn available(row: &RawValue) -> Option<Region> {
    let row: RowFields<'_> = structure(Some(row))?;
    let is_available = text(row.region_state)? == AVAILABLE;
    let region = Region::new(&text(row.region)?).ok()?;
    (is_available && !region.is_finance()).then_some(region)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::tencent::envelope;

    fn regions(names: &[&str]) -> BTreeSet<Region> {
        names.iter().map(|name| Region::new(name).expect("a region")).collect()
    }

    fn read(response: &Value) -> Result<BTreeSet<Region>, ApiError> {
        let body = json!({"Response": response}).to_string();
        DescribeRegions::read(&envelope::parse(body.as_bytes(), None)?)
    }

    fn row(name: &str, state: &str) -> Value {
        json!({"Region": name, "RegionName": "somewhere", "RegionState": state})
    }

    #[test]
    fn parameters_are_spelt_as_in_the_document() {
        assert_eq!(*DescribeRegions::VPN.body(), br#"{"Product":"vpc"}"#);
    }

    #[test]
    fn available_regions_are_read_without_finance_regions() {
        let response = json!({"TotalCount": 6, "RequestId": "r", "RegionSet": [
            row("eu-frankfurt", "AVAILABLE"), row("ap-shanghai-fsi", "AVAILABLE"), row("ap-guangzhou", "AVAILABLE"),
            row("ap-mumbai", "UNAVAILABLE"), row("eu-frankfurt", "AVAILABLE"), row("eu/../x", "AVAILABLE"),
            {"Region": "ap-tokyo"}, {"RegionState": "AVAILABLE"}, null, 7,
        ]});
        assert_eq!(read(&response), Ok(regions(&["ap-guangzhou", "eu-frankfurt"])));
    }

    #[test]
    fn response_without_usable_region_is_malformed() {
        for (response, count) in [
            (json!({"TotalCount": 0, "RegionSet": []}), 0),
            (json!({"TotalCount": 3, "RegionSet": null}), 0),
            (json!({"RegionSet": [row("ap-shanghai-fsi", "AVAILABLE"), row("ap-mumbai", "CLOSED")]}), 2),
        ] {
            let problem = format!("none of its {count} regions can be polled");
            assert_eq!(read(&response), Err(ApiError::malformed(problem)));
        }
    }

    #[test]
    fn more_than_200_regions_are_malformed() {
        let response = |count: usize| {
            let rows: Vec<_> = (0..count).map(|number| row(&format!("ap-{number}"), "AVAILABLE")).collect();
            read(&json!({"RegionSet": rows}))
        };
        assert_eq!(response(200).map(|regions| regions.len()), Ok(200));
        assert!(matches!(response(201), Err(ApiError::Malformed(_))));
    }
}
