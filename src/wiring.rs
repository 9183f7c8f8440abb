//! Builds accounts, targets and poll settings from the configuration.
//!
//! Accounts are kept over a reload if their settings are equal. It must not depend on when polls happen.

pub mod region_list;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use self::region_list::{RegionChange, RegionList};
use crate::{
    config::{self, Config, Regions},
    domain::{
        shard::Shard,
        target::{AccountName, Region, Target},
        traffic::{TrafficSettings, TunnelInstance},
    },
    poll::{
        fleet::Plan,
        poller::{Assignment, Settings},
    },
    telemetry::Telemetry,
    tencent::{
        account::{Account, AccountSettings},
        caller::Rate,
        client::Client,
        describe_customer_gateways::DescribeCustomerGateways,
        describe_vpn_connections::DescribeVpnConnections,
        describe_vpn_gateways::DescribeVpnGateways,
        get_monitor_data::{self, GetMonitorData},
        transport::{Authorities, ClientError, ConnectionSettings},
    },
};

/// The longest time to connect, name resolution included. A resolver asks its second name server after 5 seconds.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(7);

/// The environment variables of the process.
pub type Variables = BTreeMap<String, String>;

/// What is needed in addition to the configuration. Reloads do not change it.
#[derive(Clone)]
pub struct Context {
    /// The environment of the process.
    pub variables: Variables,
    /// The exporter's own metrics.
    pub telemetry: Telemetry,
    /// Which share of the targets this process polls.
    pub shard: Shard,
}

impl fmt::Debug for Context {
    /// Variables may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("shard", &self.shard).finish_non_exhaustive()
    }
}

/// Everything that polls need, made from a configuration.
#[derive(Debug)]
pub struct Wiring {
    config: Config,
    context: Context,
    authorities: Authorities,
    client: Client,
    accounts: BTreeMap<AccountName, WiredAccount>,
}

#[derive(Debug)]
struct WiredAccount {
    account: Arc<Account>,
    /// `None` where the configuration lists the regions.
    discovered: Option<DiscoveredRegions>,
}

#[derive(Debug, Clone, Default)]
struct DiscoveredRegions {
    list: RegionList,
    /// Regions without VPN. They are not polled until the next discovery.
    excluded: BTreeSet<Region>,
}

impl Wiring {
    /// Prepares everything. Nothing is sent. This must run within a Tokio runtime.
    pub fn new(config: Config, context: Context, authorities: Authorities) -> Result<Self, ClientError> {
        context.telemetry.set_shard(context.shard);
        let client = Client::new(connection(&config), connect_timeout(&config), authorities.clone())?;
        Ok(Self::with_accounts(config, context, authorities, client, &BTreeMap::new()))
    }

    /// The wiring for a new configuration. Accounts with equal settings keep their credentials and their rate limit. All
    /// connections are replaced, and trust these authorities.
    pub fn reloaded(&self, config: Config, authorities: Authorities) -> Result<Self, ClientError> {
        let (connection_before, connection) = (connection(&self.config), connection(&config));
        let client = if connection == connection_before {
            self.client.replace_connections(authorities.clone(), connect_timeout(&config))?;
            self.client.clone()
        } else {
            Client::new(connection, connect_timeout(&config), authorities.clone())?
        };
        Ok(Self::with_accounts(config, self.context.clone(), authorities, client, &self.accounts))
    }

    fn with_accounts(
        config: Config,
        context: Context,
        authorities: Authorities,
        client: Client,
        before: &BTreeMap<AccountName, WiredAccount>,
    ) -> Self {
        let wired = |account: &config::AccountConfig| {
            let settings = account_settings(&config, &context, account);
            let before = before.get(&account.name);
            let same = before.filter(|before| *before.account.settings() == settings);
            let discovered = || before.and_then(|before| before.discovered.clone()).unwrap_or_default();
            let kept_or_new = match same {
                Some(same) => Arc::clone(&same.account),
                None => new_account(settings, &context, &client),
            };
            start_counters(&kept_or_new, &config);
            WiredAccount {
                account: kept_or_new,
                discovered: (account.regions == Regions::All).then(discovered),
            }
        };
        let accounts = config.accounts.iter().map(|account| (account.name.clone(), wired(account))).collect();
        Self { config, context, authorities, client, accounts }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The targets of this process, each with its account and settings.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let mut plan = Plan::new();
        for config in &self.config.accounts {
            let wired = &self.accounts[&config.name];
            let settings = poll_settings(&self.config, config);
            for region in wired.regions(config) {
                let target = Target { account: config.name.clone(), region };
                if self.context.shard.owns(&target) {
                    let (account, settings) = (Arc::clone(&wired.account), settings.clone());
                    plan.insert(target, Assignment { account, settings });
                }
            }
        }
        plan
    }

