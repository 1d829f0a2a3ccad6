//! The answers of deSEC.

use serde::Deserialize;
use serde_json::Value;

use crate::answer::{Answer, quoted};
use crate::error::UpdateError;
use crate::name::RecordName;

/// The most texts of others that are kept at a name.
const TEXTS_LIMIT: usize = 32;
/// The longest text of another that is kept, in bytes.
const TEXT_LIMIT: usize = 8192;
/// The largest least time to live that is believed, in seconds: a day.
const TTL_LIMIT: u32 = 86_400;
/// The least time to live where the service names none, in seconds.
const USUAL_TTL: u32 = 3600;

/// A domain at the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name.
    pub name: RecordName,
    /// The least time to live that its records may have, in seconds.
    pub minimum_ttl: u32,
}

impl Zone {
    /// The labels before the domain's own.
    pub(super) fn subname<'a>(&self, name: &'a RecordName) -> &'a str {
        name.relative_to(&self.name).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct DomainObject {
    name: String,
    minimum_ttl: Option<u32>,
}

#[derive(Deserialize)]
struct RecordSetObject {
    records: Vec<String>,
}

/// The result of replacing record sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// All are replaced.
    Whole,
    /// None is, since some were refused: for each, in order, the reason if it was.
    Refused(Vec<Option<String>>),
}

/// Reads the list of domains that a name is in.
///
/// # Errors
///
/// When the account has none, or the answer is a failure or makes no sense.
pub fn find_zone(answer: &Answer, name: &RecordName) -> Result<Zone, UpdateError> {
    if let Some(error) = failure(answer) {
        return Err(error);
    }
    let domains: Vec<DomainObject> = serde_json::from_str(&answer.body).map_err(|_| answer.nonsense())?;
    let zones = domains.into_iter().filter_map(|domain| {
        let minimum_ttl = domain.minimum_ttl.unwrap_or(USUAL_TTL).min(TTL_LIMIT);
        Some(Zone { name: domain.name.parse().ok()?, minimum_ttl })
    });
    let fitting = zones.filter(|zone| name.is_in(&zone.name));
    fitting.max_by_key(|zone| zone.name.as_str().len()).ok_or_else(|| {
        let words = format!(
            "There is no domain in this account at deSEC that {name} is in: add it there, or look at the name."
        );
        UpdateError::NoSuchName(words)
    })
}

/// Reads the texts at a name, in the notation of a zone file, and keeps those that are not SPF records: they are of
/// others, proofs of ownership for example.
///
/// # Errors
///
/// When the answer is a failure or makes no sense.
pub fn foreign_texts(answer: &Answer) -> Result<Vec<String>, UpdateError> {
    if let Some(error) = failure(answer) {
        return Err(error);
    }
    let sets: Vec<RecordSetObject> = serde_json::from_str(&answer.body).map_err(|_| answer.nonsense())?;
    let is_spf = |text: &String| {
        let text = text.trim_start_matches('"').to_ascii_lowercase();
        text == "v=spf1" || text.starts_with("v=spf1 ") || text.starts_with("v=spf1\"")
    };
    let texts = sets.into_iter().flat_map(|set| set.records);
    Ok(texts.filter(|text| text.len() <= TEXT_LIMIT && !is_spf(text)).take(TEXTS_LIMIT).collect())
}

/// Reads the result of replacing so many record sets.
///
/// # Errors
///
/// When the answer is a failure that is not about single sets, or makes no sense.
pub fn written(answer: &Answer, sets: usize) -> Result<Written, UpdateError> {
    match answer.status {
        200..300 => Ok(Written::Whole),
        400 => refused(answer, sets),
        404 => {
            let words = "deSEC does not have this domain any more: add it there, or look at the name.";
            Err(UpdateError::NoSuchName(words.to_owned()))
        }
        _ => Err(failure(answer).unwrap_or_else(|| answer.nonsense())),
    }
}

/// A list with one object for each set: an empty one, or the errors of each of its fields. Or one object about the request.
fn refused(answer: &Answer, sets: usize) -> Result<Written, UpdateError> {
    match serde_json::from_str(&answer.body) {
        Ok(Value::Array(list)) if list.len() == sets => {
            let reasons: Vec<Option<String>> = list.iter().map(reason).collect();
            if reasons.iter().all(Option::is_none) {
                Err(answer.nonsense())
            } else {
                Ok(Written::Refused(reasons))
            }
        }
        Ok(value @ Value::Object(_)) => {
            let reason = reason(&value).ok_or_else(|| answer.nonsense())?;
            Err(UpdateError::Records(format!("deSEC does not take the records: {reason}")))
        }
        _ => Err(answer.nonsense()),
    }
}

/// All sentences in an object of errors.
fn reason(errors: &Value) -> Option<String> {
    let mut sentences = Vec::new();
    collect(errors, &mut sentences);
    (!sentences.is_empty()).then(|| quoted(&sentences.join(" ")))
}

