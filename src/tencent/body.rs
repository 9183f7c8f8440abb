//! The bodies of responses. Their size and the number of large ones are limited, and they are zeroed when dropped.

use std::ops::Deref;

use reqwest::Response;
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

use super::error::ApiError;

/// The largest body, in bytes, after decompression. A page of 100 real tunnels has about 160 KiB.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// A body that is larger than this, in bytes, needs a permit.
const LARGE_BODY_BYTES: usize = 256 * 1024;

/// The maximum number of large bodies in memory. All bodies together use at most 96 MiB.
const MAX_LARGE_BODIES: usize = 8;

/// The body of a response. It may contain secrets, so it is zeroed when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    bytes: Zeroizing<Vec<u8>>,
    /// A large body keeps its permit until it is dropped.
    permit: Option<SemaphorePermit<'a>>,
}

impl Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The permits for large bodies.
#[derive(Debug)]
pub(super) struct Bodies(Semaphore);

impl Default for Bodies {
    fn default() -> Self {
        Self(Semaphore::new(MAX_LARGE_BODIES))
    }
}

impl Bodies {
    /// Reads a whole body, up to the limit. A reader that holds a permit waits only for the network, so readers cannot
    /// deadlock.
    pub(super) async fn read(&self, mut response: Response) -> Result<Body<'_>, ApiError> {
        let mut body = Body::default();
        while let Some(chunk) = response.chunk().await.map_err(|error| ApiError::connection(&error))? {
            let length = body.len() + chunk.len();
            if length > MAX_BODY_BYTES {
                let limit = MAX_BODY_BYTES / 1024 / 1024;
                return Err(ApiError::malformed(format!("it is larger than {limit} MiB")));
            }
            if length > LARGE_BODY_BYTES && body.permit.is_none() {
                body.permit = Some(self.0.acquire().await.expect("the semaphore is never closed"));
            }
            append(&mut body.bytes, &chunk);
        }
        Ok(body)
    }
}

/// Appends to a buffer that may contain secrets. `Vec` itself would leave copies of them in memory when it reallocates.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let needed = body.len() + chunk.len();
    if needed > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(2 * needed));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}
