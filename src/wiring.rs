//! From the configuration to what is polled: clients, credentials and settings, kept over a reload where nothing about
//! them changed.

mod keyring;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use crate::{
    config::{self, Config, Regions},
    domain::{AccountName, Region, Shard, Target},
    poll::{AccountApi, Plan, Settings, TargetApi, limit::RateLimit},
    telemetry::Telemetry,
    tencent::{
        Client, Service,
        regions::{AvailableRegions, RegionChange, RegionList},
        transport::{Authorities, ClientError, ConnectionSettings},
        vpn::Filter,
    },
};

/// The variables of the process' environment, taken once.
pub type Variables = BTreeMap<String, String>;

/// What wiring is made with beside the configuration; the same over all reloads.
#[derive(Clone)]
pub struct Surroundings {
    /// The process' environment.
    pub variables: Variables,
    /// The exporter's own metrics.
    pub telemetry: Telemetry,
    /// Which share of the targets this process polls.
    pub shard: Shard,
}

impl fmt::Debug for Surroundings {
    /// Variables may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("shard", &self.shard).finish_non_exhaustive()
    }
}

/// Everything that polls need, made from a configuration.
#[derive(Debug)]
pub struct Wiring {
    config: Config,
    surroundings: Surroundings,
    authorities: Authorities,
    client: Client,
    accounts: BTreeMap<AccountName, Account>,
}

#[derive(Debug, Clone)]
struct Account {
    api: Arc<AccountApi>,
    regions: AccountRegions,
    settings: HashMap<Region, Arc<Settings>>,
}

#[derive(Debug, Clone)]
enum AccountRegions {
    Listed(Vec<Region>),
    Discovered {
        api: Arc<TargetApi>,
        list: RegionList,
        /// Regions that answered that they have no VPN; they are left alone until the next look-up.
        unsupported: BTreeSet<Region>,
    },
}

impl Wiring {
    /// Makes everything anew. Nothing is sent.
    pub fn new(
        config: Config,
        surroundings: Surroundings,
        authorities: Authorities,
    ) -> Result<Self, ClientError> {
        surroundings.telemetry.set_shard(surroundings.shard);
        let client = client(&config, authorities.clone())?;
        let accounts = BTreeMap::new();
        let wiring = Self { config, surroundings, authorities, client, accounts };
        Ok(wiring.with_accounts(|wiring, account| wiring.account(account, None, None)))
    }

    /// What a new configuration makes of this. Accounts for which nothing changed are the very same ones as before; of the
    /// others, those that call as before keep their credentials and their rate limit, and those whose regions are
    /// discovered keep the ones they have. All connections are made anew, and trust these authorities.
    pub fn reloaded(&self, config: Config, authorities: Authorities) -> Result<Self, ClientError> {
        let api_stays = config.api == self.config.api;
        let poll_stays = config.poll == self.config.poll && config.metrics == self.config.metrics;
        let client = if api_stays {
            self.client.renew(authorities.clone(), connect_timeout(&config))?;
            self.client.clone()
        } else {
            client(&config, authorities.clone())?
        };
        let surroundings = self.surroundings.clone();
        let wiring = Self { config, surroundings, authorities, client, accounts: BTreeMap::new() };
        Ok(wiring.with_accounts(|wiring, account| {
            let configured = self.config.accounts.iter().find(|before| before.name == account.name);
            let Some((configured, before)) = configured.zip(self.accounts.get(&account.name)) else {
                return wiring.account(account, None, None);
            };
            if api_stays && poll_stays && configured == account {
                return before.clone();
            }
            let caller_stays = configured.site == account.site
                && configured.credentials == account.credentials
                && configured.assume_role == account.assume_role;
            let api = (api_stays && caller_stays).then(|| Arc::clone(&before.api));
            wiring.account(account, api, Some(&before.regions))
        }))
    }

    /// The configuration that this was made from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The targets that this process is to poll, and how.
    #[must_use]
    pub fn plan(&mut self) -> Plan {
        let Self { config, surroundings, accounts, .. } = self;
        let mut plan = Plan::new();
        for account in &config.accounts {
            let wired = accounts.get_mut(&account.name).expect("every configured account is wired");
            for region in wired.regions.polled() {
                let target = Target { account: account.name.clone(), region };
                if surroundings.shard.owns(&target) {
                    let settings = wired
                        .settings
                        .entry(target.region.clone())
                        .or_insert_with(|| settings(config, account, &wired.api, &target));
                    plan.insert(target, Arc::clone(settings));
                }
            }
        }
        plan
    }

    /// The accounts whose regions are looked up, and what to call for it.
    #[must_use]
    pub fn discoveries(&self) -> BTreeMap<AccountName, Arc<TargetApi>> {
        let looked_up = self.accounts.iter().filter_map(|(name, account)| match &account.regions {
            AccountRegions::Listed(_) => None,
            AccountRegions::Discovered { api, .. } => Some((name.clone(), Arc::clone(api))),
        });
        looked_up.collect()
    }

    /// A copy with this account alone, at its other site. The error says why the HTTP client cannot be created.
    pub fn at_other_site(&self, account: &config::Account) -> Result<Self, ClientError> {
        let accounts = vec![config::Account { site: account.site.other(), ..account.clone() }];
        let config = Config { accounts, ..self.config.clone() };
        let surroundings = Surroundings { shard: Shard::SOLE, ..self.surroundings.clone() };
        Self::new(config, surroundings, self.authorities.clone())
    }

