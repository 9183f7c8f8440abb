//! The simulated services and their clients.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use reqwest::Url;
use simulator::{self, Control, Options, Simulator, WebIdentity};
use tencentcloud_vpn_exporter::{
    domain::{
        credential_source::CredentialSource,
        endpoint::Endpoint,
        proxy::Proxy,
        role::Role,
        secret::Secret,
        target::{AccountName, Region},
        tunnel::Tunnel,
    },
    telemetry::{AccountTelemetry, BuildInfo, Telemetry},
    tencent::{
        account::{Account, AccountSettings},
        caller::{Caller, Rate, Signer},
        client::Client,
        credentials::{
            assumed_role::AssumedRole,
            cache::CredentialCache,
            default_chain::DefaultChain,
            environment::Environment,
            instance_role::InstanceRole,
            profile::Profile,
            source::{Credentials, Source},
            sts::Sts,
            workload_identity::WorkloadIdentity,
        },
        describe_vpn_connections::DescribeVpnConnections,
        error::ApiError,
        page::Page,
        transport::{Authorities, ConnectionSettings},
    },
};
use tokio::task::JoinHandle;

/// The region of the tests' tunnels.
pub(crate) const REGION: &str = "eu-frankfurt";
/// The account of the assumed role.
pub(crate) const OTHER_ACCOUNT: &str = "200000000002";
pub(crate) const ROLE_ARN: &str = "qcs::cam::uin/200000000002:roleName/reader";
pub(crate) const EXTERNAL_ID: &str = "SECRET-external-id";
pub(crate) const WEB_TOKEN: &str = "SECRET-web-token";

/// The time limit of a test, on a slow and busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn region() -> Region {
    Region::new(REGION).expect("a region")
}

/// One tunnel; a role of another account that needs its external id; a role of that account for pods; and a role of the
/// machine.
pub(crate) fn options() -> Options {
    let role = |name: &str, external_id: Option<&str>| simulator::Role {
        account: OTHER_ACCOUNT.to_owned(),
        name: name.to_owned(),
        external_id: external_id.map(str::to_owned),
    };
    Options {
        regions: vec![(region().to_string(), 1)],
        frozen: true,
        accounts: 2,
        roles: vec![role("reader", Some(EXTERNAL_ID)), role("open", None)],
        instance_role: Some("watcher".to_owned()),
        web_identity: Some(web_identity(WEB_TOKEN)),
        requests_per_second: 1_000_000,
        ..Options::default()
    }
}

pub(crate) fn web_identity(token: &str) -> WebIdentity {
    WebIdentity { provider_id: "tke".to_owned(), token: token.to_owned() }
}

pub(crate) fn account_name() -> AccountName {
    AccountName::new("production").expect("a name")
}

pub(crate) fn telemetry() -> AccountTelemetry {
    let build = BuildInfo { version: "0", revision: "0", rustc: "0" };
    Telemetry::new(&build).expect("metrics").account(&account_name())
}

/// Connection settings with the proxy of the environment, like the exporter.
fn connection() -> ConnectionSettings {
    let proxy = Proxy::from_variables(&std::env::vars().collect()).expect("variables of a proxy");
    ConnectionSettings { request_timeout: Duration::from_secs(5), ca_file: None, proxy }
}

/// The simulated services; they run until this is dropped.
pub(crate) struct RunningSimulator {
    pub(crate) control: Control,
    pub(crate) client: Client,
    pub(crate) caller: Arc<Caller>,
    pub(crate) url: Url,
    task: JoinHandle<()>,
}

impl RunningSimulator {
    pub(crate) async fn start(options: Options) -> Self {
        let address = "127.0.0.1:0".parse().expect("an address");
        let simulator = Simulator::bind(options, address).await.expect("a simulator");
        let url: Url = format!("http://{}", simulator.local_addr()).parse().expect("a URL");
        let client = Client::new(connection(), Duration::from_secs(5), Authorities::of_system());
        let client = client.expect("a client");
        let caller = caller(&client, url.as_str());
        let control = simulator.control();
        Self { control, client, caller, url, task: tokio::spawn(simulator.run(std::future::pending())) }
    }

    pub(crate) fn sts(&self) -> Sts {
        Sts { caller: Arc::clone(&self.caller), region: region() }
    }

    /// The service at another address.
    pub(crate) fn sts_at(&self, endpoint: &str) -> Sts {
        Sts { caller: caller(&self.client, endpoint), region: region() }
    }

