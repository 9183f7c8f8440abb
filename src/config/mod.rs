//! The configuration: an untyped value from file and environment, parsed into types that are always valid.
//!
//! All problems are reported at once, each with its place and its key's path. It sends no requests, and reads only the
//! configuration file and `api.ca_file`.

mod accounts;
mod credentials;
pub(crate) mod duration;
pub mod load;
pub mod problem;
pub mod reader;
mod regions;
mod sections;
mod variables;
pub mod yaml;

use std::time::Duration;

use url::Url;

use crate::domain::{
    ca_file::CaFile,
    credential_source::CredentialSource,
    endpoint::Endpoint,
    filter::Filter,
    proxy::Proxy,
    role::Role,
    site::Site,
    tag_label::TagLabel,
    target::{AccountName, Region},
    traffic::{Period, TrafficMetric},
};

/// The whole configuration, from file and environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `poll`: when targets are polled.
    pub poll: PollConfig,
    /// `api`: how the API is called.
    pub api: ApiConfig,
    /// `metrics`: the content of the metrics.
    pub metrics: MetricsConfig,
    /// `gateways`: whether and when gateways are listed.
    pub gateways: GatewaysConfig,
    /// `traffic`: whether and when traffic is queried.
    pub traffic: TrafficConfig,
    /// `accounts`: at least one, with distinct names.
    pub accounts: Vec<AccountConfig>,
}

impl Config {
    /// The endpoint of an account: `api.endpoint`, or the endpoint of the account's site.
    #[must_use]
    pub fn endpoint(&self, account: &AccountConfig) -> Endpoint {
        self.api.endpoint.clone().unwrap_or_else(|| account.site.endpoint())
    }
}

/// `poll`: when targets are polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollConfig {
    /// The time from one poll of a target to the next.
    pub interval: Duration,
    /// The time limit of one poll of a target, with its retries.
    pub timeout: Duration,
    /// The time for which a target's last good tunnels stay published while its polls fail.
    pub stale_after: Duration,
}

impl Default for PollConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(45),
            stale_after: Duration::from_hours(1),
        }
    }
}

/// `api`: how the API is called.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiConfig {
    /// The endpoint for all accounts. `None`: the endpoint of each account's site.
    pub endpoint: Option<Endpoint>,
    /// The metadata service, for the instance's role: scheme, host and perhaps a port.
    pub metadata_endpoint: Url,
    /// The time limit of one request, with the body of its response.
    pub request_timeout: Duration,
    /// A PEM file with certificate authorities to trust in addition to the system's.
    pub ca_file: Option<CaFile>,
    /// The proxy of the environment, in `HTTPS_PROXY` or `ALL_PROXY`.
    pub proxy: Option<Proxy>,
    /// Requests a second of each account, over all its regions; from 0.01 to 100.
    pub requests_per_second: f64,
}

impl Default for ApiConfig {
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

/// `metrics`: the content of the metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// `tag_labels`: the tags that become labels of `tunnel_info` and `gateway_info`, in the order of the file.
    pub tag_labels: Vec<TagLabel>,
}

/// `gateways`: whether and when VPN gateways and customer gateways are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaysConfig {
    /// Whether they are listed.
    pub enabled: bool,
    /// The time from one listing of a target's gateways to the next.
    pub interval: Duration,
}

impl Default for GatewaysConfig {
    fn default() -> Self {
        Self { enabled: true, interval: Duration::from_mins(5) }
    }
}

/// `traffic`: whether and when the traffic of tunnels and gateways is queried from Cloud Monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficConfig {
    /// Whether it is queried.
    pub enabled: bool,
    /// `interval`: the period of the data, and the time from one query of a target to the next.
    pub period: Period,
    /// `metrics`: at least one, without duplicates.
    pub metrics: Vec<TrafficMetric>,
}

impl Default for TrafficConfig {
    fn default() -> Self {
        Self { enabled: false, period: Period::FiveMinutes, metrics: TrafficMetric::ALL.into() }
    }
}

/// One entry of `accounts`.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountConfig {
    /// `name`.
    pub name: AccountName,
    /// `site`: decides the API's hosts.
    pub site: Site,
    /// `regions`.
    pub regions: Regions,
    /// `credentials`.
    pub credentials: CredentialSource,
    /// `assume_role`: the role to assume with those credentials.
    pub assume_role: Option<Role>,
    /// `filters`: filters of the API that narrow the lists of tunnels and gateways.
    pub filters: Vec<Filter>,
}

/// The regions of an account that are polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Regions {
    /// `all`: the regions that `DescribeRegions` returns.
    All,
    /// These regions; at least one, without duplicates.
    Listed(Vec<Region>),
}
