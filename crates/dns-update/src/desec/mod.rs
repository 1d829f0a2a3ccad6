//! deSEC: all records of a domain, by a REST API in JSON (<https://desec.readthedocs.io>).

mod answers;

use std::collections::BTreeSet;

use host::locks::Mutex;
use hyper::Method;
use mail_types::{Secret, UnixTime};
use serde::Serialize;

pub use answers::{Written, Zone, find_zone, foreign_texts, written};

use crate::answer::Answer;
use crate::applied::{Applied, Refused};
use crate::error::UpdateError;
use crate::http::{Http, Question, percent_encoded};
use crate::name::RecordName;
use crate::rdata::{Rdata, RecordKind};
use crate::records::RecordSet;

/// The service, with the credentials for one name.
pub(crate) struct Desec {
    http: Http,
    base: String,
    authorization: Secret,
    /// The owner's name.
    name: RecordName,
    /// The domain that the name is in, once it is known.
    zone: Mutex<Option<Zone>>,
}

/// A record set in a request.
#[derive(Clone, Serialize)]
struct Item<'a> {
    subname: &'a str,
    r#type: &'static str,
    ttl: u32,
    records: BTreeSet<String>,
}

impl Desec {
    pub(crate) fn new(http: Http, base: String, token: &Secret, name: RecordName) -> Self {
        let authorization = Secret::new([b"Token ", token.expose()].concat());
        Self { http, base, authorization, name, zone: Mutex::new(None) }
    }

    /// Replaces record sets below the owner's name in one request; in a second one without those that were refused, where
    /// there are some. Texts of others at the owner's name stay.
    ///
    /// # Errors
    ///
    /// As [`written`] says; or when there is no such domain, or no answer comes.
    pub(crate) async fn replace(&self, sets: &[RecordSet], now: UnixTime) -> Result<Applied, UpdateError> {
        let zone = self.zone(now).await?;
        let is_shared = |set: &RecordSet| set.name == self.name && set.kind == RecordKind::Txt;
        let foreign = if sets.iter().any(is_shared) {
            let place = format!("?subname={}&type=TXT", zone.subname(&self.name));
            foreign_texts(&self.ask(Method::GET, &self.rrsets(&zone, &place), None, now).await?)?
        } else {
            Vec::new()
        };
        let mut applied = Applied::default();
        let mut rest = sets.to_vec();
        // Twice: a third time would find nothing that the second has not said.
        for _ in 0..2 {
            if rest.is_empty() {
                return Ok(applied);
            }
            let items: Vec<Item<'_>> = rest
                .iter()
                .map(|set| item(&zone, set, if is_shared(set) { &foreign } else { &[] }))
                .collect();
            match self.patch(&zone, &items, now).await? {
                Written::Whole => return Ok(applied),
                Written::Refused(reasons) => {
                    let mut reasons = reasons.into_iter();
                    let mut kept = Vec::new();
                    for set in rest {
                        match reasons.next().flatten() {
                            Some(reason) => applied.refused.push(Refused { set, reason }),
                            None => kept.push(set),
                        }
                    }
                    rest = kept;
                }
            }
        }
        let reason = "deSEC refuses it together with others.";
        applied.refused.extend(rest.into_iter().map(|set| Refused { set, reason: reason.to_owned() }));
        Ok(applied)
    }

    async fn patch(&self, zone: &Zone, items: &[Item<'_>], now: UnixTime) -> Result<Written, UpdateError> {
        let json = serde_json::to_string(items)
            .map_err(|_| UpdateError::Records("The records cannot be written in JSON.".to_owned()))?;
        let answer = self.ask(Method::PATCH, &self.rrsets(zone, ""), Some(json), now).await?;
        if answer.status == 404 {
            // Removed there, or moved to another domain.
            *self.zone.lock() = None;
        }
        written(&answer, items.len())
    }

    /// The domain that the owner's name is in.
    async fn zone(&self, now: UnixTime) -> Result<Zone, UpdateError> {
        if let Some(zone) = self.zone.lock().clone() {
            return Ok(zone);
        }
        let url = format!("{}/domains/?owns_qname={}", self.base, percent_encoded(self.name.as_str()));
        let zone = find_zone(&self.ask(Method::GET, &url, None, now).await?, &self.name)?;
        *self.zone.lock() = Some(zone.clone());
        Ok(zone)
    }

    fn rrsets(&self, zone: &Zone, query: &str) -> String {
        format!("{}/domains/{}/rrsets/{query}", self.base, zone.name)
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        json: Option<String>,
        now: UnixTime,
    ) -> Result<Answer, UpdateError> {
        let authorization = Some(&self.authorization);
        self.http.ask(Question { method, url: url.to_owned(), authorization, json }, now).await
    }
}

fn item<'a>(zone: &Zone, set: &'a RecordSet, foreign: &[String]) -> Item<'a> {
    let own = set.data.iter().map(Rdata::to_string);
    Item {
        subname: zone.subname(&set.name),
        r#type: set.kind.as_str(),
        ttl: set.ttl.max(zone.minimum_ttl),
        records: own.chain(foreign.iter().cloned()).collect(),
    }
}
