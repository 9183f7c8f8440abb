//! One simulated region: its tunnels, gateways and customer gateways, each in the order of creation.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    time::Duration,
};

use fastrand::Rng;

use super::{
    behaviour::Behaviour,
    customer_gateway::{CustomerGateway, ListedCustomerGateway},
    gateway::{Gateway, ListedGateway, NewGateway},
    listing::Listing,
    names::Identifiers,
    problem::GatewayProblem,
    row::ListedTunnel,
    tunnel::{NewTunnel, Tunnel},
};

/// The maximum number of tunnels of a gateway.
const TUNNELS_PER_GATEWAY: usize = 10;
/// A last gateway with at least this number of tunnels is divided.
const DIVIDED_FROM: usize = 6;

/// One region: its rows, and the state needed to create more.
#[derive(Debug)]
pub(super) struct RegionWorld {
    name: String,
    /// The start of the simulator, in Unix seconds.
    started: i64,
    gateways: Made<Gateway>,
    customer_gateways: Made<CustomerGateway>,
    tunnels: Made<Tunnel>,
    identifiers: Identifiers,
    /// For tunnels. Gateways have their own, so that more gateways do not change the tunnels.
    rng: Rng,
    gateway_rng: Rng,
}

/// The rows of one kind.
#[derive(Debug)]
struct Made<T> {
    rows: Vec<T>,
    /// The number of rows created so far, including removed ones.
    count: usize,
}

impl<T> Made<T> {
    fn none() -> Self {
        Self { rows: vec![], count: 0 }
    }

    fn push(&mut self, row: T) -> &T {
        self.rows.push(row);
        self.count += 1;
        self.rows.last().expect("it was just made")
    }

    fn remove(&mut self, is: impl Fn(&T) -> bool) -> Option<T> {
        let index = self.rows.iter().position(is)?;
        Some(self.rows.remove(index))
    }

    fn remove_at(&mut self, index: Option<usize>) {
        if let Some(index) = index.filter(|index| *index < self.rows.len()) {
            self.rows.remove(index);
        }
    }
}

/// The number of gateways of a region that starts with this number of tunnels.
pub(super) fn gateway_count(tunnels: usize) -> usize {
    tunnels.div_ceil(TUNNELS_PER_GATEWAY) + usize::from(tunnels % TUNNELS_PER_GATEWAY >= DIVIDED_FROM)
}

/// Whether the tunnel with this number needs a new gateway, in a region that starts with `total` tunnels. A last
/// gateway that is nearly full is divided: its last site is on a gateway of its own. So a small region also has a
/// gateway with few tunnels.
fn needs_gateway(number: usize, total: usize) -> bool {
    let divided = total % TUNNELS_PER_GATEWAY >= DIVIDED_FROM;
    number.is_multiple_of(TUNNELS_PER_GATEWAY) || divided && number == (total - 1) / 2 * 2
}

impl RegionWorld {
    /// `started` is the start of the simulator, in Unix seconds.
    pub(super) fn new(name: &str, plans: Vec<Behaviour>, mut rng: Rng, started: i64) -> Self {
        let gateway_rng = rng.fork();
        let mut region = Self {
            name: name.to_owned(),
            started,
            gateways: Made::none(),
            customer_gateways: Made::none(),
            tunnels: Made::none(),
            identifiers: Identifiers::default(),
            rng,
            gateway_rng,
        };
        let total = plans.len();
        for (number, plan) in plans.into_iter().enumerate() {
            if needs_gateway(number, total) {
                region.add_gateway();
            }
            region.add_to_last_gateway(plan, Duration::ZERO);
        }
        region
    }

    /// Creates a tunnel at the end of the list, on the last gateway or on a new one. `at` is the time since the simulation
    /// started.
    pub(super) fn add(&mut self, behaviour: Behaviour, at: Duration) -> &Tunnel {
        if self.gateways.rows.is_empty() || needs_gateway(self.tunnels.count, 0) {
            self.add_gateway();
        }
        self.add_to_last_gateway(behaviour, at)
    }

