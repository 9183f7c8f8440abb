//! `assume_role`: a role that is taken on with the credentials of another source.

use futures_util::future::{BoxFuture, FutureExt};

use super::{Loaded, Source, SourceError};
use crate::tencent::sts::{self, Role, Sts};

/// A role, on top of any source. That source is asked anew each time the role is taken on.
#[derive(Debug)]
pub struct AssumeRole {
    /// Whose credentials the role is taken on with.
    pub inner: Box<dyn Source>,
    /// The role.
    pub role: Role,
    /// Who gives out its credentials.
    pub sts: Sts,
}

impl AssumeRole {
    async fn assume(&self) -> Result<Loaded, SourceError> {
        let inner = self.inner.load().await?;
        take_on(&self.role, &inner, &self.sts).await
    }
}

impl Source for AssumeRole {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        self.assume().boxed()
    }
}

/// Takes on a role with these credentials.
pub(super) async fn take_on(role: &Role, own: &Loaded, sts: &Sts) -> Result<Loaded, SourceError> {
    let origin = format!("the role {} taken on by {}", role.arn, own.origin);
    let issued = sts.assume_role(role, &own.credentials).await.map_err(|error| {
        SourceError::Failed(format!("sts:{} of {origin}: {}", sts::ASSUME_ROLE, sts::explain(&error, sts)))
    })?;
    issued.value.loaded(origin, (sts.clock)(), issued.server_time)
}
