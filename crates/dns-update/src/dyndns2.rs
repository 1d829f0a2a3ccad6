//! The dyndns2 protocol: the addresses of one name, by a GET of an update URL.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hyper::Method;
use mail_types::{Secret, UnixTime};

use crate::answer::Answer;
use crate::error::UpdateError;
use crate::http::{Http, Question};
use crate::name::RecordName;
use crate::settings::basic_credentials;
use crate::template::Template;

/// The least pause after `911` and `dnserr`, as the protocol has it.
const TROUBLE_PAUSE: Duration = Duration::from_secs(30 * 60);

/// A provider that speaks dyndns2.
pub(crate) struct Dyndns2 {
    http: Http,
    template: Template,
    authorization: Option<Secret>,
}

impl Dyndns2 {
    pub(crate) fn new(http: Http, template: Template, login: Option<&(String, Secret)>) -> Self {
        let authorization =
            login.map(|(user, password)| Secret::new(format!("Basic {}", basic_credentials(user, password))));
        Self { http, template, authorization }
    }

    /// Sets the addresses of a name.
    ///
    /// # Errors
    ///
    /// As [`read`] says; or when no answer comes.
    pub(crate) async fn update(
        &self,
        name: &RecordName,
        (four, six): (Option<Ipv4Addr>, Option<Ipv6Addr>),
        now: UnixTime,
    ) -> Result<(), UpdateError> {
        let question = Question {
            method: Method::GET,
            url: self.template.url(name.as_str(), four, six),
            authorization: self.authorization.as_ref(),
            json: None,
        };
        read(&self.http.ask(question, now).await?)
    }
}

/// Reads the answer: a return code, or an HTTP status.
///
/// # Errors
///
/// For every code but `good` and `nochg`.
pub fn read(answer: &Answer) -> Result<(), UpdateError> {
    let code = answer.body.split_ascii_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let words = |words: &str| words.to_owned();
    match code.as_str() {
        _ if answer.status >= 500 || answer.status == 429 => {}
        // Not in the protocol, but some providers answer so.
        "good" | "nochg" | "ok" if (200..300).contains(&answer.status) => return Ok(()),
        "badauth" => {
            let words = words("The DNS provider does not know this user or password: enter them again.");
            return Err(UpdateError::Credentials(words));
        }
        "!donator" => {
            let words = words("The DNS provider offers this only to customers who pay for it.");
            return Err(UpdateError::Forbidden(words));
        }
        "notfqdn" => {
            let words = words("The DNS provider wants a whole name with its domain: look at the name.");
            return Err(UpdateError::NoSuchName(words));
        }
        "nohost" | "!yours" => {
            let words = words("The name is not among those of this user at the DNS provider: look at both.");
            return Err(UpdateError::NoSuchName(words));
        }
        "numhost" => {
            let words = words("The DNS provider wants fewer names at once: look at the update URL.");
            return Err(UpdateError::NoSuchName(words));
        }
        "abuse" => {
            let words = words(
                "The DNS provider has blocked the name for too many updates: ask it to unblock the name.",
            );
            return Err(UpdateError::Blocked(words));
        }
        "badagent" => {
            let words = words("The DNS provider does not take updates from this program or in this form.");
            return Err(UpdateError::Blocked(words));
        }
        "dnserr" | "911" => {
            let words = words("The DNS provider has a trouble of its own and asks for patience.");
            return Err(UpdateError::Trouble(
                words,
                answer.retry_after.unwrap_or_default().max(TROUBLE_PAUSE),
            ));
        }
        _ => {}
    }
    match (answer.failure(), answer.status) {
        (Some(_), 404) => Err(UpdateError::NoSuchName(words(
            "The DNS provider has nothing at the update URL (status 404): look up the right one.",
        ))),
        (Some(error), _) => Err(error),
        (None, _) => Err(answer.nonsense()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::read;
    use crate::answer::Answer;
    use crate::error::Remedy;

    #[track_caller]
    fn check(status: u16, body: &str, expected: Option<Remedy>) {
        let answer = Answer { status, retry_after: None, body: body.into() };
        assert_eq!(read(&answer).map_err(|error| error.remedy()).err(), expected, "{body:?}");
    }

    #[test]
    fn every_code_has_its_remedy() {
        for body in ["good 192.0.2.1", "nochg 192.0.2.1\r\n", "good", "OK"] {
            check(200, body, None);
        }
        for body in
            ["badauth", "notfqdn", "nohost", "numhost", "abuse", "badagent", "!donator", "!yours", "BADAUTH"]
        {
            check(200, body, Some(Remedy::Settings));
        }
        check(401, "badauth", Some(Remedy::Settings));
        check(401, "", Some(Remedy::Settings));
        check(404, "<html>", Some(Remedy::Settings));
        let wait = |seconds| Some(Remedy::Wait(Duration::from_secs(seconds)));
        check(200, "911", wait(1800));
        check(200, "dnserr", wait(1800));
        check(200, "", wait(900));
        check(200, "<html>good</html>", wait(900));
        check(500, "good", wait(60));
        check(429, "abuse", wait(900));
    }
}