    /// A primary tunnel gets a new customer gateway. A backup gets the last one, which is its primary's.
    fn add_to_last_gateway(&mut self, behaviour: Behaviour, added: Duration) -> &Tunnel {
        let number = self.tunnels.count;
        if self.customer_gateways.rows.is_empty() || number.is_multiple_of(2) {
            self.add_customer_gateway();
        }
        let place = NewTunnel {
            id: self.identifiers.draw("vpnx", &mut self.rng),
            gateway: self.gateways.rows.last().expect("there is a gateway"),
            customer_gateway: self.customer_gateways.rows.last().expect("there is a customer gateway"),
            number,
            behaviour,
            added,
        };
        self.tunnels.push(Tunnel::draw(place, &mut self.rng))
    }

    /// Creates a gateway without tunnels. A quarter of them belong to a CCN, but never the first one.
    pub(super) fn add_gateway(&mut self) -> &Gateway {
        let (index, rng) = (self.gateways.count, &mut self.gateway_rng);
        let network = if index % 2 == 1 && rng.bool() { "ccn" } else { "vpc" };
        let place = NewGateway {
            id: self.identifiers.draw("vpngw", rng),
            network_id: self.identifiers.draw(network, rng),
            region: &self.name,
            index,
            first_tunnel: self.tunnels.count,
            started: self.started,
        };
        self.gateways.push(Gateway::draw(place, rng))
    }

    /// Creates a customer gateway without tunnels.
    pub(super) fn add_customer_gateway(&mut self) -> &CustomerGateway {
        let id = self.identifiers.draw("cgw", &mut self.gateway_rng);
        let gateway = CustomerGateway::draw(id, self.customer_gateways.count, &mut self.gateway_rng);
        self.customer_gateways.push(gateway)
    }

