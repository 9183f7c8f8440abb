//! Basic authentication with bcrypt hashes.
//!
//! A bcrypt check uses a whole CPU core, so checks run on a blocking thread, one at a time. A keyed digest of each correct
//! password is cached, so a correct password is checked only once.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use hyper::{HeaderMap, header::AUTHORIZATION};
use rustls::crypto::ring;
use sha2::Sha256;
use tokio::{sync::Semaphore, task::spawn_blocking};
use zeroize::Zeroizing;

use crate::domain::secret::Secret;

/// The maximum number of concurrent checks.
const MAX_CHECKS: usize = 1;

/// The maximum number of waiting and running checks; further ones are refused.
const MAX_WAITING: usize = 32;

/// The maximum number of cached passwords. One user can have several: bcrypt ignores everything after 72 bytes.
const MAX_REMEMBERED: usize = 1000;

/// The result of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    /// The user and password are correct, or no users are configured.
    Granted,
    /// They are missing or wrong.
    Denied,
    /// Too many passwords are being checked.
    Busy,
}

/// The configured users. Without any, no password is needed.
pub(super) struct Users {
    hashes: BTreeMap<String, Secret>,
    checks: Arc<Checks>,
}

/// Checks passwords; kept over reloads.
struct Checks {
    /// The key of the digests.
    key: Zeroizing<[u8; 32]>,
    /// The digests of correct passwords, each together with the user's hash: a changed hash invalidates them.
    known: Mutex<HashSet<[u8; 32]>>,
    waiting: Semaphore,
    running: Arc<Semaphore>,
}

impl Users {
    /// Users by name, with the bcrypt hashes of their passwords.
    pub(super) fn new(hashes: BTreeMap<String, Secret>) -> Self {
        Self { hashes, checks: Arc::new(Checks::new()) }
    }

    /// New users after a reload. The cache of correct passwords is kept.
    pub(super) fn with_hashes(&self, hashes: BTreeMap<String, Secret>) -> Self {
        Self { hashes, checks: Arc::clone(&self.checks) }
    }

    /// Whether a password is needed.
    pub(super) fn are_required(&self) -> bool {
        !self.hashes.is_empty()
    }

    /// Checks the user and password of a request.
    pub(super) async fn login(&self, headers: &HeaderMap) -> Login {
        // An unknown user is checked against any hash, so that the response time does not reveal whether the user exists.
        let Some(any_hash) = self.hashes.values().next() else { return Login::Granted };
        let Some((name, password)) = credentials(headers) else { return Login::Denied };
        let hash = str::from_utf8(&name).ok().and_then(|name| self.hashes.get(name));
        match (self.checks.check(hash.unwrap_or(any_hash), password, hash.is_some()).await, hash) {
            (Login::Granted, None) => Login::Denied,
            (login, _) => login,
        }
    }
}

impl Checks {
    fn new() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let random = ring::default_provider().secure_random;
        random.fill(key.as_mut_slice()).expect("the system has randomness: TLS needs it too");
        Self {
            key,
            known: Mutex::default(),
            waiting: Semaphore::new(MAX_WAITING),
            running: Arc::new(Semaphore::new(MAX_CHECKS)),
        }
    }

    /// Checks a password against a hash. `remembers` is false for an unknown user: every check must take the same time.
    async fn check(&self, hash: &Secret, password: Zeroizing<Vec<u8>>, remembers: bool) -> Login {
        let digest = self.digest(hash, &password);
        let is_known = || remembers && self.known_passwords().contains(&digest);
        if is_known() {
            return Login::Granted;
        }
        let Ok(_waiting) = self.waiting.try_acquire() else { return Login::Busy };
        let running = self.running.clone().acquire_owned().await.expect("this semaphore is never closed");
        // Another request may have checked the same password in the meantime.
        if is_known() {
            return Login::Granted;
        }
        let hash = hash.clone();
        let check = spawn_blocking(move || {
            let _running = running;
            bcrypt::verify(password.as_slice(), hash.expose())
        });
        if !matches!(check.await, Ok(Ok(true))) {
            return Login::Denied;
        }
        if remembers {
            self.remember(digest);
        }
        Login::Granted
    }

    fn remember(&self, digest: [u8; 32]) {
        let mut known = self.known_passwords();
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(digest);
    }

    fn digest(&self, hash: &Secret, password: &[u8]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.key.as_slice()).expect("HMAC takes keys of any length");
        // A bcrypt hash has no NUL, so the separator is unambiguous.
        mac.update(hash.expose().as_bytes());
        mac.update(b"\0");
        mac.update(password);
        mac.finalize().into_bytes().into()
    }

    fn known_passwords(&self) -> MutexGuard<'_, HashSet<[u8; 32]>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The user and password of `Authorization: Basic …` (RFC 7617).
