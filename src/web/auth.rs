//! Basic authentication by bcrypt, paid once for a password and not at each scrape.
//!
//! Of a password that was right only a keyed hash is kept. Who guesses learns nothing from the time it takes, be it
//! the user or the password that is wrong.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac, digest::CtOutput};
use hyper::{HeaderMap, header::AUTHORIZATION};
use rustls::crypto::ring;
use sha2::Sha256;
use tokio::{sync::Semaphore, task::spawn_blocking};
use zeroize::Zeroizing;

use crate::domain::secret::Secret;

/// How many passwords are checked at once. Each check takes a core for as long as its hash's cost demands.
const CHECKS: usize = 1;

/// How many may wait for that, before more are sent away.
const MAX_WAITING: usize = 32;

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    /// Its user and password are right, or none are asked for.
    Granted,
    /// They are missing or wrong.
    Denied,
    /// Too many passwords are being checked.
    Busy,
}

/// What is kept of a right password: a keyed hash, which is compared in constant time.
type Proof = CtOutput<Hmac<Sha256>>;

/// The users who may log in; without any, everyone may.
pub(super) struct Users {
    all: Vec<User>,
    /// The key of proofs, known to this value alone.
    key: Zeroizing<[u8; 32]>,
    waiting: Semaphore,
    checks: Arc<Semaphore>,
}

struct User {
    name: String,
    hash: Secret,
    proof: Mutex<Option<Proof>>,
}

impl Users {
    /// Users by their names, with the bcrypt hashes of their passwords; those whose hash stays have shown their passwords
    /// `before`.
    pub(super) fn renewed(hashes: BTreeMap<String, Secret>, before: &Self) -> Self {
        let mut users = Self::new(hashes);
        users.key.clone_from(&before.key);
        for user in &users.all {
            let known = before.all.iter().find(|known| known.name == user.name && known.hash == user.hash);
            let proof = known.and_then(|known| known.proof.lock().expect(UNPOISONED).clone());
            *user.proof.lock().expect(UNPOISONED) = proof;
        }
        users
    }

    /// Whether anybody has to show who they are.
    pub(super) fn are_asked_for(&self) -> bool {
        !self.all.is_empty()
    }

    /// Users by their names, with the bcrypt hashes of their passwords.
    pub(super) fn new(hashes: BTreeMap<String, Secret>) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let random = ring::default_provider().secure_random;
        random
            .fill(key.as_mut_slice())
            .expect("the system has randomness, without which there is no TLS either");
        let users = hashes.into_iter().map(|(name, hash)| User { name, hash, proof: Mutex::new(None) });
        Self {
            all: users.collect(),
            key,
            waiting: Semaphore::new(MAX_WAITING),
            checks: Arc::new(Semaphore::new(CHECKS)),
        }
    }

    /// Checks the user and password that a request carries.
    pub(super) async fn login(&self, headers: &HeaderMap) -> Login {
        if self.all.is_empty() {
            return Login::Granted;
        }
        let Some((name, password)) = credentials(headers) else {
            return Login::Denied;
        };
        let found = self.all.iter().find(|user| user.name.as_bytes() == name.as_slice());
        let user = found.unwrap_or_else(|| self.decoy(&name));
        // The name is part of it: no stranger's equals that of the decoy.
        let proof = self.proof(&name, &password);
        if user.is_proven(&proof) {
            return Login::Granted;
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return Login::Busy;
        };
        let check = self.checks.clone().acquire_owned().await.expect("this semaphore is never closed");
        // Another request may have brought the same password meanwhile.
        if user.is_proven(&proof) {
            return Login::Granted;
        }
        let hash = user.hash.clone();
        let is_right = spawn_blocking(move || {
            let _check = check;
            bcrypt::verify(password.as_slice(), hash.expose())
        });
        // Awaited for unknown users, too.
        let is_right = matches!(is_right.await, Ok(Ok(true)));
        if is_right && found.is_some() {
            *user.proof.lock().expect(UNPOISONED) = Some(proof);
            return Login::Granted;
        }
        Login::Denied
    }

    /// The user whose hash is checked in place of that of an unknown one, always the same for the same name: so that
    /// unknown users take as long as known ones, whatever the costs of the hashes.
    fn decoy(&self, name: &[u8]) -> &User {
        let choice = usize::from(self.proof(name, b"").into_bytes()[0]);
        &self.all[choice % self.all.len()]
    }

    fn proof(&self, name: &[u8], password: &[u8]) -> Proof {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.key.as_slice()).expect("HMAC takes keys of any length");
        mac.update(&name.len().to_le_bytes());
        mac.update(name);
        mac.update(password);
        mac.finalize()
    }
}

