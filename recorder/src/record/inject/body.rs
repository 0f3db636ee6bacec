//! Bodies of requests that have to be read as a whole, within bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use tokio::time::timeout;

/// The largest body. A profile in it has some hundred kilobytes at most, and Linux takes no more than 6 MiB
/// of arguments and environment.
pub const LARGEST: usize = 8 << 20;

/// How much all of them may have that are being read at a time.
const ALL: usize = 64 << 20;

/// How long a client may take to send one.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a body was not read.
pub type Failure = (StatusCode, String);

/// Reads bodies, and counts the bytes that are held.
#[derive(Clone, Debug, Default)]
pub struct Bodies(Arc<AtomicUsize>);

/// A body that was read.
#[derive(Debug)]
pub struct Held {
    /// What is in it.
    pub bytes: Vec<u8>,
    all: Arc<AtomicUsize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl Held {
    fn extend(&mut self, more: &[u8]) -> Result<(), Failure> {
        if self.bytes.len() + more.len() > LARGEST {
            return Err((
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body has more than {} MiB. Send a smaller one", LARGEST >> 20),
            ));
        }
        let before = self.all.fetch_add(more.len(), Ordering::Relaxed);
        self.bytes.extend_from_slice(more);
        if before + more.len() > ALL {
            let why = "too many large bodies are sent at the same time. Try again".to_owned();
            return Err((StatusCode::SERVICE_UNAVAILABLE, why));
        }
        Ok(())
    }
}

impl Bodies {
    /// Reads a body to its end.
    pub async fn read(&self, mut body: Incoming) -> Result<Held, Failure> {
        let mut held = Held { bytes: Vec::new(), all: self.0.clone() };
        let reading = async {
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| {
                    (StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}"))
                })?;
                if let Some(more) = frame.data_ref() {
                    held.extend(more)?;
                }
            }
            Ok(())
        };
        match timeout(PATIENCE, reading).await {
            Ok(done) => done.map(|()| held),
            Err(_) => {
                let why =
                    format!("the body was not sent within {} s. Try again", PATIENCE.as_secs());
                Err((StatusCode::REQUEST_TIMEOUT, why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded() {
        let bodies = Bodies::default();
        let empty = || Held { bytes: Vec::new(), all: bodies.0.clone() };
        let half = vec![0; LARGEST / 2];
        let mut one = empty();
        one.extend(&half).unwrap();
        one.extend(&half).unwrap();
        assert_eq!(one.extend(&[0]).unwrap_err().0, StatusCode::PAYLOAD_TOO_LARGE);
        let mut others: Vec<_> = std::iter::repeat_with(empty).take(ALL / LARGEST - 1).collect();
        for other in &mut others {
            other.extend(&half).unwrap();
            other.extend(&half).unwrap();
        }
        assert_eq!(empty().extend(&[0]).unwrap_err().0, StatusCode::SERVICE_UNAVAILABLE);
        drop(others);
        empty().extend(&half).unwrap();
        drop(one);
        assert_eq!(bodies.0.load(Ordering::Relaxed), 0);
    }
}
