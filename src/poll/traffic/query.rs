//! One query of a target's traffic: `GetMonitorData` for each metric, of all its published gateways and tunnels.

use std::{collections::VecDeque, pin::pin, time::Duration};

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::{
    domain::{
        gateway::GatewayId,
        reason::Reason,
        target::Target,
        traffic::{DataPoint, Instance, Traffic, TrafficSettings, TunnelInstance},
        tunnel::Tunnel,
    },
    poll::{failure, poller::Assignment},
    snapshot::{
        Failure, TargetSnapshot,
        traffic::{ReceivedTraffic, TrafficSnapshot},
    },
    tencent::{
        account::Account,
        action::Service,
        describe_vpn_connections::DescribeVpnConnections,
        error::ApiError,
        get_monitor_data::{GetMonitorData, InstanceData, MonitorMetric, Monitored, metrics},
    },
};

/// The largest number of concurrent requests of one query.
const CONCURRENT_REQUESTS: usize = 4;

/// A request ends this long before now, because Cloud Monitor has data points one to three minutes late.
const LATENESS: SignedDuration = SignedDuration::from_mins(2);

/// A data point that is further in the future is ignored.
const MAX_FUTURE: SignedDuration = SignedDuration::from_mins(5);

/// A query of which no request succeeded ends after this many failures.
const MAX_FAILURES: usize = 3;

/// Queries the traffic of a target's published tunnels and gateways once, within this time. Returns the state afterwards, which
/// is empty if the target has neither tunnels nor gateways.
pub async fn query(
    account: &Account,
    settings: &TrafficSettings,
    state: &TargetSnapshot,
    time_limit: Duration,
) -> TrafficSnapshot {
    let before = TrafficSnapshot::default();
    let Some(mut query) = Query::new(account, settings, state, time_limit, 0) else { return before };
    while query.next().await {}
    before.with(query.received()).ended(query.result().map_err(|error| error.failure), Timestamp::now())
}

/// Sends one request for one tunnel, to find out whether the API allows such requests. The time limit is that of a poll.
pub async fn query_one(
    Assignment { account, settings }: &Assignment,
    traffic: &TrafficSettings,
    target: &Target,
    tunnel: &Tunnel,
) -> Result<(), ApiError> {
    let clock_offset = account.clock_offset::<DescribeVpnConnections<'_>>(&target.region);
    let deadline = Instant::now() + settings.timeout;
    let call = Call { account, settings: traffic, target, clock_offset, deadline };
    let metric = metrics::<TunnelInstance>(traffic).next().expect("each group has a metric of tunnels");
    call.post(metric, &[TunnelInstance::of(tunnel)]).await.map(drop)
}

/// The time by the API's clock, in whole seconds. `offset`: the correction of the local clock.
pub(super) fn api_time(offset: i64) -> Timestamp {
    let local = Timestamp::now().as_second();
    Timestamp::from_second(local.saturating_add(offset)).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn instances<I: Instance>(instances: impl Iterator<Item = I>) -> Vec<Traffic<I>> {
    instances.map(Traffic::new).collect()
}

/// Whether an error ends a query, because its other requests would fail too. A request that is refused, or whose response is
/// malformed, may fail because of one of its tunnels, so the other requests are sent.
fn ends_query(error: &ApiError) -> bool {
    let may_concern_one_request =
        matches!(error.reason(), Reason::Refused | Reason::MalformedResponse | Reason::ServerError);
    !may_concern_one_request || error.is_unpaid()
}

/// The first failure of a query, or the one that ended it.
#[derive(Debug)]
pub(super) struct QueryError {
    pub(super) failure: Failure,
    /// Whether the API would refuse the next queries too, so that the pauses grow.
    pub(super) is_refusal: bool,
}

/// What every request of a query needs.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    account: &'a Account,
    settings: &'a TrafficSettings,
    target: &'a Target,
    /// The correction of the local clock, in seconds.
    clock_offset: i64,
    deadline: Instant,
}

/// One query of a target's traffic, a metric at a time.
#[derive(Debug)]
pub(super) struct Query<'a> {
    call: Call<'a>,
    time_limit: Duration,
    received: ReceivedTraffic,
    /// The metrics that remain. Gateways come first: there are few, and the links of all tunnels depend on them.
    of_gateways: VecDeque<&'static MonitorMetric>,
    of_tunnels: VecDeque<&'static MonitorMetric>,
    /// How many metrics of tunnels were queried completely.
    completed: usize,
    /// Whether a request succeeded.
    has_succeeded: bool,
    /// How many requests failed.
    failures: usize,
    error: Option<ApiError>,
    has_ended: bool,
}

