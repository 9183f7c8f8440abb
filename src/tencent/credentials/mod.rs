//! Where credentials come from: one interface, one small file a source, and the [`Keyring`] that signers ask.
//!
//! Sources only load. When they are asked, how often, and for how long what they gave is used is the keyring's business.
//! Variables, files, clock and chance are passed in; metrics and the configuration are unknown here.

mod assume_role;
mod default;
mod environment;
mod fixed;
mod instance_role;
mod issued;
mod keyring;
mod profile;
mod secret_file;
mod workload_identity;

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use jiff::Timestamp;

pub use assume_role::AssumeRole;
pub use default::DefaultChain;
pub use environment::Environment;
pub use fixed::Fixed;
pub use instance_role::InstanceRole;
pub(super) use issued::{Issued, IssuedFields};
pub use keyring::Keyring;
pub use profile::Profile;
pub use workload_identity::WorkloadIdentity;

use crate::domain::Secret;

/// A key pair, and the token that goes with it where it is temporary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `SecretId`: the public half, kept out of sight all the same.
    pub secret_id: Secret,
    /// `SecretKey`.
    pub secret_key: Secret,
    /// `X-TC-Token`; temporary credentials have one.
    pub token: Option<Secret>,
}

impl Credentials {
    /// What of it nobody may see: the id too, in whose place people have put the key.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        [Some(&self.secret_id), Some(&self.secret_key), self.token.as_ref()].into_iter().flatten()
    }
}

/// What a source gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What to sign with.
    pub credentials: Credentials,
    /// Where it comes from, in words for the log.
    pub origin: String,
    /// When it ends, if that is known; temporary credentials tell.
    pub expiry: Option<Expiry>,
}

/// The end of temporary credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// By the clock of the server that issued them.
    pub time: Timestamp,
    /// How long that was away when they came, whatever our own clock says.
    pub remaining: Duration,
}

/// Why a source gave no credentials; in words that name the place and the remedy, and no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Nothing is set up there: the default chain goes on to its next link.
    #[error("{0}")]
    Absent(String),
    /// What is set up there lacks a permission.
    #[error("{problem}")]
    Refused {
        /// Such as `sts:AssumeRole`.
        permission: String,
        /// In words.
        problem: String,
    },
    /// The API does not know the key. The key may belong to the other site.
    #[error("{0}")]
    UnknownKey(String),
    /// What is set up there does not work. The default chain ends here: credentials of someone else are no substitute.
    #[error("{0}")]
    Failed(String),
}

/// A place that credentials come from.
///
/// Sources are put together from what the configuration says, here the default chain, and a role on top of it:
///
/// ```no_run
/// # use std::sync::Arc;
/// # use jiff::Timestamp;
/// # use url::Url;
/// # use tencentcloud_vpn_exporter::{
/// #     domain::{AccountName, Region, Role},
/// #     tencent::{Client, credentials::*, sts::{Meter, Sts}},
/// # };
/// # fn keyring(
/// #     account: AccountName, client: Client, sts_url: Url, metadata_url: Url, region: Region, meter: Arc<dyn Meter>,
/// #     variable: impl Fn(&str) -> Option<String>,
/// # ) -> Keyring {
/// let sts = Sts { client: client.clone(), url: sts_url, region, clock: Timestamp::now, meter };
/// let chain = DefaultChain::new(
///     Environment::new(&variable),
///     Profile::new(&variable, sts.clone()),
///     InstanceRole::new(client, &metadata_url, Timestamp::now),
///     WorkloadIdentity::new(&variable, sts.clone()),
/// );
/// let role = Role::new("qcs::cam::uin/100000000001:roleName/monitoring");
/// let source = AssumeRole { inner: Box::new(chain), role, sts };
/// Keyring::new(account, source, fastrand::f64, |expiry| println!("they end at {expiry:?}"))
/// # }
/// ```
pub trait Source: fmt::Debug + Send + Sync {
    /// Reads them anew.
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>>;
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        (**self).load()
    }
}
