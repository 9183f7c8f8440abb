//! The targets that the flags of a list select.

use super::error::{CommandError, usage};
use crate::{cli::flags::TargetFlags, domain::target::Region, poll::fleet::Plan, wiring::Wiring};

/// The targets that the flags select. Accounts and regions in the flags must be configured. Regions are not checked if a region
/// discovery failed. Traffic is not queried: lists do not show it, and Tencent Cloud bills the requests.
pub(super) fn plan(wiring: &Wiring, regions_known: bool, flags: &TargetFlags) -> Result<Plan, CommandError> {
    if let Some(name) = flags.account.iter().find(|name| !wiring.accounts().any(|own| own == *name)) {
        return Err(usage(format!("--account: {name} is not configured; name an account that is")));
    }
    let mut plan = wiring.plan();
    plan.retain(|target, _| flags.account.is_empty() || flags.account.contains(&target.account));
    let is_planned = |name: &Region| plan.keys().any(|target| target.region == *name);
    if let Some(name) = flags.region.iter().find(|name| regions_known && !is_planned(name)) {
        return Err(usage(format!("--region: {name} is not configured; name a region of these accounts")));
    }
    plan.retain(|target, _| flags.region.is_empty() || flags.region.contains(&target.region));
    for assignment in plan.values_mut() {
        assignment.settings.traffic = None;
    }
    Ok(plan)
}
