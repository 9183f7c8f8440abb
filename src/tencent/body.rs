//! The bodies of answers: read whole, bounded in size and in how many are held at once, and zeroed when they are dropped.

use std::ops::Deref;

use reqwest::Response;
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

use super::{ApiError, client::connection};

/// The most that one answer may hold, in bytes, after decompression. A page of 100 real tunnels has about 160 KiB.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// An answer that is larger than this, in bytes, waits for a place among the large ones.
const LARGE_ANSWER_BYTES: usize = 256 * 1024;

/// How many large answers are held at once. Together with the others that is 96 MiB at most.
const MAX_LARGE_ANSWERS: usize = 8;

/// The body of an answer; it may hold secrets, and is zeroed when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    bytes: Zeroizing<Vec<u8>>,
    /// A large one's place among the large ones.
    place: Option<SemaphorePermit<'a>>,
}

impl Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The places for answers that are large.
#[derive(Debug)]
pub(super) struct Bodies(Semaphore);

impl Default for Bodies {
    fn default() -> Self {
        Self(Semaphore::new(MAX_LARGE_ANSWERS))
    }
}

impl Bodies {
    /// Reads a body whole, and no more of it than is allowed. A large one has its place for as long as it is held; who has
    /// one waits for nothing but bytes, so that no two answers can wait for each other.
    pub(super) async fn read(&self, mut response: Response) -> Result<Body<'_>, ApiError> {
        let mut body = Body::default();
        while let Some(chunk) = response.chunk().await.map_err(|error| connection(&error))? {
            let length = body.len() + chunk.len();
            if length > MAX_ANSWER_BYTES {
                let limit = MAX_ANSWER_BYTES / 1024 / 1024;
                return Err(ApiError::Malformed(format!("it is larger than {limit} MiB")));
            }
            if length > LARGE_ANSWER_BYTES && body.place.is_none() {
                body.place = Some(self.0.acquire().await.expect("the semaphore is never closed"));
            }
            append(&mut body.bytes, &chunk);
        }
        Ok(body)
    }
}

/// Appends to a buffer that may hold secrets. A buffer that grew by itself would leave copies of them behind.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let needed = body.len() + chunk.len();
    if needed > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(2 * needed));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}
