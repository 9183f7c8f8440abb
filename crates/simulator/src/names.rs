//! Identifiers in Tencent's format, and realistic names of sites and tunnels.

use std::collections::HashSet;

use fastrand::Rng;

const KINDS: [&str; 6] = ["branch", "warehouse", "factory", "office", "partner", "store"];
const TOWNS: [&str; 31] = [
    "rotterdam",
    "munich",
    "lyon",
    "porto",
    "gdansk",
    "malmo",
    "turin",
    "bilbao",
    "ghent",
    "graz",
    "brno",
    "cork",
    "leeds",
    "bergen",
    "tartu",
    "izmir",
    "haifa",
    "pune",
    "hanoi",
    "cebu",
    "medan",
    "penang",
    "daegu",
    "osaka",
    "xiamen",
    "suzhou",
    "dalian",
    "perth",
    "lima",
    "quito",
    "austin",
];

/// The name of a tunnel by its number in its region. Each site has two tunnels, a primary and a backup.
pub(super) fn tunnel_name(number: usize) -> String {
    let role = if number.is_multiple_of(2) { "primary" } else { "backup" };
    format!("{}-{role}", site_name(number / 2))
}

/// The name of a site, and of its customer gateway, by its number in its region.
pub(super) fn site_name(site: usize) -> String {
    let (kind, town) = (KINDS[site % KINDS.len()], TOWNS[site % TOWNS.len()]);
    match site / (KINDS.len() * TOWNS.len()) {
        0 => format!("{kind}-{town}"),
        round => format!("{kind}-{town}-{}", round + 1),
    }
}

/// Generates unique identifiers.
#[derive(Debug, Default)]
pub(super) struct Identifiers {
    drawn: HashSet<String>,
}

impl Identifiers {
    /// An identifier such as `vpnx-f49l6u0z`: a prefix, a hyphen and eight characters.
    pub(super) fn draw(&mut self, prefix: &str, rng: &mut Rng) -> String {
        loop {
            let id = format!("{prefix}-{}", text(8, rng, |rng| rng.digit(36)));
            if self.drawn.insert(id.clone()) {
                return id;
            }
        }
    }
}

/// Whether a text has the format of an identifier with this prefix.
pub(super) fn is_identifier(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).is_some_and(|rest| {
        rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// A text of `length` random characters.
pub(super) fn text(length: usize, rng: &mut Rng, draw: impl Fn(&mut Rng) -> char) -> String {
    (0..length).map(|_| draw(rng)).collect()
}

/// A random UUID for a response. It does not depend on the seed.
pub(super) fn request_id() -> String {
    let hex = format!("{:032x}", fastrand::u128(..));
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnel_names_are_unique() {
        let names: HashSet<_> = (0..10_000).map(tunnel_name).collect();
        assert_eq!(names.len(), 10_000);
        assert_eq!(tunnel_name(0), "branch-rotterdam-primary");
        assert_eq!(tunnel_name(1), "branch-rotterdam-backup");
    }

    #[test]
    fn identifiers_have_the_documented_shape() {
        let id = Identifiers::default().draw("vpnx", &mut Rng::with_seed(1));
        assert!(is_identifier(&id, "vpnx"), "{id}");
        assert!(is_identifier("vpngw-6x0wxvtp", "vpngw"));
        for bad in ["", "vpnx", "vpnx-", "vpnx-f49l6u0", "vpnx-f49l6u0zz", "vpnx-F49L6U0Z", "vpngw-6x0wxvtp"]
        {
            assert!(!is_identifier(bad, "vpnx"), "{bad:?}");
        }
    }

    #[test]
    fn a_request_id_is_a_uuid() {
        let id = request_id();
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_eq!((&id[14..15], &id[19..20]), ("4", "a"));
    }
}
