//! `rate_limit` of the web configuration: a token bucket for requests.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::web_config::RateLimitConfig;

/// A bucket that is full at first, and gets a token after each interval.
#[derive(Debug)]
pub(super) struct RequestLimit {
    config: RateLimitConfig,
    /// When the bucket will be full again.
    full_at: Mutex<Instant>,
}

impl RequestLimit {
    /// A full bucket.
    pub(super) fn new(config: RateLimitConfig) -> Self {
        Self { config, full_at: Mutex::new(Instant::now()) }
    }

    /// The settings of the bucket.
    pub(super) fn config(&self) -> RateLimitConfig {
        self.config
    }

    /// Takes a token. If there is none, the error is the time until there is one.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let RateLimitConfig { interval, burst } = self.config;
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = (*full_at).max(now).checked_add(interval) else { return Err(interval) };
        let missing = (next - now).saturating_sub(interval.saturating_mul(burst));
        if !missing.is_zero() {
            return Err(missing);
        }
        *full_at = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn requests_beyond_the_burst_wait_for_tokens() {
        let limit = RequestLimit::new(RateLimitConfig { interval: SECOND, burst: 3 });
        let start = Instant::now() + SECOND;
        let allowed = |seconds: f64| limit.take(start + Duration::from_secs_f64(seconds));
        for _ in 0..3 {
            assert_eq!(allowed(0.0), Ok(()));
        }
        assert_eq!(allowed(0.0), Err(SECOND));
        assert_eq!(allowed(0.5), Err(SECOND / 2));
        assert_eq!(allowed(1.0), Ok(()));
        assert_eq!(allowed(1.5), Err(SECOND / 2));
        for _ in 0..3 {
            assert_eq!(allowed(100.0), Ok(()), "the bucket is full again");
        }
        assert!(allowed(100.0).is_err());
    }

    #[test]
    fn burst_of_zero_allows_nothing() {
        let limit = RequestLimit::new(RateLimitConfig { interval: SECOND, burst: 0 });
        assert!(limit.take(Instant::now() + 100 * SECOND).is_err());
    }
}
