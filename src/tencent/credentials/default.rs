//! `default`: the official SDK's chain, link by link.

use std::sync::OnceLock;

use futures_util::future::{BoxFuture, FutureExt};

use super::{Environment, InstanceRole, Loaded, Profile, Source, SourceError, WorkloadIdentity};

/// The first of four places where something is set up: environment, profile, instance role, workload identity.
///
/// A place where something is set up and does not work ends the search, and the place that has served once is the only
/// one that is asked from then on, as in the SDK. Another one may belong to another account, whose tunnels nobody wants
/// to see under this one's name because a service was out of reach for a moment.
#[derive(Debug)]
pub struct DefaultChain {
    environment: Environment,
    profile: Profile,
    instance_role: InstanceRole,
    workload_identity: WorkloadIdentity,
    /// The place that has served.
    served: OnceLock<usize>,
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
        Self { environment, profile, instance_role, workload_identity, served: OnceLock::new() }
    }

    fn links(&self) -> [&dyn Source; 4] {
        [&self.environment, &self.profile, &self.instance_role, &self.workload_identity]
    }

    async fn follow(&self) -> Result<Loaded, SourceError> {
        match self.served.get() {
            Some(&place) => self.links()[place].load().await.map_err(|error| {
                SourceError::Failed(format!("{error}; the default chain stays with this until a restart"))
            }),
            None => self.search().await,
        }
    }

    async fn search(&self) -> Result<Loaded, SourceError> {
        let mut lacks = Vec::new();
        for (place, link) in self.links().into_iter().enumerate() {
            match link.load().await {
                Err(SourceError::Absent(lack)) => lacks.push(format!("({}) {lack}", place + 1)),
                Err(failed) => return Err(failed),
                Ok(loaded) => {
                    self.served.get_or_init(|| place);
                    return Ok(loaded);
                }
            }
        }
        Err(SourceError::Absent(format!("none in the default chain: {}", lacks.join(", "))))
    }
}

impl Source for DefaultChain {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        self.follow().boxed()
    }
}
