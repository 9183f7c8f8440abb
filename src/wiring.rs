//! From the configuration to what is polled: clients, credentials and settings, kept over a reload where nothing about
//! them changed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use reqwest::Url;

use crate::{
    config::{self, Config, CredentialSource, Regions, SecretText},
    domain::{AccountName, Region, Target},
    poll::{AccountApi, Plan, Settings, TargetApi, limit::RateLimit},
    telemetry::Telemetry,
    tencent::{
        Client, Service,
        client::ClientError,
        credentials::{Environment, Fixed, Keyring, Place},
        vpn::Filter,
    },
};

/// The variables of the process' environment, taken once.
pub type Variables = BTreeMap<String, String>;

/// Everything that polls need, made from a configuration.
#[derive(Debug)]
pub struct Wiring {
    config: Config,
    client: Client,
    accounts: BTreeMap<AccountName, Account>,
}

#[derive(Debug)]
struct Account {
    api: Arc<AccountApi>,
    settings: HashMap<Region, Arc<Settings>>,
}

impl Wiring {
    /// Makes everything anew. Nothing is sent.
    pub fn new(config: Config, variables: &Variables, telemetry: &Telemetry) -> Result<Self, ClientError> {
        let client = client(&config.api)?;
        let mut wiring = Self { config, client, accounts: BTreeMap::new() };
        wiring.accounts = wiring.make_accounts(BTreeMap::new(), variables, telemetry);
        Ok(wiring)
    }

    /// What a new configuration makes of this. Accounts for which nothing changed are the very same ones as before.
    pub fn reloaded(
        &self,
        config: Config,
        variables: &Variables,
        telemetry: &Telemetry,
    ) -> Result<Self, ClientError> {
        let client = if config.api == self.config.api { self.client.clone() } else { client(&config.api)? };
        let sections_stay = config.api == self.config.api && config.poll == self.config.poll;
        let stays = |account: &config::Account| sections_stay && self.config.accounts.contains(account);
        let kept = config.accounts.iter().filter(|account| stays(account)).filter_map(|account| {
            let Account { api, settings } = self.accounts.get(&account.name)?;
            Some((account.name.clone(), Account { api: Arc::clone(api), settings: settings.clone() }))
        });
        let kept = kept.collect();
        let mut wiring = Self { config, client, accounts: BTreeMap::new() };
        wiring.accounts = wiring.make_accounts(kept, variables, telemetry);
        Ok(wiring)
    }

    /// The configuration that this was made from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The targets to poll, and how.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let targets = self.accounts.iter().flat_map(|(name, account)| {
            account.settings.iter().map(|(region, settings)| {
                let target = Target { account: name.clone(), region: region.clone() };
                (target, Arc::clone(settings))
            })
        });
        targets.collect()
    }

    fn make_accounts(
        &self,
        mut kept: BTreeMap<AccountName, Account>,
        variables: &Variables,
        telemetry: &Telemetry,
    ) -> BTreeMap<AccountName, Account> {
        let accounts = self.config.accounts.iter().map(|config| {
            let account = kept.remove(&config.name);
            (config.name.clone(), account.unwrap_or_else(|| self.make_account(config, variables, telemetry)))
        });
        accounts.collect()
    }

    fn make_account(
        &self,
        config: &config::Account,
        variables: &Variables,
        telemetry: &Telemetry,
    ) -> Account {
        let telemetry = telemetry.account(&config.name);
        let api = Arc::new(AccountApi {
            client: self.client.clone(),
            keyring: keyring(&config.credentials, variables),
            limit: RateLimit::new(self.config.api.requests_per_second, telemetry.throttle.clone()),
            telemetry,
        });
        let regions = match &config.regions {
            Regions::Listed(regions) => regions.as_slice(),
            Regions::All => &[],
        };
        let settings = regions.iter().map(|region| (region.clone(), self.settings(config, &api, region)));
        Account { settings: settings.collect(), api }
    }

    fn settings(&self, account: &config::Account, api: &Arc<AccountApi>, region: &Region) -> Arc<Settings> {
        let target = Target { account: account.name.clone(), region: region.clone() };
        let url = Url::parse(&self.config.api.endpoint.url(Service::VPC.name, region))
            .expect("an endpoint with a region filled in is a URL");
        let filters = account.filters.iter();
        Arc::new(Settings {
            api: TargetApi::new(Arc::clone(api), target, url),
            filters: filters
                .map(|filter| Filter { name: filter.name.clone(), values: filter.values.clone() })
                .collect(),
            interval: self.config.poll.interval,
            timeout: self.config.poll.timeout,
            stale_after: self.config.poll.stale_after,
        })
    }
}

fn client(api: &config::Api) -> Result<Client, ClientError> {
    Client::new(api.request_timeout, api.ca_file.clone())
}

fn keyring(source: &CredentialSource, variables: &Variables) -> Keyring {
    let variable = |name: &str| variables.get(name).cloned();
    match source {
        CredentialSource::Static { secret_id, secret_key } => {
            Keyring::new(Fixed { secret_id: place(secret_id), secret_key: place(secret_key) })
        }
        _ => Keyring::new(Environment::new(variable)),
    }
}

fn place(text: &SecretText) -> Place {
    match text {
        SecretText::Value(secret) => Place::Value(secret.clone()),
        SecretText::File(path) => Place::File(path.clone()),
    }
}
