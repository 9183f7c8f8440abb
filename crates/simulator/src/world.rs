//! The simulated regions and their tunnels, in the order of creation.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use fastrand::Rng;

use super::{
    behaviour::{Behaviour, plans},
    error::ApiError,
    names::Identifiers,
    options::Options,
    row::Listed,
    tunnel::{NewTunnel, Tunnel},
};

/// The maximum number of tunnels of a gateway.
const TUNNELS_PER_GATEWAY: usize = 8;

#[derive(Debug)]
pub(super) struct World {
    regions: BTreeMap<String, RegionWorld>,
}

/// One region: its gateways and tunnels, and the state needed to create more.
#[derive(Debug)]
pub(super) struct RegionWorld {
    gateways: Vec<Gateway>,
    tunnels: Vec<Tunnel>,
    /// The number of tunnels created so far, including removed ones.
    made: usize,
    identifiers: Identifiers,
    rng: Rng,
}

#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) id: String,
    pub(super) vpc_id: String,
    pub(super) address: Ipv4Addr,
    /// The local network behind it, in CIDR notation.
    pub(super) network: String,
    pub(super) state: GatewayState,
}

/// The state of a gateway. It decides whether tunnels can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayState {
    /// Tunnels can be deleted.
    Available,
    /// Deletion fails because the gateway is unavailable.
    Unavailable,
    /// Deletion fails because another operation is running on the gateway.
    Busy,
}

