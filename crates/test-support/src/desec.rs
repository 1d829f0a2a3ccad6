//! deSEC as its documentation describes it: domains, record sets written in bulk as a whole or not at all, tokens,
//! throttling.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::http_server::{Reply, Request, Server};

/// The token that may do everything.
pub const TOKEN: &str = "hush-whole_token";
/// A token that may read only.
pub const RESTRICTED: &str = "hush-restricted_token";

/// The limits of writes to a domain: so many within so many seconds.
const WRITES: [(u64, usize); 4] = [(1, 2), (60, 15), (3600, 100), (86_400, 300)];

/// Record sets by subname and type: time to live and records.
pub type Zone = BTreeMap<(String, String), (u64, Vec<String>)>;

/// The state of the service.
#[derive(Default)]
pub struct Model {
    /// Domains with their least times to live.
    pub domains: BTreeMap<String, (u64, Zone)>,
    /// A type that it does not take.
    pub unknown_type: Option<&'static str>,
    /// The time, in seconds.
    pub now: u64,
    /// Answers that are given instead of the next writes.
    pub instead: Vec<Reply>,
    writes: Vec<u64>,
    /// The number of requests that were throttled.
    pub throttled: usize,
}

/// The service on a free port.
pub struct Desec {
    /// The server, which remembers the requests.
    pub server: Server,
    /// The state.
    pub model: Arc<Mutex<Model>>,
}

impl Desec {
    /// With one domain, whose records may have no shorter time to live than this.
    pub async fn start(domain: &str, minimum_ttl: u64) -> Self {
        let model = Arc::new(Mutex::new(Model::of(domain, minimum_ttl)));
        let shared = Arc::clone(&model);
        Self { server: Server::start(move |request| shared.lock().unwrap().answer(request)).await, model }
    }

    /// The records of a set of the only domain, with their time to live in front.
    #[must_use]
    pub fn records(&self, subname: &str, kind: &str) -> Option<String> {
        let model = self.model.lock().unwrap();
        let (_, zone) = model.domains.values().next().unwrap();
        zone.get(&(subname.to_owned(), kind.to_owned()))
            .map(|(ttl, records)| format!("{ttl}: {}", records.join(", ")))
    }

    /// Writes a record of another.
    pub fn enter(&self, subname: &str, kind: &str, record: &str) {
        let mut model = self.model.lock().unwrap();
        let (ttl, zone) = model.domains.values_mut().next().unwrap();
        let set = zone.entry((subname.to_owned(), kind.to_owned())).or_insert((*ttl, Vec::new()));
        set.1.push(record.to_owned());
    }
}

fn detail(status: u16, text: &str) -> Reply {
    Reply::Answer(status, json!({ "detail": text }).to_string())
}

impl Model {
    /// With one domain, whose records may have no shorter time to live than this.
    #[must_use]
    pub fn of(domain: &str, minimum_ttl: u64) -> Self {
        let domains = BTreeMap::from([(domain.to_owned(), (minimum_ttl, Zone::new()))]);
        Self { domains, ..Self::default() }
    }

    /// All records as lines of a zone file (RFC 1035 section 5), with full names.
    #[must_use]
    pub fn zone_file(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (domain, (_, zone)) in &self.domains {
            for ((subname, kind), (ttl, records)) in zone {
                let dot = if subname.is_empty() { "" } else { "." };
                let line = |record: &String| format!("{subname}{dot}{domain}. {ttl} {kind} {record}");
                lines.extend(records.iter().map(line));
            }
        }
        lines
    }

    /// The answer to a request.
    pub fn answer(&mut self, request: &Request) -> Reply {
        match request.field("authorization") {
            given if given == format!("Token {TOKEN}") => {}
            given if given == format!("Token {RESTRICTED}") && request.method == "GET" => {}
            given if given == format!("Token {RESTRICTED}") => {
                return detail(403, "Insufficient token permissions.");
            }
            _ => return detail(401, "Invalid token."),
        }
        let path = request.target.split('?').next().unwrap();
        let Some(rest) = path.strip_prefix("/api/v1/domains/") else { return detail(404, "Not found.") };
        match (request.method.as_str(), rest.split_once('/')) {
            ("GET", None) => self.domains_of(&request.parameter("owns_qname").unwrap()),
            ("GET", Some((domain, "rrsets/"))) => self.list(domain, request),
            ("PATCH", Some((domain, "rrsets/"))) => self.write(domain, &request.body),
            _ => detail(404, "Not found."),
        }
    }