fn collect<'a>(value: &'a Value, sentences: &mut Vec<&'a str>) {
    match value {
        Value::String(sentence) if !sentence.trim().is_empty() => sentences.push(sentence),
        Value::Array(list) => list.iter().for_each(|value| collect(value, sentences)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, sentences)),
        _ => {}
    }
}

/// The failures of all requests, with the sentence in `detail`.
fn failure(answer: &Answer) -> Option<UpdateError> {
    let detail = serde_json::from_str::<Value>(&answer.body).ok().as_ref().and_then(reason);
    match answer.status {
        401 => {
            let words = "deSEC does not know the token: make a new one there and enter it.";
            Some(UpdateError::Credentials(words.to_owned()))
        }
        403 => {
            let reason = detail.map_or(String::new(), |detail| format!(" It says: {detail}"));
            let words = format!(
                "deSEC does not let this token do that: give it the permission there, or make one without \
                 restrictions.{reason}"
            );
            Some(UpdateError::Forbidden(words))
        }
        _ => Answer { body: detail.unwrap_or_default(), ..answer.clone() }.failure(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Written, Zone, find_zone, foreign_texts, written};
    use crate::answer::Answer;
    use crate::error::{Remedy, UpdateError};

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: None, body: body.into() }
    }

    #[test]
    fn the_domain_of_a_name_is_found() {
        let name = "box.home.dedyn.io".parse().unwrap();
        let found = |body: &str| find_zone(&answer(200, body), &name);
        let zone = Zone { name: "home.dedyn.io".parse().unwrap(), minimum_ttl: 60 };
        let body =
            r#"[{"created":"2026-01-01T00:00:00Z","name":"home.dedyn.io","minimum_ttl":60,"touched":null}]"#;
        assert_eq!(found(body), Ok(zone));
        for none in ["[]", r#"[{"name":"other.dedyn.io","minimum_ttl":60}]"#] {
            assert_eq!(found(none).unwrap_err().remedy(), Remedy::Settings);
        }
        for odd in ["", "{}", "[1]", r#"[{"name":1}]"#] {
            assert!(matches!(found(odd), Err(UpdateError::Trouble(..))), "{odd:?}");
        }
        let huge = r#"[{"name":"home.dedyn.io","minimum_ttl":4000000000}]"#;
        assert_eq!(found(huge).unwrap().minimum_ttl, 86_400);
    }

    #[test]
    fn each_refused_set_has_its_reason() {
        let body = r#"[{},{"records":[["Cannot parse record contents.","Odd."]],"ttl":["Too low."]}]"#;
        let reasons = vec![None, Some("Cannot parse record contents. Odd. Too low.".to_owned())];
        assert_eq!(written(&answer(400, body), 2), Ok(Written::Refused(reasons)));
        let whole = r#"{"non_field_errors":["Too many records."]}"#;
        let words = "deSEC does not take the records: Too many records.";
        assert_eq!(written(&answer(400, whole), 2), Err(UpdateError::Records(words.into())));
        for odd in ["", "[{}]", "[{},{}]", "{}", "null", "[{},{},{\"a\":\"b\"}]"] {
            assert!(matches!(written(&answer(400, odd), 2), Err(UpdateError::Trouble(..))), "{odd:?}");
        }
        assert_eq!(written(&answer(200, "[]"), 2), Ok(Written::Whole));
    }

    #[test]
    fn failures_are_told_apart() {
        let fails = |status, body: &str| written(&answer(status, body), 1).unwrap_err();
        assert!(matches!(fails(401, r#"{"detail":"Invalid token."}"#), UpdateError::Credentials(_)));
        let forbidden = fails(403, r#"{"detail":"Insufficient token permissions."}"#);
        let said = "restrictions. It says: Insufficient token permissions.";
        assert!(matches!(&forbidden, UpdateError::Forbidden(words) if words.ends_with(said)), "{forbidden}");
        assert!(matches!(fails(404, ""), UpdateError::NoSuchName(_)));
        let throttled = Answer { retry_after: Some(Duration::from_secs(57)), ..answer(429, "") };
        assert_eq!(written(&throttled, 1), Err(UpdateError::TooMany(Duration::from_secs(57))));
        assert!(matches!(fails(500, "<html>"), UpdateError::Trouble(..)));
    }

    #[test]
    fn texts_of_others_are_kept() {
        let body = r#"[{"type":"TXT","records":["\"v=spf1 -all\"","\"proof=1\"","\"v=SPF1\" \" a\""]}]"#;
        assert_eq!(foreign_texts(&answer(200, body)), Ok(vec!["\"proof=1\"".to_owned()]));
        assert_eq!(foreign_texts(&answer(200, "[]")), Ok(Vec::new()));
        assert!(foreign_texts(&answer(200, "{}")).is_err());
    }
}
