//! What the web configuration file asks for, as it is now: the file, and those that it names, are read again when they
//! change, and what is broken never takes the place of what works.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use hyper::HeaderMap;
use sha2::{Digest, Sha256};
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    auth::Users,
    config::{self, WebConfig},
    tls::{Pem, Tls, TlsError},
};
use crate::{config::problem::Problems, regular_file};

/// How often the files are looked at, at most; and only when somebody connects or asks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long who connects or asks waits for the files, which may be where nothing answers.
const LOOK_PATIENCE: Duration = Duration::from_millis(250);

/// Why a web configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebConfigError {
    /// The file says what it must not, or not what it must.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The files that it names do not fit, or any of them cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Protection by a web configuration file.
pub struct Protection {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    rules: Arc<Rules>,
    /// Of what was read last, be it good or not.
    digest: [u8; 32],
    looked: Instant,
    /// Whether somebody is looking, which takes long where a file does not answer.
    looking: bool,
}

/// What is asked of those who connect, and told to them.
pub(super) struct Rules {
    /// What a handshake needs; none for plain HTTP.
    pub(super) tls: Option<Tls>,
    /// Headers of every answer.
    pub(super) headers: HeaderMap,
    /// Who may log in.
    pub(super) users: Users,
}

impl Protection {
    /// Reads the file at `path`, and all that it names.
    pub fn open(path: &Path) -> Result<Arc<Self>, WebConfigError> {
        let reading = Material::read(path);
        let digest = digest(&reading);
        let rules = Arc::new(Rules::new(reading?, None)?);
        let state = Mutex::new(State { rules, digest, looked: Instant::now(), looking: false });
        Ok(Arc::new(Self { path: path.to_owned(), state }))
    }

    /// Whether TLS is spoken. This never changes: a file that loses its section must not open what was closed.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.state().rules.tls.is_some()
    }

    /// The rules as they are now.
    pub(super) async fn rules(self: &Arc<Self>) -> Arc<Rules> {
        let is_due = {
            let mut state = self.state();
            let is_due = !state.looking && state.looked.elapsed() >= LOOK_INTERVAL;
            if is_due {
                (state.looked, state.looking) = (Instant::now(), true);
            }
            is_due
        };
        if is_due {
            let protection = self.clone();
            let look = spawn_blocking(move || {
                protection.look();
                protection.state().looking = false;
            });
            // What takes longer holds from when it is done.
            let _ = timeout(LOOK_PATIENCE, look).await;
        }
        self.state().rules.clone()
    }

    /// Takes over what has changed, if it works.
    fn look(&self) {
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
            // A file that is being written may be cut off or empty for a moment, so a reload never removes protection.
            Ok(rules) if let Some(removed) = before.removed_in(&rules) => {
                tracing::warn!(%file, would_remove = removed, "removing protection takes a restart: the old web configuration stays in force");
            }
            Ok(rules) if rules.tls.is_some() != before.tls.is_some() => {
                tracing::warn!(%file, "turning TLS on takes a restart: the old web configuration stays in force");
            }
            Ok(rules) => {
                state.rules = Arc::new(rules);
                tracing::info!(%file, "web configuration or certificates changed, and were read again");
            }
            Err(error) => {
                tracing::warn!(%file, %error, "cannot use the new web configuration: the old one stays in force");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

impl Rules {
    fn new(material: Material, before: Option<&Self>) -> Result<Self, TlsError> {
        let Material { config, pem, .. } = material;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let tls = match (&config.tls, &pem) {
            (Some(config), Some(pem)) => Some(Tls::new(config, pem)?),
            _ => None,
        };
        let users = match before {
            None => Users::new(config.users),
            Some(before) => Users::renewed(config.users, &before.users),
        };
        Ok(Self { tls, headers: config.headers, users })
    }

    /// Each protection with its strength: 0 where there is none.
    fn protections(&self) -> [(&'static str, u8); 4] {
        let tls = self.tls.as_ref();
        [
            ("TLS", tls.is_some().into()),
            ("passwords", self.users.are_asked_for().into()),
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

/// A web configuration, and what is in the files that it names.
struct Material {
    config: WebConfig,
    /// The files for TLS, where it is configured.
    pem: Option<Pem>,
    digest: Sha256,
}

impl Material {
    /// Reads the file at `path`, and all that it names.
    fn read(path: &Path) -> Result<Self, WebConfigError> {
        let mut digest = Sha256::new();
        let mut read = |path: &Path| {
            let contents = contents(path)?;
            digest.update(contents.len().to_le_bytes());
            digest.update(&contents);
            Ok::<_, TlsError>(contents)
        };
        let text = String::from_utf8(read(path)?).map_err(|_| unreadable(path, "it is not UTF-8"))?;
        let config = config::read(path, &text)?;
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

/// Equal for what was read alike, be it good or not.
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
