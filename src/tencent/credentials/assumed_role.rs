//! `assume_role`: assumes a role with the credentials of another source.

use futures_util::future::{BoxFuture, FutureExt};

use super::{
    source::{Loaded, Source, SourceError},
    sts::Sts,
};
use crate::domain::role::Role;

/// Assumes a role with the credentials of another source. Each load also loads that source.
#[derive(Debug)]
pub struct AssumedRole {
    /// The source of the credentials that assume the role.
    pub inner: Box<dyn Source>,
    /// The role.
    pub role: Role,
    /// Issues the credentials of the role.
    pub sts: Sts,
}

impl AssumedRole {
    async fn assume(&self) -> Result<Loaded, SourceError> {
        let own = self.inner.load().await?;
        self.sts.assume_role(&self.role, &own).await
    }
}

impl Source for AssumedRole {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        self.assume().boxed()
    }
}
