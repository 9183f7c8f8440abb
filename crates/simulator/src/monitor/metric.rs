//! The namespaces of Cloud Monitor that concern VPN, and their metrics.

use crate::error::ApiError;

/// A namespace: the kind of its instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespace {
    Tunnels,
    Gateways,
}

/// What a metric measures. The values are in the units of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Mbit/s.
    OutBandwidth,
    /// Mbit/s.
    InBandwidth,
    /// Packets per second.
    OutPackets,
    /// Packets per second.
    InPackets,
    /// Percent of the packets of the health check.
    PacketLoss,
    /// Milliseconds.
    Delay,
    /// Percent of the gateway's bandwidth.
    BandwidthUsage,
}

impl Namespace {
    const ALL: [Self; 2] = [Self::Tunnels, Self::Gateways];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tunnels => "QCE/VPNX",
            Self::Gateways => "QCE/VPNGW",
        }
    }

    /// The name of the dimension with the identifier.
    pub(crate) fn dimension(self) -> &'static str {
        match self {
            Self::Tunnels => "vpnConnId",
            Self::Gateways => "vpnGwId",
        }
    }

    /// The metrics. The two namespaces spell the packets differently.
    fn metrics(self) -> &'static [(&'static str, Metric)] {
        match self {
            Self::Tunnels => &[
                ("OutBandwidth", Metric::OutBandwidth),
                ("InBandwidth", Metric::InBandwidth),
                ("OutPkg", Metric::OutPackets),
                ("InPkg", Metric::InPackets),
                ("PkgDrop", Metric::PacketLoss),
                ("Delay", Metric::Delay),
            ],
            Self::Gateways => &[
                ("OutBandwidth", Metric::OutBandwidth),
                ("InBandwidth", Metric::InBandwidth),
                ("Outpkg", Metric::OutPackets),
                ("Inpkg", Metric::InPackets),
                ("VpnBandwidthUsageRate", Metric::BandwidthUsage),
            ],
        }
    }

    pub(super) fn find(name: &str) -> Result<Self, ApiError> {
        let found = Self::ALL.into_iter().find(|namespace| namespace.name() == name);
        found.ok_or_else(|| ApiError::invalid_value(format!("The namespace `{name}` is not simulated.")))
    }

    /// The namespace of the instance with this identifier.
    pub(crate) fn of_instance(id: &str) -> Self {
        if id.starts_with("vpngw-") { Self::Gateways } else { Self::Tunnels }
    }

    pub(crate) fn metric(self, name: &str) -> Result<Metric, ApiError> {
        let found = self.metrics().iter().find(|(known, _)| *known == name);
        found.map(|(_, metric)| *metric).ok_or_else(|| {
            ApiError::invalid_value(format!("The namespace `{}` has no metric `{name}`.", self.name()))
        })
    }
}
