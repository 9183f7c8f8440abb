//! Controls what Cloud Monitor knows about tunnels and gateways.

use std::sync::PoisonError;

use super::{Control, NotFound, gateways::no_gateway};
use crate::monitor::{Instance, Namespace};

/// The largest factor for the traffic of a tunnel.
const LARGEST_SHARE: f64 = 1e6;

impl Control {
    /// Switches off the data of a tunnel or gateway in Cloud Monitor, or switches it on again. Its traffic does not change.
    pub fn set_without_data(&self, region: &str, id: &str, without_data: bool) -> Result<(), NotFound> {
        self.write(region, |region| {
            let switch = match Namespace::of_instance(id) {
                Namespace::Tunnels => {
                    let tunnel = region.tunnel_mut(id).ok_or_else(|| NotFound::Tunnel(id.to_owned()))?;
                    &mut tunnel.without_data
                }
                Namespace::Gateways => {
                    &mut region.gateway_mut(id).ok_or_else(|| no_gateway(id))?.without_data
                }
            };
            *switch = without_data;
            Ok(())
        })
    }

    /// Multiplies the bandwidth and the packets of a tunnel, also those of the past: with 0 it is connected and carries
    /// nothing, `None` is normal. Values below 0 count as 0, values above a million as a million, and NaN as `None`.
    pub fn set_traffic(&self, region: &str, id: &str, share: Option<f64>) -> Result<(), NotFound> {
        let share = share.filter(|share| !share.is_nan()).unwrap_or(1.0).clamp(0.0, LARGEST_SHARE);
        self.change(region, id, |tunnel| tunnel.traffic.share = share)
    }

    /// The truth about one data point of a tunnel or gateway, in the unit of the API, whether or not it is visible yet.
    ///
    /// The period is 60 or 300 seconds, and the timestamp is the start of a period, in Unix seconds. The result is `None`
    /// if there is no such metric, instance or period, or no data. The data of a time before the start belongs to the
    /// status at the start. What a test has set applies to all times.
    #[must_use]
    pub fn data_point(
        &self,
        region: &str,
        id: &str,
        metric: &str,
        period: u32,
        timestamp: u64,
    ) -> Option<f64> {
        let namespace = Namespace::of_instance(id);
        let metric = namespace.metric(metric).ok()?;
        let timeline = self.api.clock.timeline();
        let world = self.api.world.read().unwrap_or_else(PoisonError::into_inner);
        let instance = Instance::find(world.region(region)?, namespace, id)?;
        instance.point(metric, period.into(), timestamp, &timeline)
    }
}
