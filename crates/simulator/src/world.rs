//! The simulated regions.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::{
    behaviour::{Behaviour, plans},
    error::ApiError,
    options::Options,
    region_world::RegionWorld,
};

#[derive(Debug)]
pub(super) struct World {
    regions: BTreeMap<String, RegionWorld>,
}

impl World {
    /// Creates the regions that the options describe. `started` is the start of the simulator, in Unix seconds.
    pub(super) fn new(options: &Options, started: i64) -> Self {
        let mut rng = Rng::with_seed(options.seed);
        let total = options.regions.iter().map(|(_, tunnels)| tunnels).sum();
        let mut plans =
            if options.frozen { vec![Behaviour::Steady; total] } else { plans(total, &mut rng) }.into_iter();
        let regions = options.regions.iter().map(|(region, tunnels)| {
            let plans = plans.by_ref().take(*tunnels).collect();
            (region.clone(), RegionWorld::new(region, plans, rng.fork(), started))
        });
        let mut world = Self { regions: regions.collect() };
        world.plan_problems(options);
        world
    }

    /// Each problem gets another gateway: first those with the fewest tunnels and the fewest other events.
    fn plan_problems(&mut self, options: &Options) {
        let mut gateways: Vec<_> =
            self.regions.values_mut().flat_map(RegionWorld::gateways_with_tunnels).collect();
        gateways.sort_by_key(|(_, tunnels)| *tunnels);
        let problems = options.planned_problems(gateways.first().map_or(0, |(_, (tunnels, _))| *tunnels));
        for ((gateway, _), problem) in gateways.into_iter().zip(problems) {
            gateway.problem = Some(problem);
        }
    }

    pub(super) fn region(&self, name: &str) -> Option<&RegionWorld> {
        self.regions.get(name)
    }

    /// Finds the region of a request, or returns the API error.
    pub(super) fn required_region(&self, name: &str) -> Result<&RegionWorld, ApiError> {
        if name.is_empty() {
            return Err(ApiError::missing("X-TC-Region"));
        }
        let unknown = || ApiError::new("UnsupportedRegion", format!("The region `{name}` is not supported."));
        self.region(name).ok_or_else(unknown)
    }

    pub(super) fn region_mut(&mut self, name: &str) -> Option<&mut RegionWorld> {
        self.regions.get_mut(name)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use super::*;

    const STARTED: i64 = 1_800_000_000;

    fn options(seed: u64, tunnels: usize) -> Options {
        let region = "ap-guangzhou".to_owned();
        Options { regions: vec![(region, tunnels)], seed, ..Options::default() }
    }

    fn text(world: &World, second: u64) -> String {
        let region = world.region("ap-guangzhou").expect("the region");
        let at = Duration::from_secs(second);
        let tunnels = serde_json::to_string(&region.tunnels(at).collect::<Vec<_>>()).expect("rows");
        let gateways = serde_json::to_string(&region.gateways(at).collect::<Vec<_>>()).expect("rows");
        let customers =
            serde_json::to_string(&region.customer_gateways(at).collect::<Vec<_>>()).expect("rows");
        [tunnels, gateways, customers].concat()
    }

    #[test]
    fn same_seed_makes_the_same_world() {
        let [one, two] = [1, 1].map(|seed| World::new(&options(seed, 24), STARTED));
        for second in [0, 30, 60, 3600] {
            assert_eq!(text(&one, second), text(&two, second));
        }
        assert_ne!(text(&one, 0), text(&World::new(&options(2, 24), STARTED), 0));
        assert_ne!(text(&one, 0), text(&one, 60), "nothing has happened within a minute");
    }

    #[test]
    fn frozen_world_is_up_and_never_changes() {
        let world = World::new(&Options { frozen: true, ..options(1, 100) }, STARTED);
        assert_eq!(text(&world, 0), text(&world, 600));
        let region = world.region("ap-guangzhou").expect("the region");
        let rows = serde_json::to_value(region.tunnels(Duration::ZERO).collect::<Vec<_>>()).expect("rows");
        for row in rows.as_array().expect("a list") {
            assert_eq!((&row["State"], &row["NetStatus"]), (&"AVAILABLE".into(), &"AVAILABLE".into()));
            assert_ne!(row["HealthCheckStatus"], "UNAVAILABLE");
        }
    }

    #[test]
    fn deleted_tunnel_is_deleting_before_it_disappears() {
        let world = World::new(&options(1, 24), STARTED);
        let region = world.region("ap-guangzhou").expect("the region");
        let count = |second| region.tunnels(Duration::from_secs(second)).count();
        assert_eq!((count(0), count(40), count(200)), (24, 24, 23));
        assert!(text(&world, 45).contains("\"DELETING\""));
    }

    #[test]
    fn rows_are_listed_by_creation() {
        let world = World::new(&options(1, 300), STARTED);
        let region = world.region("ap-guangzhou").expect("the region");
        let rows = serde_json::to_value(region.tunnels(Duration::ZERO).collect::<Vec<_>>()).expect("rows");
        let rows = rows.as_array().expect("a list");
        let created: Vec<_> = rows.iter().map(|row| row["CreatedTime"].as_str().expect("a time")).collect();
        assert!(created.is_sorted());
        let distinct =
            |field: &str| rows.iter().map(|row| row[field].to_string()).collect::<BTreeSet<_>>().len();
        assert_eq!((distinct("VpnGatewayId"), distinct("CustomerGatewayId")), (30, 150));
    }

    #[test]
    fn large_world_has_1000_gateways() {
        let world = World::new(&options(1, 10_000), STARTED);
        let region = world.region("ap-guangzhou").expect("the region");
        let (gateways, customers) =
            (region.gateways(Duration::ZERO), region.customer_gateways(Duration::ZERO));
        assert_eq!((gateways.count(), customers.count()), (1000, 5000));
    }
}
