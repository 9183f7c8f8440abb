//! The configuration: an untyped value from file and environment, read into types that are valid once they exist.
//!
//! Every problem is reported at once, each with its key's path. It performs no call, and opens no file but the
//! configuration itself and `api.ca_file`.

mod accounts;
mod credentials;
pub(crate) mod duration;
mod load;
pub mod problem;
mod regions;
mod sections;
mod variables;
pub mod walk;
pub mod yaml;

use std::time::Duration;

pub use crate::domain::CredentialSource;
pub use load::Loaded;
pub use problem::{Problem, Problems};
use url::Url;

use crate::domain::{AccountName, CaFile, Endpoint, Proxy, Region, Role, Site, TagLabel};

/// Everything that the configuration file and the environment say.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `poll`: when targets are polled.
    pub poll: Poll,
    /// `api`: how the API is called.
    pub api: Api,
    /// `metrics`: what the metrics carry.
    pub metrics: Metrics,
    /// `accounts`: what is watched; at least one, each name once.
    pub accounts: Vec<Account>,
}

impl Config {
    /// Where an account's API is: `api.endpoint`, or else the endpoint of the account's site.
    #[must_use]
    pub fn endpoint(&self, account: &Account) -> Endpoint {
        self.api.endpoint.clone().unwrap_or_else(|| account.site.endpoint())
    }
}

/// `poll`: when targets are polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// From one poll of a target to its next.
    pub interval: Duration,
    /// For one poll of one target, retries included.
    pub timeout: Duration,
    /// How long a target's last good tunnels stay published while its polls fail.
    pub stale_after: Duration,
}

impl Default for Poll {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(45),
            stale_after: Duration::from_secs(300),
        }
    }
}

/// `api`: how the API is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// Where each service is found, for all accounts. `None`: each account's site decides.
    pub endpoint: Option<Endpoint>,
    /// The metadata service, for the instance's role: scheme and host, maybe a port.
    pub metadata_endpoint: Url,
    /// For one request, its answer's body included.
    pub request_timeout: Duration,
    /// A PEM file with more certificate authorities than the system's.
    pub ca_file: Option<CaFile>,
    /// The proxy of the environment, in `HTTPS_PROXY` or `ALL_PROXY`.
    pub proxy: Option<Proxy>,
    /// For each account, over all its regions; from 0.01 to 100, not always whole.
    pub requests_per_second: f64,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            endpoint: None,
            metadata_endpoint: Url::parse("http://metadata.tencentyun.com").expect("this is a URL"),
            request_timeout: Duration::from_secs(10),
            ca_file: None,
            proxy: None,
            requests_per_second: 20.0,
        }
    }
}

/// `metrics`: what the metrics carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// `tag_labels`: the tunnel tags that become labels of `tunnel_info`, in the order given.
    pub tag_labels: Vec<TagLabel>,
}

/// One entry of `accounts`.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// `name`.
    pub name: AccountName,
    /// `site`: whose API hosts know the account.
    pub site: Site,
    /// `regions`.
    pub regions: Regions,
    /// `credentials`.
    pub credentials: CredentialSource,
    /// `assume_role`: the role to take on with those credentials.
    pub assume_role: Option<Role>,
    /// `filters`: as in the API, narrowing what is watched.
    pub filters: Vec<Filter>,
}

/// Which regions of an account are polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Regions {
    /// `all`: those that `DescribeRegions` names.
    All,
    /// These; at least one, each once.
    Listed(Vec<Region>),
}

/// One of an account's `filters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// One of the five names of the API's document.
    pub name: String,
    /// 1 to 5 values.
    pub values: Vec<String>,
}
