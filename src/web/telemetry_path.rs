//! `--web.telemetry-path`.

/// A path that needs no escaping and does not collide with another path of the server, except `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryPath(String);

/// An invalid telemetry path.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "telemetry path `{0}` must be `/` and any of A-Z a-z 0-9 / . _ ~ -, and not below `/-/`: the usual one is /metrics"
)]
pub struct InvalidTelemetryPath(String);

impl TelemetryPath {
    /// Checks a path.
    pub fn new(path: &str) -> Result<Self, InvalidTelemetryPath> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
        // A browser would read `//name` as another host.
        let taken = path.starts_with("/-/") || path.starts_with("//");
        if path.starts_with('/') && path.bytes().all(plain) && !taken {
            return Ok(Self(path.to_owned()));
        }
        Err(InvalidTelemetryPath(path.to_owned()))
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_telemetry_paths_are_accepted() {
        for path in ["/metrics", "/", "/a/b.c", "/federate_~-1"] {
            assert_eq!(TelemetryPath::new(path).unwrap().as_str(), path);
        }
    }

    #[test]
    fn misleading_telemetry_paths_are_refused() {
        for path in
            ["", "metrics", "/a b", "/?x", "/<b>", "/é", "/-/healthy", "/-/x", "//example.org", "/%41"]
        {
            assert_eq!(TelemetryPath::new(path), Err(InvalidTelemetryPath(path.to_owned())));
        }
    }
}
