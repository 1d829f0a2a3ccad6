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
use hyper::{Request, Response, Uri};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use relay_policy::certificate::quoted_words;

/// The longest answer, in bytes: a chain of certificates has a few thousand, a directory a thousand.
const ANSWER_LIMIT: usize = 64 * 1024;
/// The longest wait that the library is told of, in seconds: a week. Ours is bounded where it is used.
const RETRY_AFTER_LIMIT: u64 = 7 * 24 * 3600;
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
        let (mut head, body) = answer.map_err(|error| io::Error::other(format!("{error:#}")))?.into_parts();
        let retry_after = retry_after(&head.headers);
        *self.heard.lock() = Heard { status: Some(head.status.as_u16()), retry_after };
        if body.len() > ANSWER_LIMIT {
            return Err(io::Error::other(format!("its answer has more than {ANSWER_LIMIT} bytes")));
        }
        // The library adds the wait to a time, which panics for a long one.
        if retry_after.is_none_or(|seconds| seconds > RETRY_AFTER_LIMIT) {
            head.headers.remove(RETRY_AFTER);
        }
        if let Some(url) = odd_url(&body) {
            return Err(io::Error::other(format!("its answer has a URL that is none: {url}")));
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

/// A URL in a JSON answer that is none, shortened: the library takes what stands there for one, and panics.
fn odd_url(body: &[u8]) -> Option<String> {
    let answer = serde_json::from_slice::<serde_json::Value>(body).ok()?;
    let mut open = vec![&answer];
    while let Some(value) = open.pop() {
        match value {
            serde_json::Value::Array(list) => open.extend(list),
            serde_json::Value::Object(members) => open.extend(members.values()),
            serde_json::Value::String(text) if is_meant_as_url(text) && text.parse::<Uri>().is_err() => {
                return Some(quoted_words(text));
            }
            _ => {}
        }
    }
    None
}

/// Sentences of a problem document may name a URL; the library takes none of these for one.
fn is_meant_as_url(text: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme))
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

    use super::{odd_url, retry_after};

    #[test]
    fn a_url_that_is_none_is_found_wherever_it_stands() {
        for (answer, is_odd) in [
            (r#"{"newNonce":"https://ca.test/nonce","meta":{"website":"https://ca.test"}}"#, false),
            (r#"{"newNonce":"https://ca.test/a b"}"#, true),
            (r#"{"a":[{"url":"https://ca.test/\u0007"}]}"#, true),
            ("no JSON https://a b", false),
        ] {
            assert_eq!(odd_url(answer.as_bytes()).is_some(), is_odd, "{answer}");
        }
    }

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
