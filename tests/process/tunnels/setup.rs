//! The simulated API, and a folder with a configuration of it.

use std::time::Duration;

use serde_json::Value;
use simulator::{Fault, FaultKind, GatewayProblem, Options};
use tokio::{process::Command, time::timeout};

use test_support::{
    Api, MAX_WAIT,
    binary::{Finished, WorkDir, run},
    frozen, with_gateways,
};

pub const GUANGZHOU: &str = "ap-guangzhou";
pub const FRANKFURT: &str = "eu-frankfurt";
pub const LIST: &str = "DescribeVpnConnections";
pub const DELETE: &str = "DeleteVpnConnection";
pub const PROMPT: &str = "Type the id of the tunnel to delete it permanently: ";
pub const HOUR: Duration = Duration::from_secs(3600);

/// One account, `main`, with one region that has tunnels.
pub struct Scene {
    pub api: Api,
    pub files: WorkDir,
}

/// The ids of a tunnel in the flags of `tunnels delete`.
#[derive(Debug, Clone)]
pub struct TunnelIds {
    pub gateway: String,
    pub customer_gateway: String,
    pub id: String,
}

impl Scene {
    /// A number of tunnels that stay up; a deletion takes an hour.
    pub async fn with(tunnels: usize) -> Self {
        Self::of(Options { deletion: HOUR, ..frozen(&[(GUANGZHOU, tunnels)]) }).await
    }

    pub async fn of(options: Options) -> Self {
        let api = Api::start(options).await;
        let files = WorkDir::with(with_gateways(&api.config_with_poll(&[GUANGZHOU], "timeout: 20s"), "5m"));
        Self { api, files }
    }

    /// The tunnel at this index of the listing.
    pub fn tunnel(&self, place: usize) -> TunnelIds {
        let row = &self.api.control.rows(GUANGZHOU).expect("the region")[place];
        let text = |field: &str| row[field].as_str().expect("an id").to_owned();
        TunnelIds {
            gateway: text("VpnGatewayId"),
            customer_gateway: text("CustomerGatewayId"),
            id: text("VpnConnectionId"),
        }
    }

    pub fn set(&self, tunnel: &TunnelIds, field: &str, value: impl Into<Value>) {
        self.api.control.set(GUANGZHOU, &tunnel.id, field, value).expect("the tunnel");
    }

    /// Sets a field of the tunnel's gateway.
    pub fn set_gateway(&self, tunnel: &TunnelIds, field: &str, value: impl Into<Value>) {
        self.api.control.set_gateway_field(GUANGZHOU, &tunnel.gateway, field, value).expect("the gateway");
    }

    /// Sets a field of the tunnel's customer gateway.
    pub fn set_peer(&self, tunnel: &TunnelIds, field: &str, value: impl Into<Value>) {
        let id = &tunnel.customer_gateway;
        self.api
            .control
            .set_customer_gateway_field(GUANGZHOU, id, field, value)
            .expect("the customer gateway");
    }

    /// Gives the tunnel's gateway a problem, or ends it.
    pub fn set_problem(&self, tunnel: &TunnelIds, problem: Option<GatewayProblem>) {
        self.api.control.set_gateway_problem(GUANGZHOU, &tunnel.gateway, problem).expect("the gateway");
    }

    /// Takes the permission for an action from the account.
    pub fn forbid(&self, action: &str) {
        let number = &self.api.control.accounts()[0].number;
        self.api.control.forbid(number, action).expect("the account");
    }

    /// Makes requests of an action fail: `times` of them, after `skip` others.
    pub fn set_faults(
        &self,
        faults: impl IntoIterator<Item = (&'static str, usize, Option<usize>, FaultKind)>,
    ) {
        let faults = faults.into_iter().map(|(action, skip, times, kind)| Fault {
            action: Some(action.to_owned()),
            skip,
            times,
            ..Fault::new(kind)
        });
        self.api.control.set_faults(faults.collect()).expect("possible faults");
    }

    /// Waits for this number of requests, and then completes the deletions in progress.
    pub async fn end_deletions_after(&self, requests: usize) {
        let control = &self.api.control;
        let arrived = control.until(|journal| journal.len() >= requests);
        timeout(MAX_WAIT, arrived).await.expect("the command sends further requests");
        control.advance(HOUR);
    }

    /// `tunnels delete` of this tunnel, with further flags.
    pub fn command(&self, tunnel: &TunnelIds, flags: &[&str]) -> Command {
        let TunnelIds { gateway, id, .. } = tunnel;
        let words = ["tunnels", "delete", "--account", "main", "--region", GUANGZHOU];
        let ids = ["--vpn-gateway-id", gateway, "--vpn-connection-id", id];
        self.files.exporter(&[&words[..], &ids, flags].concat())
    }

    pub async fn delete(&self, tunnel: &TunnelIds, flags: &[&str]) -> Finished {
        run(self.command(tunnel, flags)).await
    }

    /// The actions of all requests in their order.
    pub fn requests(&self) -> Vec<String> {
        self.api.control.journal().into_iter().map(|entry| entry.action).collect()
    }

    pub fn deletions(&self) -> usize {
        self.requests().iter().filter(|action| *action == DELETE).count()
    }

    pub fn ids(&self) -> Vec<String> {
        self.api.control.ids(GUANGZHOU).expect("the region")
    }
}

/// The text with an `N` for each number of seconds, which depends on the load of the machine.
pub fn without_seconds(text: &str) -> String {
    (0..60).fold(text.to_owned(), |text, second| text.replace(&format!(" {second} s"), " N s"))
}