    fn domains_of(&self, name: &str) -> Reply {
        let owns = |domain: &String| name == domain || name.ends_with(&format!(".{domain}"));
        let found = self.domains.iter().filter(|(domain, _)| owns(domain));
        let objects = found.map(|(domain, (ttl, _))| {
            json!({ "created": "2026-01-01T00:00:00Z", "name": domain, "minimum_ttl": ttl, "touched": null })
        });
        Reply::Answer(200, Value::Array(objects.collect()).to_string())
    }

    fn list(&self, domain: &str, request: &Request) -> Reply {
        let Some((_, zone)) = self.domains.get(domain) else { return detail(404, "Not found.") };
        let key = (request.parameter("subname").unwrap(), request.parameter("type").unwrap());
        let sets = zone.get(&key).map(|(ttl, records)| {
            json!({ "domain": domain, "subname": key.0, "type": key.1, "ttl": ttl, "records": records })
        });
        Reply::Answer(200, Value::Array(sets.into_iter().collect()).to_string())
    }

    fn write(&mut self, domain: &str, body: &str) -> Reply {
        if !self.instead.is_empty() {
            return self.instead.remove(0);
        }
        let Some((minimum_ttl, zone)) = self.domains.get_mut(domain) else {
            return detail(404, "Not found.");
        };
        for (seconds, number) in WRITES {
            if self.writes.iter().filter(|write| **write + seconds > self.now).count() >= number {
                self.throttled += 1;
                let text = json!({ "detail": "Request was throttled. Expected available in 57 seconds." });
                return Reply::RetryAfter(429, "57", text.to_string());
            }
        }
        self.writes.push(self.now);
        let Ok(Value::Array(sets)) = serde_json::from_str(body) else {
            return Reply::Answer(
                400,
                json!({ "non_field_errors": ["Expected a list of items."] }).to_string(),
            );
        };
        let errors: Vec<Value> = sets.iter().map(|set| check(set, *minimum_ttl, self.unknown_type)).collect();
        if errors.iter().any(|error| *error != json!({})) {
            return Reply::Answer(400, Value::Array(errors).to_string());
        }
        for set in &sets {
            let key = (text(set, "subname").to_owned(), text(set, "type").to_owned());
            match records(set) {
                none if none.is_empty() => zone.remove(&key),
                records => zone.insert(key, (set["ttl"].as_u64().unwrap(), records)),
            };
        }
        Reply::Answer(200, body.to_owned())
    }
}

fn text<'a>(set: &'a Value, field: &str) -> &'a str {
    set[field].as_str().unwrap()
}

fn records(set: &Value) -> Vec<String> {
    set["records"].as_array().unwrap().iter().map(|record| record.as_str().unwrap().to_owned()).collect()
}

/// The errors of a set by field, none of them in a good one.
fn check(set: &Value, minimum_ttl: u64, unknown_type: Option<&str>) -> Value {
    let kind = text(set, "type");
    if unknown_type == Some(kind) {
        return json!({ "type": ["You cannot tinker with this RR type."] });
    }
    if set["ttl"].as_u64().unwrap() < minimum_ttl {
        return json!({ "ttl": [format!("Ensure this value is greater than or equal to {minimum_ttl}.")] });
    }
    let is_good = |record: &String| match kind {
        "TXT" => {
            let strings = record.trim_matches('"').split("\" \"");
            record.starts_with('"') && record.ends_with('"') && strings.clone().all(|text| text.len() <= 255)
        }
        "MX" | "CNAME" | "SRV" => record.ends_with('.'),
        _ => !record.is_empty(),
    };
    match records(set).iter().all(is_good) {
        true => json!({}),
        false => json!({ "records": ["Cannot parse record contents."] }),
    }
}
