//! `DeleteVpnConnection`: its parameters, and the meaning of its errors.
//!
//! Source: the API document of `DeleteVpnConnection`, version 2017-03-12, of 2025-11-13. Only the command line uses this; the
//! daemon never deletes.

use serde::Serialize;

use super::{
    action::{Action, Service},
    envelope::ApiResponse,
    error::{ApiError, NOT_FOUND},
};
use crate::domain::reason::Reason;

/// Starts the deletion of one tunnel. The tunnel is `DELETING` until it is removed.
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

    fn read(_: &ApiResponse<'_>) -> Result<(), ApiError> {
        Ok(())
    }
}

/// The reason why a tunnel is not deleted, and the remedy. The API document does not explain the codes, so this mapping is an
/// interpretation. Each error has the API's message as its source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeletionError {
    /// `InvalidParameterValue.Malformed`.
    #[error("an id is malformed: a gateway's looks like vpngw-6x0wxvtp, a tunnel's like vpnx-f49l6u0z")]
    Malformed(#[source] ApiError),
    /// `ResourceNotFound`.
    #[error("there is no such gateway or tunnel in this region; `tunnels list` shows the existing ones")]
    NotFound(#[source] ApiError),
    /// `UnsupportedOperation.RecordNotExists`.
    #[error("the tunnel is not on this gateway; `tunnels list` shows its gateway")]
    OnAnotherGateway(#[source] ApiError),
    /// `UnsupportedOperation.DeleteVpnConnInvalidState`.
    #[error(
        "the tunnel is already being created, changed or deleted; wait until this is finished, and check again"
    )]
    InTransition(#[source] ApiError),
    /// `UnsupportedOperation.InvalidState`, which is temporary: the official Terraform provider waits and tries again.
    #[error("the gateway is not available; see its state in the console, and try again when it is")]
    GatewayUnavailable(#[source] ApiError),
    /// `UnsupportedOperation.MutexOperationTaskRunning`.
    #[error(
        "another operation is running on the gateway; try again when it has finished, usually within minutes"
    )]
    GatewayBusy(#[source] ApiError),
    /// The account or role has no permission.
    #[error(
        "these credentials have no permission to delete tunnels; allow them vpc:DeleteVpnConnection, or configure others"
    )]
    Forbidden(#[source] ApiError),
    /// It is unknown whether the request arrived.
    #[error("it is unknown whether the request arrived; check `tunnels list` before you try again")]
    Ambiguous(#[source] ApiError),
    /// Any other error.
    #[error("Tencent Cloud does not delete the tunnel")]
    Refused(#[source] ApiError),
}

impl From<ApiError> for DeletionError {
    fn from(error: ApiError) -> Self {
        let variant: fn(ApiError) -> Self = match (&error, error.reason()) {
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
        variant(error)
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
