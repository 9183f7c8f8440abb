//! The source of an account's credentials.

use super::secret::SecretText;

/// `credentials`: the source of an account's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// `static`: in the configuration, or in files that it names.
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
