//! The rate limit: a maximum number of requests in any second, for each account, region and action.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::error::ApiError;

const WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Limit {
    granted: HashMap<(String, String, &'static str), VecDeque<Instant>>,
}

impl Limit {
    /// Accepts or refuses a request. Refused requests do not count. An empty region stands for all regions.
    pub(super) fn grant(
        &mut self,
        account: &str,
        region: &str,
        action: &'static str,
        per_second: usize,
        now: Instant,
    ) -> Result<(), ApiError> {
        let granted = self.granted.entry((account.to_owned(), region.to_owned(), action)).or_default();
        while granted.front().is_some_and(|&first| now.duration_since(first) >= WINDOW) {
            granted.pop_front();
        }
        if granted.len() >= per_second {
            let message = format!("More than {per_second} requests of {action} were made within a second.");
            return Err(ApiError::new("RequestLimitExceeded", message));
        }
        granted.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limit_is_per_account_region_and_action() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut limit = Limit::default();
        let mut granted = |account, region, action, now| limit.grant(account, region, action, 2, now).is_ok();
        assert!(granted("1", "eu", "Describe", at(0)));
        assert!(granted("1", "eu", "Describe", at(600)));
        assert!(!granted("1", "eu", "Describe", at(999)));
        assert!(granted("2", "eu", "Describe", at(999)));
        assert!(granted("1", "ap", "Describe", at(999)));
        assert!(granted("1", "eu", "Delete", at(999)));
        assert!(granted("1", "eu", "Describe", at(1000)));
        assert!(!granted("1", "eu", "Describe", at(1599)), "only one of the two has left the window");
    }
}