impl<'a> Query<'a> {
    /// A query that must end within this time, and begins with this metric of tunnels (from 0; a query that has no time for all
    /// of them begins where the last one ended). `None`: the target has neither tunnels nor gateways.
    pub(super) fn new(
        account: &'a Account,
        settings: &'a TrafficSettings,
        state: &'a TargetSnapshot,
        time_limit: Duration,
        first_metric: usize,
    ) -> Option<Self> {
        let received = ReceivedTraffic {
            tunnels: instances(state.tunnels().iter().map(|record| TunnelInstance::of(&record.row))),
            gateways: instances(state.published_gateways().iter().map(|record| record.row.id.clone())),
        };
        let has_instances = !received.tunnels.is_empty() || !received.gateways.is_empty();
        let (target, clock_offset) = (&state.target, state.clock_offset);
        let call = Call { account, settings, target, clock_offset, deadline: Instant::now() + time_limit };
        let mut of_tunnels: VecDeque<_> = metrics::<TunnelInstance>(settings).collect();
        let first = first_metric % of_tunnels.len().max(1);
        of_tunnels.rotate_left(first);
        has_instances.then(|| Self {
            call,
            time_limit,
            received,
            of_gateways: metrics::<GatewayId>(settings).collect(),
            of_tunnels,
            completed: 0,
            has_succeeded: false,
            failures: 0,
            error: None,
            has_ended: false,
        })
    }

    /// Queries the next metric. Returns whether there is another.
    pub(super) async fn next(&mut self) -> bool {
        if let Some(metric) = self.of_gateways.pop_front() {
            let mut gateways = std::mem::take(&mut self.received.gateways);
            self.query_metric(metric, &mut gateways).await;
            self.received.gateways = gateways;
        } else if let Some(metric) = self.of_tunnels.pop_front() {
            let mut tunnels = std::mem::take(&mut self.received.tunnels);
            self.query_metric(metric, &mut tunnels).await;
            self.received.tunnels = tunnels;
            self.completed += usize::from(!self.has_ended);
        }
        !self.has_ended && (!self.of_gateways.is_empty() || !self.of_tunnels.is_empty())
    }

    /// The data points so far.
    pub(super) fn received(&self) -> ReceivedTraffic {
        self.received.clone()
    }

    /// How many metrics of tunnels were queried completely, if others were not.
    pub(super) fn completed_of_some(&self) -> Option<usize> {
        (self.has_ended || !self.of_tunnels.is_empty()).then_some(self.completed)
    }

    /// How the query ended.
    pub(super) fn result(self) -> Result<(), QueryError> {
        let Some(error) = self.error else { return Ok(()) };
        let route = self.call.account.route(Service::MONITOR, &self.call.target.region);
        let failure = failure::of_query(&error, self.time_limit, &route);
        let is_refusal = failure.reason.is_refusal_of_identity() || error.is_unpaid();
        Err(QueryError { failure, is_refusal })
    }

    /// Adds the data points of one metric.
    async fn query_metric<I: Monitored>(
        &mut self,
        metric: &'static MonitorMetric,
        traffic: &mut [Traffic<I>],
    ) {
        let call = self.call;
        let instances: Vec<I> = traffic.iter().map(|traffic| traffic.instance.clone()).collect();
        let chunks: Vec<_> = instances.chunks(call.settings.instances_per_request).collect();
        let post = |index: usize| call.post(metric, chunks[index]);
        // The first request of a query is sent alone: if the API refuses it, the others are not sent.
        let alone = if self.has_succeeded { 0 } else { chunks.len().min(1) };
        let first = stream::iter(0..alone).map(post).buffered(1);
        let others = stream::iter(alone..chunks.len()).map(post).buffered(CONCURRENT_REQUESTS);
        let mut responses = pin!(first.chain(others));
        while let Some(response) = responses.next().await {
            match response {
                Ok(data) => {
                    self.has_succeeded = true;
                    call.add(metric, data, traffic);
                }
                Err(error) => {
                    self.failures += 1;
                    self.has_ended =
                        ends_query(&error) || !self.has_succeeded && self.failures == MAX_FAILURES;
                    if self.has_ended || self.error.is_none() {
                        self.error = Some(error);
                    }
                    if self.has_ended {
                        return;
                    }
                }
            }
        }
    }
}

impl Call<'_> {
    async fn post<I: Monitored>(
        self,
        metric: &'static MonitorMetric,
        instances: &[I],
    ) -> Result<Vec<InstanceData>, ApiError> {
        let now = api_time(self.clock_offset);
        let max_age = SignedDuration::try_from(self.settings.period.max_age()).expect("some minutes");
        let action = GetMonitorData::new(metric, instances, self.settings, [now - max_age, now - LATENESS]);
        Ok(self.account.post(&action, &self.target.region, self.deadline).await?.value)
    }

    /// Adds the data points of a response. Those of other instances, and those that are too old or in the future, are ignored.
    fn add<I: Monitored>(self, metric: &MonitorMetric, data: Vec<InstanceData>, traffic: &mut [Traffic<I>]) {
        let now = api_time(self.clock_offset).as_second();
        let oldest = now.saturating_sub_unsigned(self.settings.period.max_age().as_secs());
        let newest = now.saturating_add(MAX_FUTURE.as_secs());
        for InstanceData { id, points } in data {
            let found = traffic.binary_search_by(|traffic| traffic.instance.id().cmp(&id));
            let Some(traffic) = found.ok().map(|index| &mut traffic[index]) else { continue };
            let is_current = |point: &DataPoint| (oldest..=newest).contains(&point.time);
            let points = points.into_iter().filter(is_current);
            for point in points.filter_map(|point| metric.to_base_unit(point)) {
                traffic.add(metric.statistic, point);
            }
        }
    }
}
