//! `default`: the chain of sources that the official SDK uses.

use std::sync::OnceLock;

use futures_util::future::{BoxFuture, FutureExt};

use super::{
    environment::Environment,
    instance_role::InstanceRole,
    profile::Profile,
    source::{Loaded, Source, SourceError},
    workload_identity::WorkloadIdentity,
};

/// The first of four sources that is configured: environment, profile, instance role, workload identity.
///
/// As in the SDK, a configured source that fails ends the search, and after the first success only that source is loaded. The
/// others may belong to another account: its tunnels must not appear under this account's name because a service was
/// unreachable for a moment.
#[derive(Debug)]
pub struct DefaultChain {
    environment: Environment,
    profile: Profile,
    instance_role: InstanceRole,
    workload_identity: WorkloadIdentity,
    /// The index of the source that was found.
    found: OnceLock<usize>,
}

impl DefaultChain {
    /// The chain of these sources, in this order.
    #[must_use]
    pub fn new(
        environment: Environment,
        profile: Profile,
        instance_role: InstanceRole,
        workload_identity: WorkloadIdentity,
    ) -> Self {
        Self { environment, profile, instance_role, workload_identity, found: OnceLock::new() }
    }

    fn sources(&self) -> [&dyn Source; 4] {
        [&self.environment, &self.profile, &self.instance_role, &self.workload_identity]
    }

    async fn load_found(&self) -> Result<Loaded, SourceError> {
        match self.found.get() {
            Some(&index) => self.sources()[index].load().await.map_err(|error| {
                SourceError::Failed(format!(
                    "{error}; the default chain uses only this source until a restart"
                ))
            }),
            None => self.search().await,
        }
    }

    async fn search(&self) -> Result<Loaded, SourceError> {
        let mut absent = Vec::new();
        for (index, source) in self.sources().into_iter().enumerate() {
            match source.load().await {
                Err(SourceError::Absent(problem)) => absent.push(format!("({}) {problem}", index + 1)),
                Err(failed) => return Err(failed),
                Ok(loaded) => {
                    self.found.get_or_init(|| index);
                    return Ok(loaded);
                }
            }
        }
        Err(SourceError::Absent(format!("none in the default chain: {}", absent.join(", "))))
    }
}

impl Source for DefaultChain {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        self.load_found().boxed()
    }
}
