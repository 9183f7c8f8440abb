//! TLS, headers and passwords, as the web configuration file and the files that it names have them now.
//!
//! The files are read again when they change. Broken or weaker ones never replace what is in force.

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
    tls::{Pem, Tls, TlsError},
    web_config::{self, WebConfig},
};
use crate::{config::problem::Problems, regular_file};

/// The least time between two checks of the files. They are checked when a client connects or sends a request.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a client waits for a check: the files' mount may not answer.
const CHECK_TIMEOUT: Duration = Duration::from_millis(250);

/// Why a web configuration cannot be used.
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
    /// The digest of what was read last, valid or not.
    digest: [u8; 32],
    last_check: Instant,
    is_checking: bool,
}

/// What is in force.
pub(super) struct Rules {
    /// What a handshake needs; none for plain HTTP.
    pub(super) tls: Option<Tls>,
    /// Headers of every response.
    pub(super) headers: HeaderMap,
    /// The users who may log in.
    pub(super) users: Users,
}

impl Protection {
    /// Reads the file at `path`, and the files that it names.
    pub fn open(path: &Path) -> Result<Arc<Self>, WebConfigError> {
        let reading = Material::read(path);
        let digest = digest(&reading);
        let rules = Arc::new(Rules::new(reading?, None)?);
        let state =
            Mutex::new(ProtectionState { rules, digest, last_check: Instant::now(), is_checking: false });
        Ok(Arc::new(Self { path: path.to_owned(), state }))
    }

    /// Whether connections use TLS. This takes a restart to change.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.state().rules.tls.is_some()
    }

    /// The rules in force, after a check of the files where one is due.
    pub(super) async fn rules(self: &Arc<Self>) -> Arc<Rules> {
        if self.begin_check() {
            let protection = self.clone();
            let check = spawn_blocking(move || {
                protection.check();
                protection.state().is_checking = false;
            });
            // A check that takes longer goes on, and counts when it is done.
            let _ = timeout(CHECK_TIMEOUT, check).await;
        }
        self.state().rules.clone()
    }

    /// Whether a check is due. If so, it counts as begun.
    fn begin_check(&self) -> bool {
        let mut state = self.state();
        let is_due = !state.is_checking && state.last_check.elapsed() >= CHECK_INTERVAL;
        if is_due {
            (state.last_check, state.is_checking) = (Instant::now(), true);
        }
        is_due
    }

    /// Puts changed files in force, if they are valid and no weaker.
    fn check(&self) {
        let reading = Material::read(&self.path);
        let digest = digest(&reading);
        if digest == self.state().digest {
            return;
        }
        let before = self.state().rules.clone();
        let rules = reading.and_then(|material| Ok(Rules::new(material, Some(&before))?));
        let file = self.path.display();
        let mut state = self.state();
        state.digest = digest;
        match rules {
            // A file that is being written may be empty for a moment, so a reload never removes protection.
            Ok(rules) if let Some(removed) = before.removed_in(&rules) => {
                tracing::warn!(%file, would_remove = removed, "removing protection takes a restart; the old web configuration stays in force");
            }
            Ok(rules) if rules.tls.is_some() != before.tls.is_some() => {
                tracing::warn!(%file, "turning TLS on takes a restart; the old web configuration stays in force");
            }
            Ok(rules) => {
                state.rules = Arc::new(rules);
                tracing::info!(%file, "web configuration reloaded");
            }
            Err(error) => {
                tracing::warn!(%file, %error, "web configuration not reloaded; the old one stays in force");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, ProtectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rules {
    fn new(material: Material, before: Option<&Self>) -> Result<Self, TlsError> {
        let Material { config, pem, .. } = material;
        for warning in &config.warnings {
            tracing::warn!(%warning, "web configuration warning");
        }
        let tls = match (&config.tls, &pem) {
            (Some(config), Some(pem)) => Some(Tls::new(config, pem)?),
            _ => None,
        };
        let users = match before {
            None => Users::new(config.users),
            Some(before) => before.users.renewed(config.users),
        };
        Ok(Self { tls, headers: config.headers, users })
    }

    /// Each protection and its strength; 0 means none.
    fn protections(&self) -> [(&'static str, u8); 4] {
        let tls = self.tls.as_ref();
        [
            ("TLS", tls.is_some().into()),
            ("passwords", self.users.are_required().into()),
            ("client certificates", tls.map_or(0, Tls::client_verification)),
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
struct Material {
    config: WebConfig,
    /// The files for TLS, where it is configured.
    pem: Option<Pem>,
    digest: Sha256,
}

impl Material {
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
                cert: read(&tls.cert_file)?,
                key: read(&tls.key_file)?,
                client_ca: tls.clients.ca_file().map(read).transpose()?,
            }),
        };
        Ok(Self { config, pem, digest })
    }
}

/// A digest of what was read: of the contents, or of the error.
fn digest(reading: &Result<Material, WebConfigError>) -> [u8; 32] {
    match reading {
        Ok(material) => material.digest.clone().finalize().into(),
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
