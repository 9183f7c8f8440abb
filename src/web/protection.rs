//! The current TLS settings, headers and passwords from the web configuration file and the files that it names.
//!
//! The files are read again when they change. Invalid files, and files that remove protection, never replace the active rules.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::HeaderMap;
use sha2::{Digest, Sha256};
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    auth::Users,
    request_limit::RequestLimit,
    tls::{Pem, Tls, TlsError},
    web_config::{self, WebConfig},
};
use crate::{config::problem::Problems, regular_file};

/// The minimum time between two checks of the files. They are checked when a client connects or sends a request.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a client waits for a check: the files' mount may not respond.
const CHECK_TIMEOUT: Duration = Duration::from_millis(250);

/// The reason why a web configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebConfigError {
    /// The file has problems.
    #[error(transparent)]
    Config(#[from] Problems),
    /// A file cannot be read, or TLS cannot be set up from them.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Protection by a web configuration file.
pub struct Protection {
    path: PathBuf,
    state: Mutex<ProtectionState>,
}

struct ProtectionState {
    rules: Arc<Rules>,
    /// The digest of the last read, successful or not.
    digest: [u8; 32],
    last_check: Instant,
    is_checking: bool,
}

/// The active rules.
pub(super) struct Rules {
    /// The TLS settings; `None` for plain HTTP.
    pub(super) tls: Option<Tls>,
    /// Headers of every response.
    pub(super) headers: HeaderMap,
    /// The users who may log in.
    pub(super) users: Users,
    /// The limit of requests, if configured.
    pub(super) limit: Option<Arc<RequestLimit>>,
}

impl Protection {
    /// Reads the file at `path`, and the files that it names.
    pub fn open(path: &Path) -> Result<Arc<Self>, WebConfigError> {
        let read = WebFiles::read(path);
        let digest = digest(&read);
        let rules = Arc::new(Rules::new(read?, None)?);
        let state =
            Mutex::new(ProtectionState { rules, digest, last_check: Instant::now(), is_checking: false });
        Ok(Arc::new(Self { path: path.to_owned(), state }))
    }

    /// Whether connections use TLS. A change needs a restart.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.state().rules.tls.is_some()
    }

    /// The active rules. Checks the files first if a check is due.
    pub(super) async fn rules(self: &Arc<Self>) -> Arc<Rules> {
        if self.start_check() {
            let protection = self.clone();
            let check = spawn_blocking(move || {
                protection.check();
                protection.state().is_checking = false;
            });
            // A slower check continues in the background and takes effect later.
            let _ = timeout(CHECK_TIMEOUT, check).await;
        }
        self.state().rules.clone()
    }

    /// Returns true, and marks the check as running, if a check is due.
    fn start_check(&self) -> bool {
        let mut state = self.state();
        let is_due = !state.is_checking && state.last_check.elapsed() >= CHECK_INTERVAL;
        if is_due {
            (state.last_check, state.is_checking) = (Instant::now(), true);
        }
        is_due
    }

    /// Applies changed files if they are valid and do not remove protection.
    fn check(&self) {
        let read = WebFiles::read(&self.path);
        let digest = digest(&read);
        if digest == self.state().digest {
            return;
        }
        let before = self.state().rules.clone();
        let rules = read.and_then(|files| Ok(Rules::new(files, Some(&before))?));
        let file = self.path.display();
        self.state().digest = digest;
        match rules {
            // A file that is being written may be empty for a moment, so a reload never removes protection.
            Ok(rules) if let Some(removed) = before.removed_in(&rules) => {
                tracing::warn!(%file, would_remove = removed, "removing protection needs a restart; the old web configuration stays in use");
            }
            Ok(rules) if rules.tls.is_some() != before.tls.is_some() => {
                tracing::warn!(%file, "turning TLS on needs a restart; the old web configuration stays in use");
            }
            Ok(rules) => {
                self.state().rules = Arc::new(rules);
                tracing::info!(%file, "web configuration reloaded");
            }
            Err(error) => {
                tracing::warn!(%file, %error, "web configuration not reloaded; the old one stays in use");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, ProtectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rules {
    fn new(files: WebFiles, before: Option<&Self>) -> Result<Self, TlsError> {
        let WebFiles { config, pem, .. } = files;
        for warning in &config.warnings {
            tracing::warn!(%warning, "web configuration warning");
        }
        let tls = match (&config.tls, &pem) {
            (Some(config), Some(pem)) => Some(Tls::new(config, pem)?),
            _ => None,
        };
        let users = match before {
            None => Users::new(config.users),
            Some(before) => before.users.with_hashes(config.users),
        };
        let limit = config.rate_limit.map(|config| {
            let same =
                before.and_then(|before| before.limit.clone()).filter(|limit| limit.config() == config);
            same.unwrap_or_else(|| Arc::new(RequestLimit::new(config)))
        });
        Ok(Self { tls, headers: config.headers, users, limit })
    }

    /// Each protection and its strength; 0 means none.
    fn protections(&self) -> [(&'static str, u8); 5] {
        let tls = self.tls.as_ref();
        [
            ("TLS", tls.is_some().into()),
            ("passwords", self.users.are_required().into()),
            ("client certificates", tls.map_or(0, Tls::client_verification)),
            ("the rate limit", self.limit.is_some().into()),
            ("allowed names of client certificates", tls.is_some_and(Tls::limits_client_names).into()),
        ]
    }

    /// The protections that are weaker in `new`, if any.
    fn removed_in(&self, new: &Self) -> Option<String> {
        let pairs = self.protections().into_iter().zip(new.protections());
        let removed = pairs.filter(|(old, new)| new.1 < old.1).map(|(old, _)| old.0);
        let removed = removed.collect::<Vec<_>>().join(", ");
        (!removed.is_empty()).then_some(removed)
    }
}

/// A web configuration, and the contents of the files that it names.
struct WebFiles {
    config: WebConfig,
    /// The files for TLS, if it is configured.
    pem: Option<Pem>,
    digest: Sha256,
}

impl WebFiles {
    /// Reads the file at `path`, and the files that it names.
    fn read(path: &Path) -> Result<Self, WebConfigError> {
        let mut digest = Sha256::new();
        let mut read = |path: &Path| {
            let contents = contents(path)?;
            digest.update(contents.len().to_le_bytes());
            digest.update(&contents);
            Ok::<_, TlsError>(contents)
        };
        let text = String::from_utf8(read(path)?).map_err(|_| unreadable(path, "it is not UTF-8"))?;
        let config = web_config::read(path, &text)?;
        let pem = match &config.tls {
            None => None,
            Some(tls) => Some(Pem {
                cert: tls.cert.contents(&mut read)?,
                key: tls.key.contents(&mut read)?,
                client_ca: tls.clients.ca().map(|ca| ca.contents(&mut read)).transpose()?,
            }),
        };
        Ok(Self { config, pem, digest })
    }
}

/// A digest of the contents, or of the error.
fn digest(read: &Result<WebFiles, WebConfigError>) -> [u8; 32] {
    match read {
        Ok(files) => files.digest.clone().finalize().into(),
        Err(error) => Sha256::digest(error.to_string()).into(),
    }
}

/// Reads a regular file of at most 1 MiB.
pub(super) fn contents(path: &Path) -> Result<Vec<u8>, TlsError> {
    regular_file::read(path).map_err(|error| unreadable(path, &error.to_string()))
}

fn unreadable(path: &Path, cause: &str) -> TlsError {
    TlsError::Unreadable { file: path.display().to_string(), cause: cause.to_owned() }
}
