//! The options of a simulated world, and their validation.

use std::{collections::BTreeSet, time::Duration};

use super::{
    faults::{Fault, InvalidFault},
    identity::instance_role,
    metadata::MetadataRequest,
    problem::{GatewayProblem, PlannedProblem},
    region_world::gateway_count,
    regions::OfferedRegion,
    request::Action,
    roles::{Role, WebIdentity},
};

/// The maximum number of tunnels, far above any real account. They need about 160 MB.
const MOST_TUNNELS: usize = 100_000;

/// The maximum number of accounts with permanent credentials.
const MOST_ACCOUNTS: usize = 1000;

/// The problems of the demo.
const DEMO_PROBLEMS: [PlannedProblem; 2] = [
    PlannedProblem { problem: GatewayProblem::Isolated, from: Duration::from_secs(20) },
    PlannedProblem { problem: GatewayProblem::Expiring, from: Duration::ZERO },
];

/// The options of a simulator.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The regions and their numbers of tunnels. Each region appears once.
    pub regions: Vec<(String, usize)>,
    /// The seed for names, addresses, credentials and outages. The same seed makes the same world.
    pub seed: u64,
    /// Whether every tunnel stays up. Changes through [`Control`](super::Control) or requests still apply.
    pub frozen: bool,
    /// Simulated seconds per real second. It does not affect the clock used to check signatures.
    pub speed: f64,
    /// The delay of every response.
    pub latency: Duration,
    /// The maximum number of requests per second for each account, action and region. Tencent's limit is 100, and 300 for
    /// `DescribeVpnGateways`. `GetMonitorData` has at most 20 for each account over all regions.
    pub requests_per_second: usize,
    /// The maximum number of instances of a `GetMonitorData` request: 50 at the China site, 10 at the international one.
    pub max_instances: usize,
    /// How long a tunnel stays `DELETING` after a request, in simulated time.
    pub deletion: Duration,
    /// The number of accounts with permanent credentials. They all see the same tunnels.
    pub accounts: usize,
    /// The roles that callers can assume.
    pub roles: Vec<Role>,
    /// The role of the first account whose credentials the metadata service gives; `None` for no role.
    pub instance_role: Option<String>,
    /// The web identity that pods need to assume a role.
    pub web_identity: Option<WebIdentity>,
    /// The maximum lifetime of temporary credentials, rounded down to whole seconds; at least one second.
    pub token_lifetime: Option<Duration>,
    /// The faults at the start.
    pub faults: Vec<Fault>,
    /// The problems of gateways, each of another gateway: first those with the fewest tunnels. `None` plans the problems
    /// of the demo, or none if `frozen`: one gateway becomes isolated after 20 seconds, and one expires in five days.
    /// The demo isolates no gateway with more than a third of all tunnels.
    pub gateway_problems: Option<Vec<PlannedProblem>>,
}

impl Default for Options {
    /// The demo: 24 tunnels in three regions. Some change within the first minute.
    fn default() -> Self {
        let regions = ["ap-guangzhou", "ap-singapore", "eu-frankfurt"].map(str::to_owned);
        Self {
            regions: Self::spread(24, &regions),
            seed: 1,
            frozen: false,
            speed: 1.0,
            latency: Duration::ZERO,
            requests_per_second: 100,
            max_instances: 50,
            deletion: Duration::from_secs(20),
            accounts: 1,
            roles: vec![instance_role("monitoring")],
            instance_role: Some("monitoring".to_owned()),
            web_identity: None,
            token_lifetime: None,
            faults: vec![],
            gateway_problems: None,
        }
    }
}

impl Options {
    /// Distributes tunnels evenly over regions; the first regions get the remainder.
    #[must_use]
    pub fn spread<R: ToString>(tunnels: usize, regions: &[R]) -> Vec<(String, usize)> {
        let share = |index| tunnels / regions.len() + usize::from(index < tunnels % regions.len());
        regions.iter().enumerate().map(|(index, region)| (region.to_string(), share(index))).collect()
    }

