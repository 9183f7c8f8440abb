//! The page's headline: one sentence that summarizes all targets and tunnels.

use super::{
    summary::{PollStatus, Summary},
    text::counted,
};
use crate::domain::{display::number, gateway_status::GatewayStatus, tunnel_status::TunnelStatus};

/// The headline and its severity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Headline {
    pub(super) words: String,
    pub(super) severity: Severity,
}

/// The severity of the worst problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// A tunnel is down, a gateway is broken, or a poll fails.
    Bad,
    /// A status is not known.
    Unsure,
    /// All tunnels are up, idle, pending or deleting.
    Good,
}

impl Headline {
    pub(super) fn of(summary: &Summary<'_>) -> Self {
        let (targets, failing, unseen) =
            (summary.targets.len(), summary.failing_targets(), summary.accounts_without_regions());
        let waiting = summary.count_targets(PollStatus::Waiting);
        let broken = summary.broken_gateways.len();
        let [down, unknown] =
            [TunnelStatus::Down, TunnelStatus::Unknown].map(|tunnel_status| summary.count(tunnel_status));
        if targets == 0 && unseen == 0 {
            return Self {
                words: "No targets yet: no tunnel is polled".to_owned(),
                severity: Severity::Unsure,
            };
        }
        if waiting == targets && unseen == 0 {
            return Self { words: "Waiting for the first polls".to_owned(), severity: Severity::Unsure };
        }
        let mut clauses = Vec::new();
        if down > 0 {
            clauses.push(format!("{} down", counted(down, "tunnel")));
        }
        clauses.extend(broken_gateways(summary));
        if failing > 0 {
            clauses.push(format!("polls fail for {} of {}", number(failing), counted(targets, "target")));
        }
        if unseen > 0 {
            clauses.push(format!("{} without known regions", counted(unseen, "account")));
        }
        if unknown > 0 {
            clauses.push(match (down, broken) {
                (1.., 0) => format!("{} unknown", number(unknown)),
                _ => format!("{} unknown", counted(unknown, "tunnel")),
            });
        }
        if waiting > 0 {
            clauses.push(format!("{} not polled yet", counted(waiting, "target")));
        }
        let severity = match (down + broken + failing + unseen, unknown + waiting) {
            (1.., _) => Severity::Bad,
            (0, 1..) => Severity::Unsure,
            (0, 0) => Severity::Good,
        };
        let words = if clauses.is_empty() { no_problems(summary) } else { capitalized(&clauses.join(", ")) };
        Self { words, severity }
    }
}

/// The clauses about broken gateways: `1 gateway isolated`.
pub(super) fn broken_gateways(summary: &Summary<'_>) -> impl Iterator<Item = String> {
    let statuses = [
        (GatewayStatus::Isolated, "isolated"),
        (GatewayStatus::AddressBlocked, "blocked"),
        (GatewayStatus::Error, "in error"),
    ];
    let counts = statuses.map(|(status, word)| (summary.count_gateways(status), word));
    let present = counts.into_iter().filter(|(count, _)| *count > 0);
    present.map(|(count, word)| format!("{} {word}", counted(count, "gateway")))
}

fn no_problems(summary: &Summary<'_>) -> String {
    let up = summary.count(TunnelStatus::Up);
    let others = [TunnelStatus::Idle, TunnelStatus::Pending, TunnelStatus::Deleting];
    let counts = [TunnelStatus::Up].into_iter().chain(others).map(|status| (summary.count(status), status));
    let present: Vec<_> = counts.filter(|(count, _)| *count > 0).collect();
    match &present[..] {
        [] => "No tunnels".to_owned(),
        [_] if up > 1 => format!("All {} up", counted(up, "tunnel")),
        [(count, status), rest @ ..] => {
            let first = format!("{} {status}", counted(*count, "tunnel"));
            let rest = rest.iter().map(|(count, status)| format!(", {} {status}", number(*count)));
            first + &rest.collect::<String>()
        }
    }
}

pub(super) fn capitalized(words: &str) -> String {
    let mut characters = words.chars();
    characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect()
}

impl Severity {
    /// The CSS class.
    pub(super) fn slug(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Unsure => "unsure",
            Self::Good => "good",
        }
    }

    /// A shape that shows the severity without colour.
    pub(super) fn shape(self) -> &'static str {
        match self {
            Self::Bad => "▼",
            Self::Unsure => "◆",
            Self::Good => "▲",
        }
    }

    /// The page's icon, in the same shape, for tabs in the background.
    pub(super) fn icon(self) -> String {
        let (color, path) = match self {
            Self::Bad => ("d92d20", "M1 3h14L8 15z"),
            Self::Unsure => ("c77700", "M8 0l8 8-8 8-8-8z"),
            Self::Good => ("2e9e5b", "M1 13h14L8 1z"),
        };
        format!(
            "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
             %3Cpath fill='%23{color}' d='{path}'/%3E%3C/svg%3E"
        )
    }
}
