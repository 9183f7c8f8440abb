//! Which regions there are: one call, its answer, and what becomes of the list from one look-up to the next.
//!
//! Source: Tencent Cloud, `DescribeRegions` of region management, version 2022-06-27. When to look is the caller's.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::{
    ApiError, Call, Service,
    answer::{self, Field},
    client::FromResponse,
};
use crate::domain::Region;

/// `DescribeRegions`: lists the regions that have a product.
pub const DESCRIBE_REGIONS: &str = "DescribeRegions";

/// What a policy must allow for it.
pub const PERMISSION: &str = "region:DescribeRegions";

/// The parameters: the product that has VPN tunnels (unverified: the document does not list the products' names).
const PARAMETERS: &str = r#"{"Product":"vpc"}"#;

/// The state of a region that can be called.
const AVAILABLE: &str = "AVAILABLE";

/// More regions than there will be: Tencent Cloud has about forty.
const MAX_REGIONS: usize = 200;

/// After so many look-ups in a row without it, a region is gone.
const LOOK_UPS_MISSED: u32 = 3;

/// Asks for the regions; any region can be asked. The answer is read as [`AvailableRegions`].
#[must_use]
pub fn describe_regions<'a>(region: &'a Region, url: &'a Url) -> Call<'a> {
    Call { service: Service::REGION, action: DESCRIBE_REGIONS, region, url, body: PARAMETERS.to_owned() }
}

/// The regions that can be called, each once, at least one. Finance regions are left out: they are polled only where they
/// are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvailableRegions(pub BTreeSet<Region>);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AnswerFields<'a> {
    #[serde(borrow)]
    region_set: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RowFields<'a> {
    #[serde(borrow)]
    region: Field<'a>,
    #[serde(borrow)]
    region_state: Field<'a>,
}

impl FromResponse for AvailableRegions {
    fn from_response(response: &RawValue) -> Result<Self, ApiError> {
        let fields: AnswerFields<'_> = answer::parse(response.get().as_bytes())?;
        let rows = answer::list(fields.region_set);
        let regions: BTreeSet<_> = rows.iter().filter_map(|row| available(row)).collect();
        if regions.len() > MAX_REGIONS {
            let problem = format!("it lists {} regions, more than {MAX_REGIONS}", regions.len());
            return Err(ApiError::Malformed(problem));
        }
        if regions.is_empty() {
            let problem = format!("none of its {} regions can be polled", rows.len());
            return Err(ApiError::Malformed(problem));
        }
        Ok(Self(regions))
    }
}

fn available(row: &RawValue) -> Option<Region> {
    let row: RowFields<'_> = answer::structure(Some(row))?;
    let is_available = answer::text(row.region_state)? == AVAILABLE;
    let region = Region::new(&answer::text(row.region)?).ok()?;
    (is_available && !region.is_finance()).then_some(region)
}

/// An account's regions, as its look-ups made them. A look-up that fails is none: the list stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionList {
    /// Each region, and how many look-ups in a row were without it.
    missed: BTreeMap<Region, u32>,
}

/// What a look-up changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionChange {
    /// The regions that are new.
    pub joined: Vec<Region>,
    /// The regions that are gone: three look-ups in a row were without them.
    pub left: Vec<Region>,
}

