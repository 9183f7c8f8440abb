//! `assume_role`: a role that is taken on with the credentials of another source.

use futures_util::future::{BoxFuture, FutureExt};

use super::{Loaded, Source, SourceError};
use crate::{domain::Role, tencent::sts::Sts};

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
        self.sts.assume_role(&self.role, &inner).await
    }
}

impl Source for AssumeRole {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        self.assume().boxed()
    }
}