const UNPOISONED: &str = "nothing panics while it holds this lock";

impl User {
    fn is_proven(&self, proof: &Proof) -> bool {
        self.proof.lock().expect(UNPOISONED).as_ref() == Some(proof)
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

    fn users(hashes: &[(&str, &str, u32)]) -> Users {
        let hash = |password, cost| Secret::new(bcrypt::hash(password, cost).unwrap());
        Users::new(
            hashes.iter().map(|(name, password, cost)| ((*name).to_owned(), hash(password, *cost))).collect(),
        )
    }

    fn basic(name: &str, password: &str) -> HeaderMap {
        header(&format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
    }

    fn header(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
    }

    #[tokio::test]
    async fn who_has_shown_a_password_need_not_again_after_a_reload_unless_its_hash_changed() {
        let hash = |password| Secret::new(bcrypt::hash(password, 4).unwrap());
        let [ann, ben] = ["sesame", "open"].map(hash);
        let hashes = |ben| BTreeMap::from([("ann".to_owned(), ann.clone()), ("ben".to_owned(), ben)]);
        let before = Users::new(hashes(ben));
        for (name, password) in [("ann", "sesame"), ("ben", "open")] {
            assert_eq!(before.login(&basic(name, password)).await, Login::Granted);
        }
        let after = Users::renewed(hashes(hash("open")), &before);
        let proven = |user: &User| user.proof.lock().unwrap().is_some();
        assert_eq!(after.all.iter().map(proven).collect::<Vec<_>>(), [true, false]);
        // No place is left to wait in for a check, and none is needed.
        let _all = after.waiting.try_acquire_many(u32::try_from(MAX_WAITING).unwrap()).unwrap();
        assert_eq!(after.login(&basic("ann", "sesame")).await, Login::Granted);
        assert_eq!(after.login(&basic("ben", "open")).await, Login::Busy);
    }

    #[tokio::test]
    async fn right_password_is_granted_and_any_other_denied() {
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
    async fn what_is_no_basic_authentication_is_denied() {
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
    async fn without_users_everyone_may() {
        assert_eq!(users(&[]).login(&HeaderMap::new()).await, Login::Granted);
    }

    #[tokio::test]
    async fn right_password_is_paid_for_once() {
        let users = users(&[("ann", "sesame", 4)]);
        assert_eq!(users.login(&basic("ann", "sesame")).await, Login::Granted);
        // No place is left to wait in for a check.
        let _all = users.waiting.try_acquire_many(u32::try_from(MAX_WAITING).unwrap()).unwrap();
        assert_eq!(users.login(&basic("ann", "sesame")).await, Login::Granted);
        assert_eq!(users.login(&basic("ann", "sesam")).await, Login::Busy, "no other password profits");
    }

    #[tokio::test]
    async fn unknown_user_costs_what_a_wrong_password_costs() {
        let users = users(&[("ann", "sesame", 4)]);
        let hash = users.decoy(b"ben").hash.clone();
        assert_eq!(hash, users.all[0].hash, "it is checked against a hash of the same cost");
        let check = users.checks.acquire().await.unwrap();
        for name in ["ann", "ben"] {
            let login = users.login(&basic(name, "wrong")).now_or_never();
            assert_eq!(login, None, "{name} does not wait for a check");
        }
        drop(check);
        for name in ["ann", "ben"] {
            assert_eq!(users.login(&basic(name, "wrong")).await, Login::Denied);
        }
    }

    #[tokio::test]
    async fn unknown_user_with_the_decoys_password_is_denied_each_time() {
        let users = users(&[("ann", "sesame", 4)]);
        assert_eq!(users.login(&basic("ann", "sesame")).await, Login::Granted);
        for _ in 0..2 {
            assert_eq!(users.login(&basic("ben", "sesame")).await, Login::Denied);
        }
    }

    #[tokio::test]
    async fn flood_of_guesses_is_sent_away_and_does_not_lock_out_who_is_known() {
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