    /// Environment variables with the key pair of an account.
    fn variables(&self, account: usize) -> BTreeMap<String, String> {
        let credentials = self.control.accounts()[account].credentials.clone();
        let variables = [
            ("TENCENTCLOUD_SECRET_ID", credentials.secret_id),
            ("TENCENTCLOUD_SECRET_KEY", credentials.secret_key),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).into()
    }

    pub(crate) fn environment(&self, account: usize) -> Environment {
        let variables = self.variables(account);
        Environment::new(|name| variables.get(name).cloned())
    }

    pub(crate) fn instance_role(&self) -> InstanceRole {
        InstanceRole::new(self.client.clone(), &self.url)
    }

    /// The other account's role, assumed with the first account's key pair.
    pub(crate) fn assumed(&self) -> AssumedRole {
        AssumedRole { inner: Box::new(self.environment(0)), role: role(), sts: self.sts() }
    }

    /// The API as called by the other account's role.
    pub(crate) fn account(&self) -> Account {
        self.account_with_rate(1e6)
    }

    /// The same with this limit on its requests per second.
    pub(crate) fn account_with_rate(&self, requests_per_second: f64) -> Account {
        let settings = AccountSettings {
            name: account_name(),
            endpoint: Endpoint::new(self.url.as_str()).expect("an endpoint"),
            metadata_endpoint: self.url.clone(),
            connection: connection(),
            rate: rate(requests_per_second),
            credentials: CredentialSource::Environment,
            assume_role: Some(role()),
        };
        Account::new(settings, &self.client, telemetry(), &self.variables(0))
    }

    /// A pod's identity, as a cluster configures it. `changes` overrides variables.
    pub(crate) fn workload_identity(&self, token_file: &str, changes: &[(&str, &str)]) -> WorkloadIdentity {
        let given = [
            ("TKE_REGION", REGION),
            ("TKE_PROVIDER_ID", "tke"),
            ("TKE_WEB_IDENTITY_TOKEN_FILE", token_file),
            ("TKE_ROLE_ARN", "qcs::cam::uin/200000000002:roleName/open"),
        ];
        let variable = |name: &str| {
            let mut known = changes.iter().chain(&given);
            known.find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        WorkloadIdentity::new(variable, self.sts())
    }

    /// A default chain in which only these sources are configured.
    pub(crate) fn default_chain(
        &self,
        environment: Option<usize>,
        profile: Option<&str>,
        token_file: Option<&str>,
    ) -> DefaultChain {
        let files = [profile.unwrap_or("/nowhere/credentials")];
        DefaultChain::new(
            match environment {
                Some(account) => self.environment(account),
                None => Environment::new(|_| None),
            },
            Profile::first_of(files, self.sts()),
            self.instance_role(),
            match token_file {
                Some(token_file) => self.workload_identity(token_file, &[]),
                None => WorkloadIdentity::new(|_| None, self.sts()),
            },
        )
    }

    /// Lists the tunnels with these credentials.
    pub(crate) async fn list(&self, credentials: &Credentials) -> Result<Page<Tunnel>, ApiError> {
        let action = DescribeVpnConnections::new(&[], 0, 100);
        self.caller.post_once(&action, &region(), Signer::Credentials(credentials)).await
    }

    /// Lists the tunnels with the source's credentials. Returns the account that the request was for.
    pub(crate) async fn account_of(&self, source: &impl Source) -> Result<String, String> {
        let loaded = source.load().await.map_err(|error| error.to_string())?;
        self.list(&loaded.credentials).await.map_err(|error| error.to_string())?;
        Ok(self.control.journal().last().expect("a request").account.clone())
    }

    /// The number of requests of this action.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.control.journal().iter().filter(|entry| entry.action == action).count()
    }
}

impl Drop for RunningSimulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn role() -> Role {
    Role { external_id: Some(Secret::new(EXTERNAL_ID)), ..Role::new(ROLE_ARN) }
}

/// The rate of an account that no other process uses.
pub(crate) fn rate(requests_per_second: f64) -> Rate {
    Rate { requests_per_second, shards: 1 }
}

fn caller(client: &Client, endpoint: &str) -> Arc<Caller> {
    let endpoint = Endpoint::new(endpoint).expect("an endpoint");
    Arc::new(Caller::new(account_name(), endpoint, client.clone(), rate(1e6), telemetry()))
}

pub(crate) fn cache(source: impl Source + 'static) -> CredentialCache {
    CredentialCache::new(account_name(), source, || 0.0, |_| {})
}

/// A folder with one file in it, and the path of that file.
pub(crate) fn file(content: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, content).expect("a file");
    let path = path.to_str().expect("a path in UTF-8").to_owned();
    (folder, path)
}
