//! The requests of the ACME library over the workspace's HTTPS client, within limits of time and size. What the library
//! forgets of an answer is remembered: its status and its `Retry-After`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use host::clock;
use host::locks::Mutex;
use http_body_util::{BodyExt, Full};
use https_client::{HttpsClient, RequestLimits};
use hyper::body::Bytes;
use hyper::header::{HeaderMap, RETRY_AFTER};
use hyper::{Request, Response};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

/// The longest answer, in bytes: a chain of certificates has a few thousand, a directory a thousand.
const ANSWER_LIMIT: usize = 64 * 1024;
/// The longest wait for one answer.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// The way to an authority. Clones share the memory of the last answer.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    client: HttpsClient,
    heard: Arc<Mutex<Heard>>,
}

/// The head of the last answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Its status; none if no answer came.
    pub(crate) status: Option<u16>,
    /// Its `Retry-After`, in seconds from its arrival.
    pub(crate) retry_after: Option<u64>,
}

impl Transport {
    pub(crate) fn new(client: HttpsClient) -> Self {
        Self { client, heard: Arc::default() }
    }

    /// The head of the last answer.
    pub(crate) fn heard(&self) -> Heard {
        *self.heard.lock()
    }

    async fn exchange(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, io::Error> {
        *self.heard.lock() = Heard::default();
        let (head, body) = request.into_parts();
        // "Use of HTTPS is REQUIRED" (RFC 8555 section 6.1), also where an answer of the authority names another URL.
        if head.uri.scheme_str() != Some("https") {
            return Err(io::Error::other(format!(
                "the authority names a URL that is not HTTPS: {}",
                head.uri
            )));
        }
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        // One byte more than the limit shows that the answer is longer.
        let limits = RequestLimits { time: REQUEST_TIME, bytes: ANSWER_LIMIT + 1 };
        let answer = self.client.send(Request::from_parts(head, Full::new(body)), limits).await;
        let (head, body) = answer.map_err(|error| io::Error::other(format!("{error:#}")))?.into_parts();
        *self.heard.lock() =
            Heard { status: Some(head.status.as_u16()), retry_after: retry_after(&head.headers) };
        if body.len() > ANSWER_LIMIT {
            return Err(io::Error::other(format!("its answer has more than {ANSWER_LIMIT} bytes")));
        }
        Ok(BytesResponse::from(Response::from_parts(head, Full::new(Bytes::from(body)))))
    }
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let exchange = self.clone().exchange(request);
        Box::pin(async { exchange.await.map_err(|error| Error::Other(Box::new(error))) })
    }
}

/// Retry-After = HTTP-date / delay-seconds (RFC 9110 section 10.2.3), as seconds from now.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(seconds);
    }
    let date = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(date.as_secs().saturating_sub(clock::wall().0))
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderMap, HeaderValue, RETRY_AFTER};

    use super::retry_after;

    #[test]
    fn a_wait_is_a_number_or_a_date() {
        let after = |value: &'static str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]))
        };
        assert_eq!(after("120"), Some(120));
        assert_eq!(after(" 0 "), Some(0));
        assert_eq!(after("Fri, 31 Dec 1999 23:59:59 GMT"), Some(0));
        assert!(after("Fri, 31 Dec 9999 23:59:59 GMT").is_some_and(|seconds| seconds > 1 << 32));
        for wrong in ["", "soon", "-1", "99999999999999999999999"] {
            assert_eq!(after(wrong), None, "{wrong}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
