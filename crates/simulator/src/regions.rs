//! `region:DescribeRegions`: the regions of a product. They can differ from the simulated regions.

use serde::Serialize;

use super::{error::ApiError, parameters::Parameters};

/// A region in the response of `DescribeRegions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedRegion {
    /// Its name in the API, such as `ap-guangzhou`.
    pub region: String,
    /// Whether its `RegionState` is `AVAILABLE`.
    pub available: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Offer {
    total_count: usize,
    region_set: Vec<RegionInfo>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RegionInfo {
    region: String,
    region_name: String,
    region_state: &'static str,
}

/// The regions of the requested product, which must be `vpc`.
pub(super) fn describe_regions(
    mut parameters: Parameters,
    offered: &[OfferedRegion],
) -> Result<Offer, ApiError> {
    let product = parameters.required_text("Product")?;
    parameters.finish()?;
    if product != "vpc" {
        let message = format!("The product `{product}` is not simulated.");
        return Err(ApiError::new("InvalidParameter.ParameterError", message));
    }
    let region_set = offered.iter().map(|offered| RegionInfo {
        region: offered.region.clone(),
        region_name: format!("Simulated ({})", offered.region),
        region_state: if offered.available { "AVAILABLE" } else { "UNAVAILABLE" },
    });
    Ok(Offer { total_count: offered.len(), region_set: region_set.collect() })
}