fn credentials(headers: &HeaderMap) -> Option<(Vec<u8>, Zeroizing<Vec<u8>>)> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let (name, password) = decoded.split_at(colon);
    Some((name.to_vec(), Zeroizing::new(password[1..].to_vec())))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use hyper::header::HeaderValue;

    use super::*;

    fn hash(password: &str, cost: u32) -> Secret {
        Secret::new(bcrypt::hash(password, cost).unwrap())
    }

    fn users(passwords: &[(&str, &str, u32)]) -> Users {
        let hashes = passwords.iter().map(|&(name, password, cost)| (name.to_owned(), hash(password, cost)));
        Users::new(hashes.collect())
    }

    fn basic(name: &str, password: &str) -> HeaderMap {
        header(&format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
    }

    fn header(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
    }

    /// Leaves no room for another check.
    fn fill(users: &Users) -> tokio::sync::SemaphorePermit<'_> {
        users.checks.waiting.try_acquire_many(u32::try_from(MAX_WAITING).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn reload_remembers_passwords_with_unchanged_hashes() {
        let [ann, ben] = ["sesame", "open"].map(|password| hash(password, 4));
        let hashes = |ben| BTreeMap::from([("ann".to_owned(), ann.clone()), ("ben".to_owned(), ben)]);
        let before = Users::new(hashes(ben));
        for (name, password) in [("ann", "sesame"), ("ben", "open")] {
            assert_eq!(before.login(&basic(name, password)).await, Login::Granted);
        }
        let after = before.with_hashes(hashes(hash("open", 4)));
        let _all = fill(&after);
        assert_eq!(after.login(&basic("ann", "sesame")).await, Login::Granted);
        assert_eq!(after.login(&basic("ben", "open")).await, Login::Busy);
    }

    #[tokio::test]
    async fn right_password_is_granted_and_others_denied() {
        let users = users(&[("ann", "open:sesame", 4), ("ben", "", 4)]);
        assert_eq!(users.login(&basic("ann", "open:sesame")).await, Login::Granted);
        assert_eq!(users.login(&basic("ben", "")).await, Login::Granted);
        for (name, password) in [
            ("ann", "open"),
            ("ann", ""),
            ("ben", "open:sesame"),
            ("cid", "open:sesame"),
            ("Ann", "open:sesame"),
            ("", ""),
        ] {
            assert_eq!(users.login(&basic(name, password)).await, Login::Denied, "{name}:{password}");
        }
    }

    #[tokio::test]
    async fn other_authorization_is_denied() {
        let users = users(&[("ann", "sesame", 4)]);
        assert_eq!(users.login(&HeaderMap::new()).await, Login::Denied);
        for authorization in
            ["Basic", "Basic ", "Basic ???", "Bearer YW5uOnNlc2FtZQ==", "Basic YW5u", "YW5uOnNlc2FtZQ=="]
        {
            assert_eq!(users.login(&header(authorization)).await, Login::Denied, "{authorization}");
        }
        assert_eq!(users.login(&header("bAsIc YW5uOnNlc2FtZQ==")).await, Login::Granted);
    }

    #[tokio::test]
    async fn without_users_no_password_is_needed() {
        assert_eq!(users(&[]).login(&HeaderMap::new()).await, Login::Granted);
    }

    #[tokio::test]
    async fn right_password_is_checked_once() {
        let users = users(&[("ann", "sesame", 4)]);
        assert_eq!(users.login(&basic("ann", "sesame")).await, Login::Granted);
        let _all = fill(&users);
        assert_eq!(users.login(&basic("ann", "sesame")).await, Login::Granted);
        assert_eq!(users.login(&basic("ann", "sesam")).await, Login::Busy, "no other password profits");
    }

    #[tokio::test]
    async fn unknown_user_waits_for_a_check_too() {
        let users = users(&[("ann", "sesame", 4)]);
        let running = users.checks.running.acquire().await.unwrap();
        for name in ["ann", "ben"] {
            let login = users.login(&basic(name, "wrong")).now_or_never();
            assert_eq!(login, None, "{name} does not wait for a check");
        }
        drop(running);
        for name in ["ann", "ben"] {
            assert_eq!(users.login(&basic(name, "wrong")).await, Login::Denied);
        }
    }

    #[tokio::test]
    async fn unknown_user_with_a_known_password_is_denied() {
        let users = users(&[("ann", "sesame", 4)]);
        assert_eq!(users.login(&basic("ann", "sesame")).await, Login::Granted);
        for _ in 0..2 {
            assert_eq!(users.login(&basic("ben", "sesame")).await, Login::Denied);
        }
        let _all = fill(&users);
        assert_eq!(users.login(&basic("ben", "sesame")).await, Login::Busy, "it takes a check each time");
    }

    #[tokio::test]
    async fn flood_of_guesses_does_not_block_known_passwords() {
        let users = users(&[("ann", "sesame", 8)]);
        assert_eq!(users.login(&basic("ann", "sesame")).await, Login::Granted);
        let guesses: Vec<_> = (0..MAX_WAITING + 3).map(|guess| basic("ann", &guess.to_string())).collect();
        let flood = futures_util::future::join_all(guesses.iter().map(|guess| users.login(guess)));
        let known = async {
            tokio::task::yield_now().await;
            users.login(&basic("ann", "sesame")).await
        };
        let (known, flood) = tokio::join!(known, flood);
        assert_eq!(known, Login::Granted);
        assert_eq!(flood.iter().filter(|login| **login == Login::Busy).count(), 3);
        assert!(!flood.contains(&Login::Granted));
    }
}
