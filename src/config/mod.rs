//! The configuration: an untyped value from file and environment, read into types that are valid once they exist.
//!
//! Every problem is reported at once, each with its key's path. It performs no call and opens no file but the
//! configuration itself.

pub mod problem;
pub mod walk;
pub mod yaml;

use std::{path::PathBuf, time::Duration};

use crate::domain::{AccountName, Region, Secret};

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

/// `api`: how the API is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// Where each service is found.
    pub endpoint: String,
    /// The metadata service, for the instance's role.
    pub metadata_endpoint: String,
    /// For one request, its answer's body included.
    pub request_timeout: Duration,
    /// A PEM file with more certificate authorities than the system's.
    pub ca_file: Option<PathBuf>,
    /// For each account, over all its regions; positive, not always whole.
    pub requests_per_second: f64,
}

/// `metrics`: what the metrics carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// `tag_labels`: the tunnel tags that become labels of `tunnel_info`, in the order given.
    pub tag_labels: Vec<TagLabel>,
}

/// A tunnel tag that becomes a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagLabel {
    /// The tag's key, as it is in Tencent Cloud.
    pub key: String,
    /// The label: `tag_` and the key, `_` in place of each character that Prometheus does not allow.
    pub label: String,
}

/// One entry of `accounts`.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// `name`.
    pub name: AccountName,
    /// `regions`.
    pub regions: Regions,
    /// `credentials`.
    pub credentials: CredentialSource,
    /// `assume_role`: the role to take on with those credentials.
    pub assume_role: Option<AssumeRole>,
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

/// `credentials`: where an account's credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// `static`: given here, or in files that are named here.
    Static {
        /// `secret_id` or `secret_id_file`.
        secret_id: SecretText,
        /// `secret_key` or `secret_key_file`.
        secret_key: SecretText,
    },
    /// `environment`: `TENCENTCLOUD_SECRET_ID`, `TENCENTCLOUD_SECRET_KEY`, and a token if there is one.
    Environment,
    /// `profile`: the INI file of Tencent's own tools.
    Profile,
    /// `instance_role`: the metadata service.
    InstanceRole,
    /// `workload_identity`: the pod's identity on TKE.
    WorkloadIdentity,
    /// `default`: the official SDK's chain.
    Default,
}

/// A secret that is written in the configuration, or the file that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretText {
    /// The secret itself.
    Value(Secret),
    /// A file whose content, without white space around it, is the secret.
    File(PathBuf),
}

/// `assume_role`: a role that is taken on by `sts:AssumeRole`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRole {
    /// `role_arn`, such as `qcs::cam::uin/100000000001:roleName/monitoring`.
    pub role_arn: String,
    /// `session_name`: 2 to 128 of `[\w+=,.@_-]`.
    pub session_name: String,
    /// `external_id`, if the role asks for one.
    pub external_id: Option<String>,
    /// `duration`: up to 12 hours.
    pub duration: Duration,
}

/// One of an account's `filters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// One of the five names of the API's document.
    pub name: String,
    /// 1 to 5 values.
    pub values: Vec<String>,
}
