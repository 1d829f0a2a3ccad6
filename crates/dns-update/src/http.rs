//! Requests by HTTP, whose answers and errors show no secret.

use std::time::Duration;

use http_body_util::Full;
use https_client::{HttpsClient, RequestLimits};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request};
use mail_types::{Secret, UnixTime};

use crate::answer::{Answer, quoted, retry_after};
use crate::error::UpdateError;

/// The bounds of one request: the longest answer is a list of records with their errors.
const LIMITS: RequestLimits = RequestLimits { time: Duration::from_secs(30), bytes: 256 * 1024 };
/// The name of this program; dyndns2 providers block clients without one.
const AGENT: &str = concat!("Hearth/", env!("CARGO_PKG_VERSION"));
/// The text in the place of a secret.
const HIDDEN: &str = "[secret]";

/// A client for the requests to one provider.
#[derive(Clone)]
pub(crate) struct Http {
    client: HttpsClient,
    /// Never to be shown, nor is their form in a URL.
    secrets: Vec<String>,
}

/// One request.
pub(crate) struct Question<'a> {
    pub(crate) method: Method,
    pub(crate) url: String,
    /// The value of `Authorization`.
    pub(crate) authorization: Option<&'a Secret>,
    /// A body in JSON.
    pub(crate) json: Option<String>,
}

impl Http {
    pub(crate) fn new(client: HttpsClient, secrets: Vec<Vec<u8>>) -> Self {
        let texts = secrets.iter().map(|secret| String::from_utf8_lossy(secret).into_owned());
        let mut secrets: Vec<String> =
            texts.flat_map(|text| [percent_encoded(&text), text]).filter(|text| !text.is_empty()).collect();
        // The longest first: another may be a part of it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { client, secrets }
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// When no answer comes.
    pub(crate) async fn ask(&self, question: Question<'_>, now: UnixTime) -> Result<Answer, UpdateError> {
        let request = request(question)?;
        let response = self.client.send(request, LIMITS).await.map_err(|error| {
            // Errors name no URL today; the library may think otherwise tomorrow.
            let reason = quoted(&self.without_secrets(&format!("{error:#}")));
            UpdateError::Unreachable(format!("The DNS provider cannot be reached: {reason}"))
        })?;
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after: wait.and_then(|value| retry_after(value, now)),
            body: self.without_secrets(&String::from_utf8_lossy(response.body())),
        })
    }

    fn without_secrets(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }
}

fn request(question: Question<'_>) -> Result<Request<Full<Bytes>>, UpdateError> {
    let mut request = Request::builder()
        .method(question.method)
        .uri(question.url)
        .header(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(secret) = question.authorization {
        let mut value = HeaderValue::from_bytes(secret.expose()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    if question.json.is_some() {
        request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request.body(Full::new(Bytes::from(question.json.unwrap_or_default()))).map_err(|_| unusable())
}

/// The settings' constructors have checked URLs and credentials; the library's own words may have the URL in them.
fn unusable() -> UpdateError {
    let words = "The URL or the credentials for the DNS provider cannot be used: enter them again.";
    UpdateError::Credentials(words.to_owned())
}

/// A text as it stands in the path or the query of a URL (RFC 3986 section 2.1): all but unreserved characters encoded.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use https_client::HttpsClient;
    use rustls::RootCertStore;

    use super::{Http, percent_encoded};

    #[test]
    fn urls_have_unreserved_characters_only() {
        assert_eq!(percent_encoded("a-1.b_~ ?&=%ä"), "a-1.b_~%20%3F%26%3D%25%C3%A4");
    }

    #[test]
    fn a_secret_is_hidden_in_every_form() {
        let client = HttpsClient::new(RootCertStore::empty()).unwrap();
        let http = Http::new(client, vec![b"a+b".to_vec(), b"a+bc".to_vec(), Vec::new()]);
        let text = http.without_secrets("GET /?t=a%2Bb&u=a+bc failed");
        assert_eq!(text, "GET /?t=[secret]&u=[secret] failed");
    }
}
