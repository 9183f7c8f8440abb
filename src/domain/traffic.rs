//! Traffic: what tunnels and gateways carry, from Cloud Monitor, in base units.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    gateway::GatewayId,
    tunnel::{Tunnel, TunnelId},
};

/// A group of statistics that the configuration enables together: an entry of `traffic.metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrafficMetric {
    /// `bandwidth`: bytes of tunnels and gateways, and the usage of a gateway's bandwidth.
    Bandwidth,
    /// `packets`: packets of tunnels.
    Packets,
    /// `packet_loss`: of tunnels.
    PacketLoss,
    /// `latency`: of tunnels.
    Latency,
}

impl TrafficMetric {
    /// All of them, which is the default of the configuration.
    pub const ALL: [Self; 4] = [Self::Bandwidth, Self::Packets, Self::PacketLoss, Self::Latency];

    /// The name that the configuration uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bandwidth => "bandwidth",
            Self::Packets => "packets",
            Self::PacketLoss => "packet_loss",
            Self::Latency => "latency",
        }
    }

    /// Parses the name that the configuration uses. The error says what to write.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let named = Self::ALL.into_iter().find(|metric| metric.as_str() == text);
        named.ok_or("is not a metric of traffic; write bandwidth, packets, packet_loss or latency")
    }
}

/// The period of data points, and the time from one query to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// One minute.
    OneMinute,
    /// Five minutes.
    FiveMinutes,
}

impl Period {
    /// The period with this duration. `None`: there is no such period.
    #[must_use]
    pub fn of(duration: Duration) -> Option<Self> {
        [Self::OneMinute, Self::FiveMinutes].into_iter().find(|period| period.duration() == duration)
    }

    /// The duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        match self {
            Self::OneMinute => Duration::from_mins(1),
            Self::FiveMinutes => Duration::from_mins(5),
        }
    }

    /// The largest age of a data point, which is three periods plus five minutes. Older ones are dropped.
    #[must_use]
    pub fn max_age(self) -> Duration {
        3 * self.duration() + Duration::from_mins(5)
    }
}

/// Which traffic of a target is queried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficSettings {
    /// The period of the data, and the time from one query to the next.
    pub period: Period,
    /// The groups of statistics; at least one, without duplicates.
    pub metrics: Vec<TrafficMetric>,
    /// How many tunnels or gateways one request can have.
    pub instances_per_request: usize,
}

/// A statistic of a tunnel or a gateway, in its base unit. Received traffic goes towards the VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// Bytes a second.
    ReceivedBytes,
    /// Bytes a second.
    TransmittedBytes,
    /// Packets a second.
    ReceivedPackets,
    /// Packets a second.
    TransmittedPackets,
    /// The lost part of the packets, from 0 to 1.
    PacketLoss,
    /// Seconds.
    Latency,
    /// The used part of a gateway's bandwidth, from 0 to 1.
    BandwidthUsage,
}

impl Statistic {
    const COUNT: usize = Self::BandwidthUsage as usize + 1;
}

/// The value of a statistic in one period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DataPoint {
    /// The time that Cloud Monitor gives it, in Unix seconds.
    pub time: i64,
    /// The value; finite, not negative.
    pub value: f64,
}

/// An instance in the sense of Cloud Monitor: a tunnel or a gateway.
pub trait Instance: Clone + Ord + fmt::Debug + Send + Sync + 'static {
    /// The id that requests and responses have.
    fn id(&self) -> &str;
}

/// A tunnel as an instance. Instances are ordered by the ids of their tunnels. All copies share the same memory: a query of
/// thousands of tunnels makes many.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TunnelInstance(Arc<(TunnelId, Box<str>)>);

impl TunnelInstance {
    /// This tunnel on this gateway.
    #[must_use]
    pub fn new(id: TunnelId, vpn_gateway_id: &str) -> Self {
        Self(Arc::new((id, vpn_gateway_id.into())))
    }

    /// This tunnel.
    #[must_use]
    pub fn of(tunnel: &Tunnel) -> Self {
        Self::new(tunnel.id.clone(), &tunnel.vpn_gateway_id)
    }

    /// The id of its gateway.
    #[must_use]
    pub fn vpn_gateway_id(&self) -> &str {
        &self.0.1
    }
}

impl Instance for TunnelInstance {
    fn id(&self) -> &str {
        self.0.0.as_str()
    }
}

impl Instance for GatewayId {
    fn id(&self) -> &str {
        self.as_str()
    }
}

/// The newest data points of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic<I> {
    /// The tunnel or gateway.
    pub instance: I,
    points: [Option<DataPoint>; Statistic::COUNT],
}

impl<I: Instance> Traffic<I> {
    /// An instance without data points.
    #[must_use]
    pub fn new(instance: I) -> Self {
        Self { instance, points: [None; Statistic::COUNT] }
    }

    /// The newest value of a statistic.
    #[must_use]
    pub fn value(&self, statistic: Statistic) -> Option<f64> {
        self.points[statistic as usize].map(|point| point.value)
    }

    /// The times of its data points, in Unix seconds. The data points of two statistics can have different times.
    pub fn times(&self) -> impl Iterator<Item = i64> {
        self.points.iter().flatten().map(|point| point.time)
    }

    /// Adds a data point, unless the statistic has a newer one.
    pub fn add(&mut self, statistic: Statistic, point: DataPoint) {
        let present = &mut self.points[statistic as usize];
        if present.is_none_or(|present| present.time <= point.time) {
            *present = Some(point);
        }
    }

    /// Takes over data points of an earlier query of the same instance, for each statistic that has none or an older one.
    pub fn add_missing(&mut self, earlier: &Self) {
        for (present, earlier) in self.points.iter_mut().zip(&earlier.points) {
            if earlier.map(|point| point.time) > present.map(|point| point.time) {
                *present = *earlier;
            }
        }
    }

    /// Drops the data points before this time, in Unix seconds.
    pub fn drop_before(&mut self, oldest: i64) {
        for point in &mut self.points {
            *point = point.filter(|point| point.time >= oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: Statistic = Statistic::ReceivedBytes;

    fn traffic(points: &[(i64, f64)]) -> Traffic<GatewayId> {
        let mut traffic = Traffic::new(GatewayId::new("vpngw-1").expect("an id"));
        for &(time, value) in points {
            traffic.add(BYTES, DataPoint { time, value });
        }
        traffic
    }

    #[test]
    fn newest_data_point_counts() {
        assert_eq!(traffic(&[(60, 1.0), (120, 2.0), (0, 3.0)]).value(BYTES), Some(2.0));
        assert_eq!(traffic(&[]).value(BYTES), None);
    }

    #[test]
    fn earlier_data_point_stays_until_it_is_old() {
        let mut now = traffic(&[]);
        now.add_missing(&traffic(&[(60, 1.0)]));
        assert_eq!(now.value(BYTES), Some(1.0));
        now.add_missing(&traffic(&[(0, 5.0)]));
        assert_eq!(now.value(BYTES), Some(1.0), "the older one does not replace it");
        now.drop_before(60);
        assert_eq!(now.times().collect::<Vec<_>>(), [60]);
        now.drop_before(61);
        assert_eq!(now.times().next(), None);
    }

    #[test]
    fn data_points_count_for_three_periods_and_five_minutes() {
        let ages = [Period::OneMinute, Period::FiveMinutes].map(|period| period.max_age().as_secs() / 60);
        assert_eq!(ages, [8, 20]);
        assert_eq!(Period::of(Duration::from_mins(5)), Some(Period::FiveMinutes));
        assert_eq!(Period::of(Duration::from_mins(2)), None);
    }
}
