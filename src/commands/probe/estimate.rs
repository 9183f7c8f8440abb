//! What the configuration costs: the requests to Cloud Monitor in a month, for each account.

use std::fmt;

use super::row::ProbeRow;
use crate::{
    commands::{
        error::CommandError,
        output::{one_line, print, report},
    },
    config::AccountConfig,
    domain::display::number,
    poll::failure::FEWER_REQUESTS_ADVICE,
    tencent::get_monitor_data::{
        FREE_REQUESTS, MAX_REQUESTS_PER_SECOND, requests_per_month, requests_per_query,
    },
    wiring::{Wiring, traffic_settings},
};

/// Prints a line for each account, and warnings about the enabled traffic of an account that takes too many requests.
pub(super) fn print_estimates(wiring: &Wiring, rows: &[ProbeRow]) -> Result<(), CommandError> {
    for account in &wiring.config().accounts {
        let name = one_line(account.name.as_str());
        let estimate = Estimate::of(wiring, account, rows);
        print(format!("{name}: {estimate}\n").as_bytes())?;
        for warning in estimate.warnings() {
            report(format_args!("warning: {name}: {warning}"));
        }
    }
    Ok(())
}

/// The requests to Cloud Monitor that the traffic of an account takes.
#[derive(Debug, PartialEq)]
struct Estimate {
    /// Whether traffic is enabled. If not, the requests are not sent.
    is_enabled: bool,
    /// The requests of one query of every region.
    per_query: usize,
    per_month: usize,
    /// How many requests can be sent in one interval.
    most_per_query: f64,
    /// How many regions are included.
    known_regions: usize,
    /// How many regions are not included, because their tunnels are not known.
    unknown_regions: usize,
    /// Whether other shards make requests too.
    is_of_shard: bool,
}

impl Estimate {
    fn of(wiring: &Wiring, account: &AccountConfig, rows: &[ProbeRow]) -> Self {
        let (config, shard) = (wiring.config(), wiring.shard());
        let settings = traffic_settings(config, account);
        let (mut per_query, mut known_regions, mut unknown_regions) = (0, 0, 0);
        let own = rows.iter().filter(|row| row.account == account.name.as_str());
        for row in own.filter(|row| !row.is_without_vpn()) {
            match row.tunnels.count() {
                Some(tunnels) => {
                    known_regions += 1;
                    let gateways = row.gateways.count().unwrap_or_default();
                    per_query += requests_per_query(&settings, tunnels, gateways);
                }
                None => unknown_regions += 1,
            }
        }
        let rate = config.api.requests_per_second.min(MAX_REQUESTS_PER_SECOND) / f64::from(shard.count());
        Self {
            is_enabled: config.traffic.enabled,
            per_query,
            per_month: requests_per_month(&settings, per_query),
            most_per_query: rate * settings.period.duration().as_secs_f64(),
            known_regions,
            unknown_regions,
            is_of_shard: shard.count() > 1,
        }
    }

    fn warnings(&self) -> impl Iterator<Item = String> {
        let (per_query, per_month) = (number(self.per_query), number(self.per_month));
        let is_too_expensive = self.per_month > FREE_REQUESTS;
        let is_too_slow = self.per_query as f64 > self.most_per_query;
        let warnings = [
            (
                is_too_expensive,
                format!(
                    "traffic takes {per_month} requests a month, of which {} are free; Tencent Cloud bills or refuses the \
                     others",
                    number(FREE_REQUESTS)
                ),
            ),
            (
                is_too_slow,
                format!(
                    "a query of traffic takes {per_query} requests, but at most {:.0} can be sent within traffic.interval",
                    self.most_per_query
                ),
            ),
        ];
        let warnings = warnings.into_iter().filter(|(applies, _)| self.is_enabled && *applies);
        warnings.map(|(_, text)| format!("{text}; {FEWER_REQUESTS_ADVICE}"))
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.known_regions == 0 && self.unknown_regions > 0 {
            return f.write_str("the requests of traffic are not known, because no tunnels could be listed");
        }
        f.write_str(if self.is_enabled {
            "a query of traffic takes "
        } else {
            "traffic is off; with traffic.enabled: true a query takes "
        })?;
        write!(f, "{} requests, {} a month", number(self.per_query), number(self.per_month))?;
        match self.unknown_regions {
            0 => {}
            1 => f.write_str(", not counting 1 region whose tunnels are not known")?,
            count => write!(f, ", not counting {count} regions whose tunnels are not known")?,
        }
        if self.is_of_shard {
            f.write_str(", not counting the other shards")?;
        }
        write!(f, "; Cloud Monitor's free allowance is {}", number(FREE_REQUESTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESTIMATE: Estimate = Estimate {
        is_enabled: true,
        per_query: 9,
        per_month: 77_760,
        most_per_query: 3000.0,
        known_regions: 1,
        unknown_regions: 0,
        is_of_shard: false,
    };

    #[test]
    fn estimate_is_compared_with_the_allowance() {
        assert_eq!(
            ESTIMATE.to_string(),
            "a query of traffic takes 9 requests, 77,760 a month; Cloud Monitor's free allowance is 1,000,000"
        );
        let shard = Estimate { is_of_shard: true, ..ESTIMATE }.to_string();
        assert!(shard.contains("77,760 a month, not counting the other shards; Cloud Monitor's"), "{shard}");
        let off = Estimate { is_enabled: false, unknown_regions: 2, ..ESTIMATE };
        assert_eq!(
            off.to_string(),
            "traffic is off; with traffic.enabled: true a query takes 9 requests, 77,760 a month, not counting 2 regions whose \
             tunnels are not known; Cloud Monitor's free allowance is 1,000,000"
        );
    }

    #[test]
    fn unknown_tunnels_are_not_estimated_as_none() {
        let unknown =
            Estimate { per_query: 0, per_month: 0, known_regions: 0, unknown_regions: 3, ..ESTIMATE };
        assert_eq!(
            unknown.to_string(),
            "the requests of traffic are not known, because no tunnels could be listed"
        );
    }

    #[test]
    fn only_enabled_traffic_beyond_a_limit_warns() {
        let warnings = |estimate: Estimate| estimate.warnings().collect::<Vec<_>>();
        let at_limits = Estimate { per_query: 3000, per_month: FREE_REQUESTS, ..ESTIMATE };
        assert_eq!(warnings(at_limits), [""; 0]);
        let [expensive] = &warnings(Estimate { per_month: FREE_REQUESTS + 1, ..ESTIMATE })[..] else {
            panic!("one warning")
        };
        assert!(
            expensive.starts_with("traffic takes 1,000,001 requests a month, of which 1,000,000 are free;"),
            "{expensive}"
        );
        let [slow] = &warnings(Estimate { per_query: 3001, ..ESTIMATE })[..] else { panic!("one warning") };
        assert!(
            slow.starts_with("a query of traffic takes 3,001 requests, but at most 3000 can be sent"),
            "{slow}"
        );
        assert_eq!(warnings(Estimate { is_enabled: false, per_query: 3001, ..ESTIMATE }), [""; 0]);
    }
}