    /// The tunnels that exist at a time since the simulation started. They are down while their gateway has a problem
    /// that stops traffic.
    pub(super) fn tunnels(&self, at: Duration) -> impl Iterator<Item = ListedTunnel<'_>> {
        let stopped = |listed: &ListedGateway<'_>| listed.problem.is_some_and(GatewayProblem::stops_traffic);
        let stopped: HashSet<_> =
            self.gateways(at).filter(stopped).map(|listed| &*listed.gateway.id).collect();
        self.tunnels.rows.iter().filter_map(move |tunnel| {
            let status = tunnel.status(at)?;
            let is_stopped = stopped.contains(&*tunnel.gateway_id);
            Some(ListedTunnel { tunnel, status: if is_stopped { status.without_traffic() } else { status } })
        })
    }

    /// The gateways, with their problems at a time since the simulation started.
    pub(super) fn gateways(&self, at: Duration) -> impl Iterator<Item = ListedGateway<'_>> {
        self.gateways
            .rows
            .iter()
            .map(move |gateway| ListedGateway { gateway, problem: gateway.problem_at(at) })
    }

    /// The customer gateways, with their numbers of tunnels at a time since the simulation started.
    pub(super) fn customer_gateways(&self, at: Duration) -> impl Iterator<Item = ListedCustomerGateway<'_>> {
        let mut tunnels: HashMap<Cow<'_, str>, usize> = HashMap::new();
        for listed in self.tunnels(at) {
            if let Some(id) = listed.tunnel.text("CustomerGatewayId") {
                *tunnels.entry(id).or_default() += 1;
            }
        }
        self.customer_gateways.rows.iter().map(move |gateway| {
            let tunnels = tunnels.get(&*gateway.id).copied().unwrap_or_default();
            ListedCustomerGateway { gateway, tunnels }
        })
    }

    /// The gateways, each with its number of tunnels and the number of those that do not stay up.
    pub(super) fn gateways_with_tunnels(&mut self) -> impl Iterator<Item = (&mut Gateway, (usize, usize))> {
        let mut tunnels: HashMap<&str, (usize, usize)> = HashMap::new();
        for tunnel in &self.tunnels.rows {
            let (all, changing) = tunnels.entry(&tunnel.gateway_id).or_default();
            *all += 1;
            *changing += usize::from(tunnel.behaviour != Behaviour::Steady);
        }
        self.gateways.rows.iter_mut().map(move |gateway| {
            let tunnels = tunnels.get(&*gateway.id).copied().unwrap_or_default();
            (gateway, tunnels)
        })
    }

    /// The tunnels, including those whose planned deletion is over.
    pub(super) fn all_tunnels(&self) -> &[Tunnel] {
        &self.tunnels.rows
    }

    pub(super) fn gateway(&self, id: &str) -> Option<&Gateway> {
        self.gateways.rows.iter().find(|gateway| gateway.id == id)
    }

    pub(super) fn gateway_mut(&mut self, id: &str) -> Option<&mut Gateway> {
        self.gateways.rows.iter_mut().find(|gateway| gateway.id == id)
    }

    pub(super) fn customer_gateway_mut(&mut self, id: &str) -> Option<&mut CustomerGateway> {
        self.customer_gateways.rows.iter_mut().find(|gateway| gateway.id == id)
    }

    pub(super) fn tunnel_mut(&mut self, id: &str) -> Option<&mut Tunnel> {
        self.tunnels.rows.iter_mut().find(|tunnel| tunnel.id == id)
    }

    /// Removes a gateway. Its tunnels stay.
    pub(super) fn remove_gateway(&mut self, id: &str) -> Option<Gateway> {
        self.gateways.remove(|gateway| gateway.id == id)
    }

    /// Removes a customer gateway. Its tunnels stay.
    pub(super) fn remove_customer_gateway(&mut self, id: &str) -> Option<CustomerGateway> {
        self.customer_gateways.remove(|gateway| gateway.id == id)
    }

    /// Removes a tunnel immediately, without the `DELETING` state.
    pub(super) fn remove(&mut self, id: &str) -> Option<Tunnel> {
        self.tunnels.remove(|tunnel| tunnel.id == id)
    }

    /// Removes the row at index `remove` of a listing, and adds `add` rows at the end.
    pub(super) fn drift(&mut self, listing: Listing, remove: Option<usize>, add: usize, at: Duration) {
        match listing {
            Listing::VpnConnections => self.drift_tunnels(remove, add, at),
            Listing::VpnGateways => {
                self.gateways.remove_at(remove);
                for _ in 0..add {
                    self.add_gateway();
                }
            }
            Listing::CustomerGateways => {
                self.customer_gateways.remove_at(remove);
                for _ in 0..add {
                    self.add_customer_gateway();
                }
            }
        }
    }

    fn drift_tunnels(&mut self, remove: Option<usize>, add: usize, at: Duration) {
        let gone = remove.and_then(|index| self.tunnels(at).nth(index)).map(|row| row.tunnel.id.clone());
        if let Some(id) = gone {
            self.remove(&id);
        }
        for _ in 0..add {
            self.add(Behaviour::Steady, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateway_has_ten_tunnels_or_is_divided() {
        let sizes = |total: usize| {
            let mut sizes = Vec::new();
            for number in 0..total {
                if needs_gateway(number, total) {
                    sizes.push(0);
                }
                *sizes.last_mut().expect("the first tunnel has a gateway") += 1;
            }
            assert_eq!(sizes.len(), gateway_count(total), "{total}");
            sizes
        };
        let table: [(usize, &[i32]); 8] = [
            (0, &[]),
            (1, &[1]),
            (5, &[5]),
            (6, &[4, 2]),
            (7, &[6, 1]),
            (8, &[6, 2]),
            (10, &[10]),
            (29, &[10, 10, 8, 1]),
        ];
        for (total, expected) in table {
            assert_eq!(sizes(total), expected, "{total}");
        }
        assert_eq!(gateway_count(10_000), 1000);
    }
}
