//! Controls the gateways and the customer gateways.

use serde_json::Value;

use super::{Control, NotFound, values};
use crate::{
    customer_gateway::CustomerGateway,
    gateway::{Gateway, GatewayState},
    problem::{GatewayProblem, PlannedProblem},
};

impl Control {
    /// The current rows of a region's gateways, in the order of creation.
    pub fn gateway_rows(&self, region: &str) -> Result<Vec<Value>, NotFound> {
        self.read(region, |region, now| values(region.gateways(now)))
    }

    /// The current rows of a region's customer gateways, in the order of creation.
    pub fn customer_gateway_rows(&self, region: &str) -> Result<Vec<Value>, NotFound> {
        self.read(region, |region, now| values(region.customer_gateways(now)))
    }

    /// Adds a gateway without tunnels, at the end of the rows, and returns its identifier. Tunnels that are added later
    /// are on this gateway.
    pub fn add_gateway(&self, region: &str) -> Result<String, NotFound> {
        self.write(region, |region| Ok(region.add_gateway().id.clone()))
    }

    /// Adds a customer gateway without tunnels, at the end of the rows, and returns its identifier. A backup tunnel that
    /// is added next belongs to it.
    pub fn add_customer_gateway(&self, region: &str) -> Result<String, NotFound> {
        self.write(region, |region| Ok(region.add_customer_gateway().id.clone()))
    }

    /// Removes a gateway immediately. Its tunnels do not change, except that a problem of the gateway ends.
    pub fn remove_gateway(&self, region: &str, id: &str) -> Result<(), NotFound> {
        self.write(region, |region| region.remove_gateway(id).map(drop).ok_or_else(|| no_gateway(id)))
    }

    /// Removes a customer gateway immediately. Its tunnels do not change.
    pub fn remove_customer_gateway(&self, region: &str, id: &str) -> Result<(), NotFound> {
        self.write(region, |region| {
            region.remove_customer_gateway(id).map(drop).ok_or_else(|| no_customer_gateway(id))
        })
    }

    /// Sets the state of a gateway, which allows or prevents the deletion of tunnels. Its row does not change.
    pub fn set_gateway(&self, region: &str, id: &str, state: GatewayState) -> Result<(), NotFound> {
        self.change_gateway(region, id, |gateway| gateway.state = state)
    }

    /// Gives a gateway a problem from now on, or ends its problem. It replaces the planned problem.
    pub fn set_gateway_problem(
        &self,
        region: &str,
        id: &str,
        problem: Option<GatewayProblem>,
    ) -> Result<(), NotFound> {
        self.change_gateway(region, id, |gateway| gateway.problem = problem.map(PlannedProblem::from))
    }

    /// Sets a field of a gateway's row from now on. The field can be undocumented, and the value can have any JSON type.
    /// Only the row changes: its tunnels stay up.
    pub fn set_gateway_field(
        &self,
        region: &str,
        id: &str,
        field: &str,
        value: impl Into<Value>,
    ) -> Result<(), NotFound> {
        let value = value.into();
        self.change_gateway(region, id, |gateway| gateway.changes.set(field, Some(value)))
    }

    /// Removes a field from a gateway's row from now on.
    pub fn omit_gateway_field(&self, region: &str, id: &str, field: &str) -> Result<(), NotFound> {
        self.change_gateway(region, id, |gateway| gateway.changes.set(field, None))
    }

    /// Undoes every [`set_gateway_field`](Self::set_gateway_field) and
    /// [`omit_gateway_field`](Self::omit_gateway_field) of a gateway.
    pub fn restore_gateway(&self, region: &str, id: &str) -> Result<(), NotFound> {
        self.change_gateway(region, id, |gateway| gateway.changes.clear())
    }

    /// Sets a field of a customer gateway's row from now on. The field can be undocumented, and the value can have any
    /// JSON type.
    pub fn set_customer_gateway_field(
        &self,
        region: &str,
        id: &str,
        field: &str,
        value: impl Into<Value>,
    ) -> Result<(), NotFound> {
        let value = value.into();
        self.change_customer_gateway(region, id, |gateway| gateway.changes.set(field, Some(value)))
    }

    /// Removes a field from a customer gateway's row from now on.
    pub fn omit_customer_gateway_field(&self, region: &str, id: &str, field: &str) -> Result<(), NotFound> {
        self.change_customer_gateway(region, id, |gateway| gateway.changes.set(field, None))
    }

    /// Undoes every [`set_customer_gateway_field`](Self::set_customer_gateway_field) and
    /// [`omit_customer_gateway_field`](Self::omit_customer_gateway_field) of a customer gateway.
    pub fn restore_customer_gateway(&self, region: &str, id: &str) -> Result<(), NotFound> {
        self.change_customer_gateway(region, id, |gateway| gateway.changes.clear())
    }

    fn change_gateway(
        &self,
        region: &str,
        id: &str,
        change: impl FnOnce(&mut Gateway),
    ) -> Result<(), NotFound> {
        self.write(region, |region| {
            change(region.gateway_mut(id).ok_or_else(|| no_gateway(id))?);
            Ok(())
        })
    }

    fn change_customer_gateway(
        &self,
        region: &str,
        id: &str,
        change: impl FnOnce(&mut CustomerGateway),
    ) -> Result<(), NotFound> {
        self.write(region, |region| {
            change(region.customer_gateway_mut(id).ok_or_else(|| no_customer_gateway(id))?);
            Ok(())
        })
    }
}

pub(super) fn no_gateway(id: &str) -> NotFound {
    NotFound::Gateway(id.to_owned())
}

fn no_customer_gateway(id: &str) -> NotFound {
    NotFound::CustomerGateway(id.to_owned())
}
