//! `workload_identity`: the identity of a pod on Tencent Kubernetes Engine that a role trusts.

use futures_util::future::{BoxFuture, FutureExt};

use super::{
    secret_file::SecretFile,
    source::{Loaded, Source, SourceError},
    sts::Sts,
};
use crate::domain::{role::Role, target::Region};

const REGION: &str = "TKE_REGION";
const PROVIDER_ID: &str = "TKE_PROVIDER_ID";
const TOKEN_FILE: &str = "TKE_WEB_IDENTITY_TOKEN_FILE";
const ROLE_ARN: &str = "TKE_ROLE_ARN";

/// `TKE_REGION`, `TKE_PROVIDER_ID`, `TKE_WEB_IDENTITY_TOKEN_FILE` and `TKE_ROLE_ARN`, which the cluster gives to its pods. The
/// token file is read on every load.
#[derive(Debug)]
pub struct WorkloadIdentity(Result<Identity, SourceError>);

#[derive(Debug)]
struct Identity {
    provider_id: String,
    token_file: SecretFile,
    role: Role,
    sts: Sts,
}

impl WorkloadIdentity {
    /// `variable` returns a variable by its name. `sts` is called in the pod's region instead of its own.
    #[must_use]
    pub fn new(variable: impl Fn(&str) -> Option<String>, sts: Sts) -> Self {
        let required = |name: &str| {
            let value = variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
            value.ok_or_else(|| {
                SourceError::Absent(format!(
                    "the environment variable {name} is not set; give the pod's service account a role"
                ))
            })
        };
        let region = || {
            let name = required(REGION)?;
            Region::new(&name)
                .map_err(|error| SourceError::Failed(format!("the environment variable {REGION} {error}")))
        };
        let identity = || {
            Ok(Identity {
                sts: Sts { region: region()?, ..sts },
                provider_id: required(PROVIDER_ID)?,
                token_file: SecretFile::new(required(TOKEN_FILE)?),
                role: Role::new(required(ROLE_ARN)?),
            })
        };
        Self(identity())
    }
}

impl Identity {
    async fn assume_role(&self) -> Result<Loaded, SourceError> {
        let Self { provider_id, token_file, role, sts } = self;
        let token = token_file.secret().await?;
        sts.assume_role_with_web_identity(role, provider_id, &token).await
    }
}

impl Source for WorkloadIdentity {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        async { self.0.as_ref().map_err(Clone::clone)?.assume_role().await }.boxed()
    }
}