    pub(super) fn check(&self) -> Result<(), InvalidOptions> {
        if self.regions.is_empty() {
            return Err(InvalidOptions::NoRegion);
        }
        let mut seen = BTreeSet::new();
        if let Some((twice, _)) = self.regions.iter().find(|(region, _)| !seen.insert(region)) {
            return Err(InvalidOptions::RegionTwice(twice.clone()));
        }
        let tunnels = self.regions.iter().fold(0_usize, |sum, (_, tunnels)| sum.saturating_add(*tunnels));
        if tunnels > MOST_TUNNELS {
            return Err(InvalidOptions::TooManyTunnels(tunnels));
        }
        if !(self.speed.is_finite() && self.speed > 0.0 && self.speed <= 1e6) {
            return Err(InvalidOptions::Speed(self.speed));
        }
        if self.requests_per_second == 0 {
            return Err(InvalidOptions::NoRequests);
        }
        if self.max_instances == 0 {
            return Err(InvalidOptions::NoInstances);
        }
        if self.accounts == 0 || self.accounts > MOST_ACCOUNTS {
            return Err(InvalidOptions::Accounts(self.accounts));
        }
        let instance_role = self.instance_role.as_deref().map(instance_role);
        if let Some(role) = self.roles.iter().chain(&instance_role).find(|role| !role.is_well_formed()) {
            return Err(InvalidOptions::Role(role.arn()));
        }
        if let Some(lifetime) = self.token_lifetime.filter(|lifetime| lifetime.as_secs() == 0) {
            return Err(InvalidOptions::TokenLifetime(lifetime));
        }
        self.check_problems()?;
        self.check_faults(&self.faults).map_err(InvalidOptions::Fault)
    }

    /// The planned problems. `tunnels` is the number of tunnels of the gateway that gets the first one. There can be more
    /// problems of the demo than gateways.
    pub(super) fn planned_problems(&self, tunnels: usize) -> Vec<PlannedProblem> {
        let total: usize = self.regions.iter().map(|(_, tunnels)| tunnels).sum();
        let harmless = |planned: &PlannedProblem| !planned.problem.stops_traffic() || tunnels * 3 <= total;
        match &self.gateway_problems {
            Some(problems) => problems.clone(),
            None if self.frozen => vec![],
            None => DEMO_PROBLEMS.into_iter().filter(harmless).collect(),
        }
    }

    fn check_problems(&self) -> Result<(), InvalidOptions> {
        let gateways = self.regions.iter().map(|(_, tunnels)| gateway_count(*tunnels)).sum();
        match self.gateway_problems.as_ref().map_or(0, Vec::len) {
            problems if problems > gateways => Err(InvalidOptions::TooManyProblems { problems, gateways }),
            _ => Ok(()),
        }
    }

    /// The initial response of `DescribeRegions`: the simulated regions.
    pub(super) fn offered(&self) -> Vec<OfferedRegion> {
        let offered =
            |(region, _): &(String, usize)| OfferedRegion { region: region.clone(), available: true };
        self.regions.iter().map(offered).collect()
    }

    /// Checks that the faults are valid for these regions.
    pub(super) fn check_faults(&self, faults: &[Fault]) -> Result<(), InvalidFault> {
        let is_region = |name: &str| self.regions.iter().any(|(region, _)| region == name);
        let is_action = |name: &str| Action::is_offered(name) || MetadataRequest::is_known(name);
        faults.iter().try_for_each(|fault| fault.check(is_region, is_action))
    }
}