    /// The accounts whose regions are discovered.
    #[must_use]
    pub fn discoveries(&self) -> BTreeMap<AccountName, Arc<Account>> {
        let discovered = self.accounts.iter().filter(|(_, wired)| wired.discovered.is_some());
        discovered.map(|(name, wired)| (name.clone(), Arc::clone(&wired.account))).collect()
    }

    /// The wiring of this account alone, at its other site.
    pub fn at_other_site(&self, account: &config::AccountConfig) -> Result<Self, ClientError> {
        let accounts = vec![config::AccountConfig { site: account.site.other(), ..account.clone() }];
        let config = Config { accounts, ..self.config.clone() };
        let context = Context { shard: Shard::SOLE, ..self.context.clone() };
        Self::new(config, context, self.authorities.clone())
    }

    /// Which share of the targets this process polls.
    #[must_use]
    pub fn shard(&self) -> Shard {
        self.context.shard
    }

    /// The names of all accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountName> {
        self.accounts.keys()
    }

    /// Applies the regions that a discovery found. Excluded regions are polled again.
    pub fn apply_discovery(&mut self, account: &AccountName, found: &BTreeSet<Region>) -> RegionChange {
        match self.discovered(account) {
            Some(discovered) => {
                discovered.excluded.clear();
                discovered.list.update(found)
            }
            None => RegionChange::default(),
        }
    }

    /// Excludes a discovered region that has no VPN. Returns false for a region that is configured by name, which is still
    /// polled, and for one that is excluded already.
    pub fn exclude(&mut self, target: &Target) -> bool {
        let discovered = self.discovered(&target.account);
        discovered.is_some_and(|discovered| discovered.excluded.insert(target.region.clone()))
    }

    /// The discovered regions of an account whose regions are `all`.
    fn discovered(&mut self, name: &AccountName) -> Option<&mut DiscoveredRegions> {
        self.accounts.get_mut(name)?.discovered.as_mut()
    }
}

impl WiredAccount {
    fn regions(&self, config: &config::AccountConfig) -> Vec<Region> {
        let discovered = |DiscoveredRegions { list, excluded }: &DiscoveredRegions| {
            list.regions().filter(|region| !excluded.contains(region)).cloned().collect()
        };
        match &config.regions {
            Regions::Listed(regions) => regions.clone(),
            Regions::All => self.discovered.as_ref().map(discovered).unwrap_or_default(),
        }
    }
}

fn account_settings(config: &Config, context: &Context, account: &config::AccountConfig) -> AccountSettings {
    AccountSettings {
        name: account.name.clone(),
        endpoint: config.endpoint(account),
        metadata_endpoint: config.api.metadata_endpoint.clone(),
        connection: connection(config),
        rate: Rate { requests_per_second: config.api.requests_per_second, shards: context.shard.count() },
        credentials: account.credentials.clone(),
        assume_role: account.assume_role.clone(),
    }
}

fn new_account(settings: AccountSettings, context: &Context, client: &Client) -> Arc<Account> {
    let telemetry = context.telemetry.account(&settings.name);
    Arc::new(Account::new(settings, client, telemetry, &context.variables))
}

/// Starts the counters of the actions that the configuration enables at zero.
fn start_counters(account: &Account, config: &Config) {
    account.count_from_zero::<DescribeVpnConnections<'_>>();
    if config.gateways.enabled {
        account.count_from_zero::<DescribeVpnGateways<'_>>();
        account.count_from_zero::<DescribeCustomerGateways<'_>>();
    }
    if config.traffic.enabled {
        account.count_from_zero::<GetMonitorData<'_, TunnelInstance>>();
    }
}

fn poll_settings(config: &Config, account: &config::AccountConfig) -> Settings {
    Settings {
        filters: account.filters.clone(),
        interval: config.poll.interval,
        timeout: config.poll.timeout,
        stale_after: config.poll.stale_after,
        discovered: account.regions == Regions::All,
        tag_labels: config.metrics.tag_labels.clone(),
        gateways_interval: config.gateways.enabled.then_some(config.gateways.interval),
        traffic: config.traffic.enabled.then(|| traffic_settings(config, account)),
    }
}

/// How the traffic of an account is queried, if traffic is enabled.
#[must_use]
pub fn traffic_settings(config: &Config, account: &config::AccountConfig) -> TrafficSettings {
    TrafficSettings {
        period: config.traffic.period,
        metrics: config.traffic.metrics.clone(),
        instances_per_request: get_monitor_data::instances_per_request(account.site),
    }
}

fn connection(config: &Config) -> ConnectionSettings {
    ConnectionSettings {
        request_timeout: config.api.request_timeout,
        ca_file: config.api.ca_file.clone(),
        proxy: config.api.proxy.clone(),
    }
}

/// Seven tenths of the time that a request may take, so that the request itself has time after a slow connect.
fn connect_timeout(Config { api, poll, .. }: &Config) -> Duration {
    (api.request_timeout.min(poll.timeout) * 7 / 10).min(MAX_CONNECT_TIMEOUT)
}
