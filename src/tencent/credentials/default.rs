//! `default`: the official SDK's chain, link by link.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, FutureExt};

use super::{Environment, InstanceRole, Loaded, Profile, Source, SourceError, WorkloadIdentity};

/// The first of four places where something is set up: environment, profile, instance role, workload identity.
///
/// A place where something is set up and does not work ends the search, and so does one that has served and has nothing
/// any more. What comes after it may belong to another account, whose tunnels nobody wants to see under this one's name.
#[derive(Debug)]
pub struct DefaultChain {
    environment: Environment,
    profile: Profile,
    instance_role: InstanceRole,
    workload_identity: WorkloadIdentity,
    /// The place of the link that served last; beyond the chain if none has.
    served: AtomicUsize,
}

impl DefaultChain {
    /// The chain of these links, in this order.
    #[must_use]
    pub fn new(
        environment: Environment,
        profile: Profile,
        instance_role: InstanceRole,
        workload_identity: WorkloadIdentity,
    ) -> Self {
        Self { environment, profile, instance_role, workload_identity, served: AtomicUsize::new(usize::MAX) }
    }

    async fn search(&self) -> Result<Loaded, SourceError> {
        let links: [&dyn Source; 4] =
            [&self.environment, &self.profile, &self.instance_role, &self.workload_identity];
        let mut lacks = Vec::with_capacity(links.len());
        for (place, link) in links.into_iter().enumerate() {
            match link.load().await {
                Err(SourceError::Absent(lack)) if place == self.served.load(Ordering::Relaxed) => {
                    return Err(SourceError::Failed(format!(
                        "{lack}; it served before, so the default chain is followed no further until a restart"
                    )));
                }
                Err(SourceError::Absent(lack)) => lacks.push(format!("({}) {lack}", place + 1)),
                Err(failed) => return Err(failed),
                Ok(loaded) => {
                    self.served.store(place, Ordering::Relaxed);
                    return Ok(loaded);
                }
            }
        }
        Err(SourceError::Absent(format!("none in the default chain: {}", lacks.join(", "))))
    }
}

impl Source for DefaultChain {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        self.search().boxed()
    }
}
