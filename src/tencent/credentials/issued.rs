//! The wire format of temporary credentials, which the Security Token Service and the metadata service share.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::source::{Credentials, Expiry, Loaded, SourceError};
use crate::{
    domain::secret::Secret,
    tencent::{
        error::ApiError,
        field::{Field, text},
    },
};

/// Smaller clock differences are caused by network latency and the one-second resolution of `Date`.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(30);

/// Temporary credentials as received.
#[derive(Debug)]
pub struct Issued {
    credentials: Credentials,
    expires: Timestamp,
}

/// The fields of the credentials.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::tencent) struct IssuedFields<'a> {
    #[serde(borrow)]
    tmp_secret_id: Field<'a>,
    #[serde(borrow)]
    tmp_secret_key: Field<'a>,
    #[serde(borrow)]
    token: Field<'a>,
}

impl Issued {
    /// Parses the fields, and `ExpiredTime` in Unix seconds.
    pub(in crate::tencent) fn read(
        fields: &IssuedFields<'_>,
        expired_time: Field<'_>,
    ) -> Result<Self, ApiError> {
        let credentials = Credentials {
            secret_id: secret(fields.tmp_secret_id, "TmpSecretId")?,
            secret_key: secret(fields.tmp_secret_key, "TmpSecretKey")?,
            token: Some(secret(fields.token, "Token")?),
        };
        let expires = text(expired_time).and_then(|text| Timestamp::from_second(text.parse().ok()?).ok());
        let expires = expires.ok_or_else(|| malformed("ExpiredTime"))?;
        Ok(Self { credentials, expires })
    }

    /// The loaded credentials. `now` is the local time. `server_time` is used instead if the two are far apart.
    pub(in crate::tencent) fn loaded(
        self,
        origin: String,
        now: Timestamp,
        server_time: Option<Timestamp>,
    ) -> Result<Loaded, SourceError> {
        let far_apart = |time: &Timestamp| time.duration_since(now).abs() >= CLOCK_TOLERANCE;
        let now = server_time.filter(far_apart).unwrap_or(now);
        let remaining = Duration::try_from(self.expires.duration_since(now)).unwrap_or_default();
        if remaining.is_zero() {
            let expired = format!(
                "{origin}: the credentials had expired at {}; check the clock of that service",
                self.expires
            );
            return Err(SourceError::Failed(expired));
        }
        let expiry = Some(Expiry { time: self.expires, remaining });
        Ok(Loaded { credentials: self.credentials, origin, expiry })
    }
}

fn secret(field: Field<'_>, name: &str) -> Result<Secret, ApiError> {
    let text = text(field).filter(|text| !text.is_empty()).ok_or_else(|| malformed(name))?;
    Ok(Secret::new(text))
}

fn malformed(name: &str) -> ApiError {
    ApiError::malformed(format!("its {name} is missing or cannot be read"))
}
