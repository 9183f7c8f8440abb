//! `DeleteVpnConnection`: deletes a tunnel after a delay.
//!
//! The document lists six errors without causes. The causes here are inferred from their names.

use std::time::Duration;

use super::{
    error::ApiError, gateway::GatewayState, journal::Entry, names::is_identifier, parameters::Parameters,
    region_world::RegionWorld,
};

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct DeleteRequest {
    gateway_id: String,
    id: String,
}

impl DeleteRequest {
    pub(super) fn parse(mut parameters: Parameters) -> Result<Self, ApiError> {
        let gateway_id = parameters.required_text("VpnGatewayId")?;
        let id = parameters.required_text("VpnConnectionId")?;
        parameters.finish()?;
        if !is_identifier(&gateway_id, "vpngw") {
            return Err(ApiError::malformed("VpnGatewayId", &gateway_id));
        }
        if !is_identifier(&id, "vpnx") {
            return Err(ApiError::malformed("VpnConnectionId", &id));
        }
        Ok(Self { gateway_id, id })
    }

    /// Adds the parameters to a journal entry.
    pub(super) fn note(&self, entry: &mut Entry) {
        entry.ids = vec![self.id.clone()];
    }

    /// Starts the deletion. `at` is the time since the simulation started, `lasts` the duration of the deletion.
    pub(super) fn start(
        &self,
        region: &mut RegionWorld,
        at: Duration,
        lasts: Duration,
    ) -> Result<(), ApiError> {
        let gateway =
            region.gateway(&self.gateway_id).ok_or_else(|| ApiError::not_found(&self.gateway_id))?;
        let (gateway_id, state) = (gateway.id.clone(), gateway.state(at));
        let tunnel = region.tunnel_mut(&self.id).filter(|tunnel| tunnel.status(at).is_some());
        let tunnel = tunnel.ok_or_else(|| ApiError::not_found(&self.id))?;
        if tunnel.gateway_id != gateway_id {
            return Err(unsupported("RecordNotExists", "The tunnel is not on this gateway."));
        }
        match state {
            GatewayState::Available => {}
            GatewayState::Unavailable => {
                return Err(unsupported("InvalidState", "The gateway is not available."));
            }
            GatewayState::Busy => {
                let message = "Another operation is running on the gateway.";
                return Err(unsupported("MutexOperationTaskRunning", message));
            }
        }
        if !tunnel.is_available(at) {
            let message = "The tunnel is being updated, deleted or created.";
            return Err(unsupported("DeleteVpnConnInvalidState", message));
        }
        tunnel.delete(at..at.saturating_add(lasts));
        Ok(())
    }
}

fn unsupported(kind: &str, message: &str) -> ApiError {
    ApiError::new(format!("UnsupportedOperation.{kind}"), message)
}
