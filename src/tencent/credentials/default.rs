//! `default`: the official SDK's chain, link by link.

use futures_util::future::{BoxFuture, FutureExt};

use super::{Environment, InstanceRole, Loaded, Profile, Source, SourceError, WorkloadIdentity};

/// The first of four places where something is set up: environment, profile, instance role, workload identity. It is
/// looked for anew at each load.
///
/// A place where something is set up and does not work ends the search. Whatever comes after it may belong to another
/// account, whose tunnels nobody wants to see under this one's name.
#[derive(Debug)]
pub struct DefaultChain {
    /// The first link.
    pub environment: Environment,
    /// The second link.
    pub profile: Profile,
    /// The third link.
    pub instance_role: InstanceRole,
    /// The last link.
    pub workload_identity: WorkloadIdentity,
}

impl DefaultChain {
    async fn search(&self) -> Result<Loaded, SourceError> {
        let links: [&dyn Source; 4] =
            [&self.environment, &self.profile, &self.instance_role, &self.workload_identity];
        let mut lacks = Vec::with_capacity(links.len());
        for link in links {
            match link.load().await {
                Err(SourceError::Absent(lack)) => lacks.push(lack),
                other => return other,
            }
        }
        let lacks: Vec<_> = (1..).zip(lacks).map(|(place, lack)| format!("({place}) {lack}")).collect();
        Err(SourceError::Absent(format!("none in the default chain: {}", lacks.join(", "))))
    }
}

impl Source for DefaultChain {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        self.search().boxed()
    }
}
