//! DuckDNS: the addresses of one name and one text, by a GET with everything in the query.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::Method;
use mail_types::{Secret, UnixTime};

use crate::answer::Answer;
use crate::error::UpdateError;
use crate::http::{Http, Question, percent_encoded};

/// The service, with the credentials for one name.
pub(crate) struct DuckDns {
    http: Http,
    base: String,
    label: String,
    token: Secret,
}

impl DuckDns {
    pub(crate) fn new(http: Http, base: String, label: String, token: Secret) -> Self {
        Self { http, base, label, token }
    }

    /// Sets the addresses; with [`Before::Cleared`] those that there are not are removed.
    ///
    /// # Errors
    ///
    /// As [`read`] says; or when no answer comes.
    pub(crate) async fn update(
        &self,
        (four, six): (Option<Ipv4Addr>, Option<Ipv6Addr>),
        before: Before,
        now: UnixTime,
    ) -> Result<(), UpdateError> {
        if before == Before::Cleared {
            self.ask("&clear=true", now).await?;
        }
        let four = four.map(|four| format!("&ip={four}"));
        // With an IPv6 address, the service does not take the sender's for the IPv4 address.
        let six = six.map(|six| format!("&ipv6={}", percent_encoded(&six.to_string())));
        match four.into_iter().chain(six).collect::<String>() {
            none if none.is_empty() => Ok(()),
            addresses => self.ask(&addresses, now).await,
        }
    }

    /// Sets the text of the name and of all names below it.
    ///
    /// # Errors
    ///
    /// As for [`DuckDns::update`].
    pub(crate) async fn set_text(&self, text: &str, now: UnixTime) -> Result<(), UpdateError> {
        self.ask(&format!("&txt={}", percent_encoded(text)), now).await
    }

    /// Removes the text.
    ///
    /// # Errors
    ///
    /// As for [`DuckDns::update`].
    pub(crate) async fn clear_text(&self, now: UnixTime) -> Result<(), UpdateError> {
        self.ask("&txt=&clear=true", now).await
    }

    async fn ask(&self, parameters: &str, now: UnixTime) -> Result<(), UpdateError> {
        let token = percent_encoded(&String::from_utf8_lossy(self.token.expose()));
        let url = format!("{}/update?domains={}&token={token}{parameters}", self.base, self.label);
        let question = Question { method: Method::GET, url, authorization: None, json: None };
        read(&self.http.ask(question, now).await?)
    }
}

/// The addresses that a name had before an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// They stay where there is no new one.
    Kept,
    /// They are removed.
    Cleared,
}

/// Reads the answer: `OK` or `KO`.
///
/// # Errors
///
/// For everything but `OK`.
pub fn read(answer: &Answer) -> Result<(), UpdateError> {
    if let Some(error) = answer.failure() {
        return Err(error);
    }
    match answer.body.split_ascii_whitespace().next() {
        Some("OK") => Ok(()),
        Some("KO") => {
            let words = "DuckDNS refuses the token for this name: look at both.";
            Err(UpdateError::Credentials(words.to_owned()))
        }
        _ => Err(answer.nonsense()),
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::answer::Answer;
    use crate::error::Remedy;

    #[test]
    fn the_two_words_are_told_apart_from_anything_else() {
        let remedy = |body: &str| {
            let answer = Answer { status: 200, retry_after: None, body: body.into() };
            read(&answer).map_err(|error| error.remedy())
        };
        assert_eq!(remedy("OK"), Ok(()));
        assert_eq!(remedy("OK\n192.0.2.1\n\nUPDATED"), Ok(()));
        assert_eq!(remedy("KO"), Err(Remedy::Settings));
        for body in ["", "OKAY", "<html>OK"] {
            assert!(matches!(remedy(body), Err(Remedy::Wait(_))), "{body:?}");
        }
    }
}