impl RegionList {
    /// The regions, in the order of their names.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.missed.keys()
    }

    /// Takes in what a look-up found.
    pub fn update(&mut self, found: &AvailableRegions) -> RegionChange {
        let AvailableRegions(found) = found;
        let mut change = RegionChange::default();
        self.missed.retain(|region, missed| {
            *missed = if found.contains(region) { 0 } else { *missed + 1 };
            let stays = *missed < LOOK_UPS_MISSED;
            if !stays {
                change.left.push(region.clone());
            }
            stays
        });
        for region in
            found.iter().filter(|region| !self.missed.contains_key(region)).cloned().collect::<Vec<_>>()
        {
            self.missed.insert(region.clone(), 0);
            change.joined.push(region);
        }
        change
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn region(name: &str) -> Region {
        Region::new(name).expect("a region")
    }

    fn regions(names: &[&str]) -> AvailableRegions {
        AvailableRegions(names.iter().map(|name| region(name)).collect())
    }

    fn read(response: &Value) -> Result<AvailableRegions, ApiError> {
        let answer = json!({"Response": response}).to_string();
        AvailableRegions::from_response(answer::unframe(answer.as_bytes(), None)?)
    }

    fn row(name: &str, state: &str) -> Value {
        json!({"Region": name, "RegionName": "somewhere", "RegionState": state})
    }

    #[test]
    fn the_call_is_spelt_as_in_the_document() {
        let (region, url) =
            (region("ap-guangzhou"), "https://region.tencentcloudapi.com".parse().expect("a URL"));
        let call = describe_regions(&region, &url);
        assert_eq!((call.service.name, call.service.version), ("region", "2022-06-27"));
        assert_eq!((call.action, call.body.as_str()), ("DescribeRegions", r#"{"Product":"vpc"}"#));
    }

    #[test]
    fn regions_that_can_be_called_are_read_each_once_and_finance_regions_are_not() {
        let answer = json!({"TotalCount": 6, "RequestId": "r", "RegionSet": [
            row("eu-frankfurt", "AVAILABLE"), row("ap-shanghai-fsi", "AVAILABLE"), row("ap-guangzhou", "AVAILABLE"),
            row("ap-mumbai", "UNAVAILABLE"), row("eu-frankfurt", "AVAILABLE"), row("eu/../x", "AVAILABLE"),
            {"Region": "ap-tokyo"}, {"RegionState": "AVAILABLE"}, null, 7,
        ]});
        assert_eq!(read(&answer), Ok(regions(&["ap-guangzhou", "eu-frankfurt"])));
    }

    #[test]
    fn an_answer_without_a_region_to_poll_is_a_failure() {
        for (answer, count) in [
            (json!({"TotalCount": 0, "RegionSet": []}), 0),
            (json!({"TotalCount": 3, "RegionSet": null}), 0),
            (json!({"RegionSet": [row("ap-shanghai-fsi", "AVAILABLE"), row("ap-mumbai", "CLOSED")]}), 2),
        ] {
            let problem = format!("none of its {count} regions can be polled");
            assert_eq!(read(&answer), Err(ApiError::Malformed(problem)));
        }
    }

    #[test]
    fn more_than_200_regions_are_malformed() {
        let answer = |count: usize| {
            let rows: Vec<_> = (0..count).map(|number| row(&format!("ap-{number}"), "AVAILABLE")).collect();
            read(&json!({"RegionSet": rows}))
        };
        assert_eq!(answer(200).map(|regions| regions.0.len()), Ok(200));
        assert!(matches!(answer(201), Err(ApiError::Malformed(_))));
    }

    #[test]
    fn a_new_region_joins_at_once_and_a_missing_one_leaves_after_three_look_ups() {
        let mut list = RegionList::default();
        let both = regions(&["ap-guangzhou", "eu-frankfurt"]);
        let change = list.update(&both);
        assert_eq!(change.joined, both.0.iter().cloned().collect::<Vec<_>>());
        let one = regions(&["ap-guangzhou"]);
        assert_eq!(list.update(&one), RegionChange::default());
        assert_eq!(list.update(&one), RegionChange::default());
        assert_eq!(list.regions().count(), 2);
        assert_eq!(list.update(&one).left, [region("eu-frankfurt")]);
        assert_eq!(list.regions().collect::<Vec<_>>(), [&region("ap-guangzhou")]);
        assert_eq!(list.update(&both).joined, [region("eu-frankfurt")]);
    }

    #[test]
    fn only_look_ups_in_a_row_count() {
        let mut list = RegionList::default();
        let (both, one) = (regions(&["ap-guangzhou", "eu-frankfurt"]), regions(&["ap-guangzhou"]));
        list.update(&both);
        for found in [&one, &one, &both, &one, &one] {
            assert_eq!(list.update(found), RegionChange::default());
        }
        assert_eq!(list.update(&one).left, [region("eu-frankfurt")]);
    }
}