/// The tunnels that a request selects.
#[derive(Debug)]
pub(super) enum Selection {
    /// Tunnels that match every filter. A filter is a row field and its allowed values.
    Filters(Vec<(&'static str, Vec<String>)>),
    /// Tunnels with these identifiers.
    Ids(BTreeSet<String>),
}

impl Selection {
    fn matches(&self, tunnel: &Tunnel) -> bool {
        match self {
            Self::Filters(filters) => filters.iter().all(|(field, values)| {
                tunnel.text(field).is_some_and(|text| values.iter().any(|value| value == text))
            }),
            Self::Ids(ids) => tunnel.text("VpnConnectionId").is_some_and(|id| ids.contains(id)),
        }
    }
}

impl World {
    /// Creates the regions and tunnels that the options describe.
    pub(super) fn new(options: &Options) -> Self {
        let mut rng = Rng::with_seed(options.seed);
        let total = options.regions.iter().map(|(_, tunnels)| tunnels).sum();
        let mut plans =
            if options.frozen { vec![Behaviour::Steady; total] } else { plans(total, &mut rng) }.into_iter();
        let regions = options.regions.iter().map(|(region, tunnels)| {
            let plans = plans.by_ref().take(*tunnels);
            (region.clone(), RegionWorld::new(plans, rng.fork()))
        });
        Self { regions: regions.collect() }
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

impl RegionWorld {
    fn new(plans: impl Iterator<Item = Behaviour>, rng: Rng) -> Self {
        let mut region =
            Self { gateways: vec![], tunnels: vec![], made: 0, identifiers: Identifiers::default(), rng };
        for plan in plans {
            region.add(plan);
        }
        region
    }

    /// Creates a tunnel at the end of the list.
    pub(super) fn add(&mut self, behaviour: Behaviour) -> &Tunnel {
        let number = self.made;
        self.made += 1;
        if number.is_multiple_of(TUNNELS_PER_GATEWAY) {
            self.add_gateway();
        }
        let place = NewTunnel {
            id: self.identifiers.draw("vpnx", &mut self.rng),
            customer_gateway_id: self.identifiers.draw("cgw", &mut self.rng),
            gateway: self.gateways.last().expect("the first tunnel made a gateway"),
            number,
            behaviour,
        };
        self.tunnels.push(Tunnel::draw(place, &mut self.rng));
        self.tunnels.last().expect("it was just made")
    }

    fn add_gateway(&mut self) {
        let [high, low] = u16::try_from(self.gateways.len() % 0x10000).expect("less than 2^16").to_be_bytes();
        self.gateways.push(Gateway {
            id: self.identifiers.draw("vpngw", &mut self.rng),
            vpc_id: self.identifiers.draw("vpc", &mut self.rng),
            address: Ipv4Addr::new(203, 0, 113, low),
            network: format!("172.{}.{low}.0/24", 16 + high % 16),
            state: GatewayState::Available,
        });
    }

    /// The tunnels that exist at a time, in the order of creation.
    pub(super) fn listed(&self, at: Duration) -> impl Iterator<Item = Listed<'_>> {
        self.tunnels.iter().filter_map(move |tunnel| Some(Listed { tunnel, status: tunnel.status(at)? }))
    }

    /// The number of selected tunnels, and at most `limit` of their rows, starting at `offset`.
    pub(super) fn page(
        &self,
        selection: &Selection,
        offset: usize,
        limit: usize,
        at: Duration,
    ) -> (usize, Vec<Listed<'_>>) {
        let mut total = 0;
        let mut rows = Vec::with_capacity(limit);
        for listed in self.listed(at).filter(|listed| selection.matches(listed.tunnel)) {
            if total >= offset && rows.len() < limit {
                rows.push(listed);
            }
            total += 1;
        }
        (total, rows)
    }

    pub(super) fn gateway(&self, id: &str) -> Option<&Gateway> {
        self.gateways.iter().find(|gateway| gateway.id == id)
    }

    pub(super) fn gateway_mut(&mut self, id: &str) -> Option<&mut Gateway> {
        self.gateways.iter_mut().find(|gateway| gateway.id == id)
    }

    pub(super) fn tunnel_mut(&mut self, id: &str) -> Option<&mut Tunnel> {
        self.tunnels.iter_mut().find(|tunnel| tunnel.id == id)
    }

    /// Removes the row at index `remove`, and adds `add` tunnels at the end.
    pub(super) fn drift(&mut self, remove: Option<usize>, add: usize, at: Duration) {
        let gone = remove.and_then(|index| self.listed(at).nth(index)).map(|row| row.tunnel.id.clone());
        if let Some(id) = gone {
            self.remove(&id);
        }
        for _ in 0..add {
            self.add(Behaviour::Steady);
        }
    }

    /// Removes a tunnel immediately, without the `DELETING` state.
    pub(super) fn remove(&mut self, id: &str) -> Option<Tunnel> {
        let index = self.tunnels.iter().position(|tunnel| tunnel.id == id)?;
        Some(self.tunnels.remove(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(seed: u64, tunnels: usize) -> Options {
        let region = "ap-guangzhou".to_owned();
        Options { regions: vec![(region, tunnels)], seed, ..Options::default() }
    }

    fn text(world: &World, second: u64) -> String {
        let region = world.region("ap-guangzhou").expect("the region");
        let listed: Vec<_> = region.listed(Duration::from_secs(second)).collect();
        serde_json::to_string(&listed).expect("rows can be written")
    }

    #[test]
    fn same_seed_makes_the_same_world() {
        let [one, two] = [1, 1].map(|seed| World::new(&options(seed, 24)));
        for second in [0, 30, 60, 3600] {
            assert_eq!(text(&one, second), text(&two, second));
        }
        assert_ne!(text(&one, 0), text(&World::new(&options(2, 24)), 0));
        assert_ne!(text(&one, 0), text(&one, 60), "nothing has happened within a minute");
    }

    #[test]
    fn frozen_world_is_up_and_never_changes() {
        let world = World::new(&Options { frozen: true, ..options(1, 100) });
        assert_eq!(text(&world, 0), text(&world, 600));
        let region = world.region("ap-guangzhou").expect("the region");
        let rows = serde_json::to_value(region.listed(Duration::ZERO).collect::<Vec<_>>()).expect("rows");
        for row in rows.as_array().expect("a list") {
            assert_eq!((&row["State"], &row["NetStatus"]), (&"AVAILABLE".into(), &"AVAILABLE".into()));
            assert_ne!(row["HealthCheckStatus"], "UNAVAILABLE");
        }
    }

    #[test]
    fn deleted_tunnel_is_deleting_before_it_disappears() {
        let world = World::new(&options(1, 24));
        let region = world.region("ap-guangzhou").expect("the region");
        let count = |second| region.listed(Duration::from_secs(second)).count();
        assert_eq!((count(0), count(40), count(200)), (24, 24, 23));
        assert!(text(&world, 45).contains("\"DELETING\""));
    }

    #[test]
    fn rows_are_listed_by_creation() {
        let world = World::new(&options(1, 300));
        let region = world.region("ap-guangzhou").expect("the region");
        let rows = serde_json::to_value(region.listed(Duration::ZERO).collect::<Vec<_>>()).expect("rows");
        let rows = rows.as_array().expect("a list");
        let created: Vec<_> = rows.iter().map(|row| row["CreatedTime"].as_str().expect("a time")).collect();
        assert!(created.is_sorted());
        let peers: BTreeSet<_> =
            rows.iter().map(|row| row["IKEOptionsSpecification"]["RemoteAddress"].to_string()).collect();
        assert_eq!(peers.len(), 300, "two tunnels have the same peer");
    }
}