    /// The names of all accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountName> {
        self.accounts.keys()
    }

    /// Takes in what a look-up found. Regions that were set aside are tried again.
    pub fn discovered(&mut self, account: &AccountName, found: &AvailableRegions) -> RegionChange {
        match self.accounts.get_mut(account).map(|account| &mut account.regions) {
            Some(AccountRegions::Discovered { list, unsupported, .. }) => {
                unsupported.clear();
                list.update(found)
            }
            // A look-up that ended after its account was configured otherwise.
            Some(AccountRegions::Listed(_)) | None => RegionChange::default(),
        }
    }

    /// Sets a region aside that was discovered and has no VPN; false for one that the user named, which is polled on.
    pub fn set_aside(&mut self, target: &Target) -> bool {
        match self.accounts.get_mut(&target.account).map(|account| &mut account.regions) {
            Some(AccountRegions::Discovered { unsupported, .. }) => unsupported.insert(target.region.clone()),
            Some(AccountRegions::Listed(_)) | None => false,
        }
    }

    fn with_accounts(mut self, account: impl Fn(&Self, &config::Account) -> Account) -> Self {
        let accounts = self.config.accounts.iter();
        self.accounts = accounts.map(|config| (config.name.clone(), account(&self, config))).collect();
        self
    }

    /// An account with what it keeps of its past, if it has one.
    fn account(
        &self,
        config: &config::Account,
        api: Option<Arc<AccountApi>>,
        regions: Option<&AccountRegions>,
    ) -> Account {
        let api = api.unwrap_or_else(|| self.account_api(config));
        let regions = match &config.regions {
            Regions::Listed(regions) => AccountRegions::Listed(regions.clone()),
            Regions::All => self.discovery(config, &api, regions),
        };
        Account { api, regions, settings: HashMap::new() }
    }

    fn account_api(&self, config: &config::Account) -> Arc<AccountApi> {
        let telemetry = self.surroundings.telemetry.account(&config.name);
        let rate = self.config.api.requests_per_second / f64::from(self.surroundings.shard.count());
        let limit = Arc::new(RateLimit::new(rate, telemetry.throttle.clone()));
        let sources = keyring::Sources {
            metadata_endpoint: &self.config.api.metadata_endpoint,
            endpoint: self.config.endpoint(config),
            client: &self.client,
            variables: &self.surroundings.variables,
            limit: &limit,
            telemetry: &telemetry,
        };
        let keyring = sources.keyring(config);
        Arc::new(AccountApi { client: self.client.clone(), keyring, limit, telemetry })
    }

    fn discovery(
        &self,
        config: &config::Account,
        api: &Arc<AccountApi>,
        before: Option<&AccountRegions>,
    ) -> AccountRegions {
        let region = Region::new(keyring::HOME_REGION).expect("this is the name of a region");
        let url = self.config.endpoint(config).url(Service::REGION.name, &region);
        let api = TargetApi::new(Arc::clone(api), Target { account: config.name.clone(), region }, url);
        let (list, unsupported) = match before {
            Some(AccountRegions::Discovered { list, unsupported, .. }) => (list.clone(), unsupported.clone()),
            Some(AccountRegions::Listed(_)) | None => Default::default(),
        };
        AccountRegions::Discovered { api: Arc::new(api), list, unsupported }
    }
}

impl AccountRegions {
    fn polled(&self) -> Vec<Region> {
        match self {
            Self::Listed(regions) => regions.clone(),
            Self::Discovered { list, unsupported, .. } => {
                list.regions().filter(|region| !unsupported.contains(region)).cloned().collect()
            }
        }
    }
}

fn settings(
    config: &Config,
    account: &config::Account,
    api: &Arc<AccountApi>,
    target: &Target,
) -> Arc<Settings> {
    let filters = account.filters.iter();
    let url = config.endpoint(account).url(Service::VPC.name, &target.region);
    Arc::new(Settings {
        api: TargetApi::new(Arc::clone(api), target.clone(), url),
        filters: filters
            .map(|filter| Filter { name: filter.name.clone(), values: filter.values.clone() })
            .collect(),
        interval: config.poll.interval,
        timeout: config.poll.timeout,
        stale_after: config.poll.stale_after,
        discovered: account.regions == Regions::All,
        tag_labels: config.metrics.tag_labels.clone(),
    })
}

/// The longest time to connect, name resolution included. A resolver asks its second name server after 5 seconds.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(7);

/// Seven tenths of the time that a request may take, so that the request itself has time after a slow connect.
fn connect_timeout(Config { api, poll, .. }: &Config) -> Duration {
    (api.request_timeout.min(poll.timeout) * 7 / 10).min(MAX_CONNECT_TIMEOUT)
}

fn client(config: &Config, authorities: Authorities) -> Result<Client, ClientError> {
    let api = &config.api;
    let settings = ConnectionSettings {
        request_timeout: api.request_timeout,
        connect_timeout: connect_timeout(config),
        ca_file: api.ca_file.clone(),
        proxy: api.proxy.clone(),
    };
    Client::new(settings, authorities)
}