/// An invalid option, its value and the remedy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidOptions {
    /// There is no region.
    #[error("regions: none is given; name at least one, such as ap-guangzhou")]
    NoRegion,
    /// A region is named twice.
    #[error("regions: {0} is given twice; name it once")]
    RegionTwice(String),
    /// There are too many tunnels for the memory.
    #[error("tunnels: a total of {0} is too many; choose at most {MOST_TUNNELS}")]
    TooManyTunnels(usize),
    /// The speed is zero, negative, too large or not a number.
    #[error("speed: {0} is invalid; choose a value above 0 and at most 1000000, or use --frozen")]
    Speed(f64),
    /// The rate limit is 0, which refuses every request.
    #[error("requests_per_second: 0 refuses every request; choose at least 1 (Tencent allows 100)")]
    NoRequests,
    /// The maximum number of instances is 0, which refuses every request.
    #[error("max_instances: 0 refuses every request; choose at least 1 (Tencent allows 50 or 10)")]
    NoInstances,
    /// The number of accounts is 0 or too large.
    #[error("accounts: {0} is out of bounds; choose 1 to {MOST_ACCOUNTS}")]
    Accounts(usize),
    /// The role's account or name has invalid characters.
    #[error(
        "roles: {0:?} cannot be a role; write its account in digits, its name in letters, digits and +=,.@_-"
    )]
    Role(String),
    /// The lifetime is below one second, so credentials would expire immediately.
    #[error("token_lifetime: {0:?} is less than a second; choose at least 1 s")]
    TokenLifetime(Duration),
    /// There are more problems than gateways.
    #[error(
        "gateway_problems: {problems} are given, but the world has {gateways} gateways; give fewer, or more tunnels"
    )]
    TooManyProblems {
        /// The number of problems.
        problems: usize,
        /// The number of gateways.
        gateways: usize,
    },
    /// A fault is invalid.
    #[error(transparent)]
    Fault(InvalidFault),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FaultKind;

    fn region(name: &str) -> String {
        name.to_owned()
    }

    #[test]
    fn tunnels_are_spread_evenly() {
        let spread = Options::spread(8, &[region("a"), region("b"), region("c")]);
        assert_eq!(spread.iter().map(|(_, tunnels)| *tunnels).collect::<Vec<_>>(), [3, 3, 2]);
        assert!(Options::spread::<String>(8, &[]).is_empty());
    }

    #[test]
    fn invalid_options_are_reported() {
        let good = Options::default();
        assert_eq!(good.check(), Ok(()));
        let regions = |regions: &[(&str, usize)]| Options {
            regions: regions.iter().map(|(name, tunnels)| (region(name), *tunnels)).collect(),
            ..good.clone()
        };
        let table = [
            (regions(&[]), "regions: none is given"),
            (regions(&[("eu", 1), ("eu", 2)]), "regions: eu is given twice"),
            (regions(&[("eu", 1), ("ap", usize::MAX)]), "is too many; choose at most 100000"),
            (Options { speed: 0.0, ..good.clone() }, "speed: 0 is invalid"),
            (Options { speed: f64::NAN, ..good.clone() }, "speed: NaN is invalid"),
            (
                Options {
                    faults: vec![Fault { share: 2.0, ..Fault::new(FaultKind::Reset) }],
                    ..good.clone()
                },
                "faults: share 2 is",
            ),
            (Options { accounts: 0, ..good.clone() }, "accounts: 0 is out of bounds"),
            (
                Options { instance_role: Some("a b".into()), ..good.clone() },
                "roles: \"qcs::cam::uin/100000000001:roleName/a b\" cannot",
            ),
            (
                Options { token_lifetime: Some(Duration::ZERO), ..good.clone() },
                "token_lifetime: 0ns is less than a second",
            ),
            (
                Options { requests_per_second: 0, ..good.clone() },
                "requests_per_second: 0 refuses every request",
            ),
            (Options { max_instances: 0, ..good.clone() }, "max_instances: 0 refuses every request"),
            (
                Options { gateway_problems: Some(vec![DEMO_PROBLEMS[0]; 3]), ..regions(&[("eu", 11)]) },
                "gateway_problems: 3 are given, but the world has 2 gateways",
            ),
        ];
        for (options, expected) in table {
            let message = options.check().expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
