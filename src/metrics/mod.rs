//! Converts the snapshot into Prometheus metrics: families of metrics for each kind of row, the registry, and the exposition
//! for scrapes.
//!
//! It depends on the snapshot and on telemetry. It must not depend on pollers or HTTP.

mod account;
mod compress;
mod customer_gateway;
pub mod exposition;
mod family;
mod gateway;
pub mod plain;
mod process;
pub mod registry;
pub mod renderer;
mod section;
mod target;
mod traffic;
mod tunnel;

use std::sync::Arc;

use crate::{
    domain::{
        customer_gateway::CustomerGateway,
        gateway::{Gateway, GatewayId},
        tag_label::TagLabel,
        traffic::{Traffic, TunnelInstance},
        tunnel::Tunnel,
    },
    snapshot::{AccountSnapshot, TargetSnapshot, record::Record},
};
use section::{RowSection, Section};

/// All kinds of rows that have metrics. The registry and the exposition have them in this order.
fn sections(tag_labels: &Arc<[TagLabel]>) -> Vec<Box<dyn RowSection>> {
    vec![
        Box::new(Section::<Record<Tunnel>>::new(tag_labels)),
        Box::new(Section::<Record<Gateway>>::new(tag_labels)),
        Box::new(Section::<Record<CustomerGateway>>::new(tag_labels)),
        Box::new(Section::<Traffic<TunnelInstance>>::new(tag_labels)),
        Box::new(Section::<Traffic<GatewayId>>::new(tag_labels)),
        Box::new(Section::<TargetSnapshot>::new(tag_labels)),
        Box::new(Section::<AccountSnapshot>::new(tag_labels)),
    ]
}
