//! `DeleteVpnConnection`: its parameters, and the meaning of its errors.
//!
//! Source: the document of `DeleteVpnConnection`, version 2017-03-12, of 2025-11-13. Only the command line uses this; the
//! daemon never deletes.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    action::{Action, Service},
    error::{ApiError, NOT_FOUND},
};
use crate::domain::reason::Reason;

/// Begins to delete one tunnel, which is `DELETING` for a while and then gone.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteVpnConnection<'a> {
    /// `VpnGatewayId`.
    pub vpn_gateway_id: &'a str,
    /// `VpnConnectionId`.
    pub vpn_connection_id: &'a str,
}

impl Action for DeleteVpnConnection<'_> {
    const NAME: &'static str = "DeleteVpnConnection";
    const SERVICE: Service = Service::VPC;
    const PERMISSION: &'static str = "vpc:DeleteVpnConnection";
    /// The response to an accepted deletion is empty.
    type Response = ();

    fn read(_: &RawValue) -> Result<(), ApiError> {
        Ok(())
    }
}

/// Why a tunnel is not being deleted, and what to do. The document does not say which cause has which code: this is our
/// reading, and the API's own message is the source of each error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeletionError {
    /// `InvalidParameterValue.Malformed`.
    #[error("an id is malformed: a gateway's looks like vpngw-6x0wxvtp, a tunnel's like vpnx-f49l6u0z")]
    Malformed(#[source] ApiError),
    /// `ResourceNotFound`.
    #[error("there is no such gateway or tunnel in this region; `tunnels list` shows which there are")]
    NotFound(#[source] ApiError),
    /// `UnsupportedOperation.RecordNotExists`.
    #[error("the tunnel is not on this gateway; `tunnels list` shows which it is on")]
    OnAnotherGateway(#[source] ApiError),
    /// `UnsupportedOperation.DeleteVpnConnInvalidState`.
    #[error("the tunnel is being made, changed or deleted already; wait until that is done, and look again")]
    InTransition(#[source] ApiError),
    /// `UnsupportedOperation.InvalidState`, which passes: the official Terraform provider waits and tries again.
    #[error("the gateway is not available; see its state in the console, and try again when it is")]
    GatewayUnavailable(#[source] ApiError),
    /// `UnsupportedOperation.MutexOperationTaskRunning`.
    #[error("another operation is running on the gateway; try again when it is done, usually within minutes")]
    GatewayBusy(#[source] ApiError),
    /// The account or role may not do it.
    #[error(
        "these credentials may not delete tunnels; allow them vpc:DeleteVpnConnection, or configure others"
    )]
    Forbidden(#[source] ApiError),
    /// It is unknown whether the request arrived.
    #[error("whether the request arrived is not known; look at `tunnels list` before you try again")]
    Ambiguous(#[source] ApiError),
    /// Any other refusal.
    #[error("Tencent Cloud does not delete the tunnel")]
    Refused(#[source] ApiError),
}

impl From<ApiError> for DeletionError {
    fn from(error: ApiError) -> Self {
        let because: fn(ApiError) -> Self = match (&error, error.reason()) {
            (_, Reason::Unauthorized) => Self::Forbidden,
            (ApiError::Api { code, .. }, reason) => match code.exact() {
                "InvalidParameterValue.Malformed" => Self::Malformed,
                NOT_FOUND => Self::NotFound,
                "UnsupportedOperation.RecordNotExists" => Self::OnAnotherGateway,
                "UnsupportedOperation.DeleteVpnConnInvalidState" => Self::InTransition,
                "UnsupportedOperation.InvalidState" => Self::GatewayUnavailable,
                "UnsupportedOperation.MutexOperationTaskRunning" => Self::GatewayBusy,
                _ if reason == Reason::ServerError => Self::Ambiguous,
                _ => Self::Refused,
            },
            (ApiError::Credentials(_), _) => Self::Refused,
            _ => Self::Ambiguous,
        };
        because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tencent::credentials::source::SourceError;

    fn api(code: &str) -> ApiError {
        let (message, request_id) = ("no".into(), "e1".into());
        ApiError::Api { code: code.into(), message, request_id, server_time: None }
    }

    #[test]
    fn parameters_are_spelt_as_in_the_document() {
        let parameters =
            DeleteVpnConnection { vpn_gateway_id: "vpngw-7lcl5331", vpn_connection_id: "vpnx-p0j11j28" };
        assert_eq!(
            *parameters.body(),
            br#"{"VpnGatewayId":"vpngw-7lcl5331","VpnConnectionId":"vpnx-p0j11j28"}"#
        );
    }

    #[test]
    fn refusal_is_not_ambiguous() {
        for error in
            [ApiError::Connection("reset".into()), api("InternalError"), api("InternalError.ModuleError")]
        {
            assert!(matches!(DeletionError::from(error), DeletionError::Ambiguous(_)));
        }
        for error in [ApiError::Credentials(SourceError::Failed("none".into())), api("RequestLimitExceeded")]
        {
            assert!(matches!(DeletionError::from(error), DeletionError::Refused(_)));
        }
        let error = DeletionError::from(api("UnauthorizedOperation"));
        assert!(matches!(error, DeletionError::Forbidden(_)));
    }
}
