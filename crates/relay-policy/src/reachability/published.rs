//! The judgement of published records, in plain words.

use std::net::IpAddr;

use ipc::reachability::{DomainRecord, FindingState, Need, Published};

/// The longest quotation of a record, in characters.
const QUOTE_LIMIT: usize = 200;

/// The data of a record that is published with a name and of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// These, in the notation of a zone file; of TXT records the texts, each in one piece. Empty if there are none.
    Records(Vec<String>),
    /// The domain's name servers give different answers.
    Different,
    /// Nothing is known, for this reason: a clause.
    Unknown(String),
}

/// The rest that a judgement needs.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The addresses by which everybody reaches this server, as far as they are known.
    pub own: &'a [IpAddr],
    /// The published addresses of the domain, of both families.
    pub addresses: &'a [IpAddr],
}

/// Judges what is published in the place of a record.
#[must_use]
pub fn judge(wanted: &DomainRecord, seen: &Seen, context: &Context<'_>) -> Published {
    let found = match seen {
        Seen::Records(found) => found.as_slice(),
        Seen::Different => {
            let sentence = "The domain's name servers do not agree: one has an old version. Wait some minutes, then \
                            check again.";
            return published(FindingState::Unknown, sentence);
        }
        Seen::Unknown(reason) => {
            return published(FindingState::Unknown, format!("Not known: {reason}."));
        }
    };
    let judged = match wanted.kind.as_str() {
        "A" | "AAAA" => addresses(wanted, found, context),
        "MX" => mail_hosts(wanted, found),
        "CNAME" => alias(wanted, found, context),
        "TXT" => text(wanted, found),
        "CAA" => authority(found),
        _ => service(wanted, found),
    };
    let blocks = judged.blocks || (judged.state == FindingState::Bad && wanted.need == Need::Indispensable);
    Published { blocks, ..judged }
}

fn published(state: FindingState, sentence: impl Into<String>) -> Published {
    Published { state, sentence: sentence.into(), blocks: false }
}

fn good(sentence: impl Into<String>) -> Published {
    published(FindingState::Good, sentence)
}

fn note(sentence: impl Into<String>) -> Published {
    published(FindingState::Note, sentence)
}

fn bad(sentence: impl Into<String>) -> Published {
    published(FindingState::Bad, sentence)
}

/// Bad where the record is indispensable.
fn missing(wanted: &DomainRecord) -> Published {
    let state = if wanted.need == Need::Indispensable { FindingState::Bad } else { FindingState::Note };
    published(state, "It is not published.")
}

fn addresses(wanted: &DomainRecord, found: &[String], context: &Context<'_>) -> Published {
    let parsed: Vec<IpAddr> = found.iter().filter_map(|text| text.parse().ok()).collect();
    if parsed.is_empty() {
        return if context.addresses.is_empty() { missing(wanted) } else { note("It is not published.") };
    }
    if let Some(private) = parsed.iter().find(|address| is_private(**address)) {
        return bad(format!(
            "{private} is an address of a home network: nobody outside of it can connect there."
        ));
    }
    let list = parsed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let own: Vec<&IpAddr> = context
        .own
        .iter()
        .filter(|own| parsed.iter().any(|address| address.is_ipv4() == own.is_ipv4()))
        .collect();
    match own.first() {
        Some(expected) if !parsed.contains(expected) => {
            bad(format!("It leads to {list}, but this box has {expected}."))
        }
        Some(_) => good(format!("It leads to this box ({list}).")),
        None => good(format!("It leads to {list}; `hearth check --network` tells whether that is here.")),
    }
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// preference SP exchange (RFC 5321 section 5.1)
fn mail_hosts(wanted: &DomainRecord, found: &[String]) -> Published {
    let mut hosts: Vec<(u16, String)> = found
        .iter()
        .filter_map(|record| record.split_once(' '))
        .filter_map(|(preference, host)| Some((preference.parse().ok()?, canonical(host))))
        .collect();
    hosts.sort();
    let Some((_, first)) = hosts.first() else {
        return note("It is not published; servers use the address of the domain itself.");
    };
    let own = canonical(&wanted.name);
    let blocking = |sentence: String| Published { blocks: true, ..bad(sentence) };
    if first.is_empty() {
        blocking("The record says that the domain takes no mail at all (null MX).".to_owned())
    } else if *first == own {
        good("It leads to this server.")
    } else if hosts.iter().any(|(_, host)| *host == own) {
        blocking(format!("{first} comes before this server, and gets the mail."))
    } else {
        blocking(format!("It leads to {first}: mail for the domain goes there, and not here."))
    }
}

fn alias(wanted: &DomainRecord, found: &[String], context: &Context<'_>) -> Published {
    let expected = canonical(&wanted.value);
    match found.first() {
        None => missing(wanted),
        Some(target) if canonical(target) == expected => good("It is an alias of the domain."),
        Some(target) => match target.parse::<IpAddr>() {
            Ok(address) if context.addresses.contains(&address) => good("It has the address of the domain."),
            Ok(_) | Err(_) => bad(format!("It leads to {} instead.", quoted(target))),
        },
    }
}

/// A text from outside as it is quoted: without control characters, and not longer than a person reads.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(QUOTE_LIMIT).collect();
    format!("{short:?}{}", if short.len() < text.len() { "…" } else { "" })
}

/// The form in which names are compared.
fn canonical(name: &str) -> String {
    name.trim().trim_end_matches('.').to_ascii_lowercase()
}

fn service(wanted: &DomainRecord, found: &[String]) -> Published {
    let fields = |text: &str| text.split_whitespace().map(canonical).collect::<Vec<_>>();
    match found {
        [] => missing(wanted),
        found if found.iter().any(|record| fields(record) == fields(&wanted.value)) => good("It is right."),
        [first, ..] => note(format!("It says {} instead.", quoted(first))),
    }
}

fn authority(found: &[String]) -> Published {
    match found {
        [] => note("It is not published: every authority may issue certificates."),
        found => good(format!(
            "It says {}: the issuer of your certificate must be among them.",
            quoted(&found.join(", "))
        )),
    }
}

fn text(wanted: &DomainRecord, found: &[String]) -> Published {
    let version = |version: &str| wanted.value.starts_with(version);
    let of = |version: &str| -> Vec<&str> {
        let begins = |text: &&str| text.trim_start().to_ascii_lowercase().starts_with(version);
        found.iter().map(String::as_str).filter(begins).collect()
    };
    if version("v=spf1") {
        spf(wanted, &of("v=spf1"))
    } else if version("v=DMARC1") {
        dmarc(wanted, &of("v=dmarc1"))
    } else if version("v=STSv1") {
        mta_sts(wanted, &of("v=stsv1"))
    } else {
        key(wanted, found)
    }
}

fn spf(wanted: &DomainRecord, found: &[&str]) -> Published {
    let [record] = found else {
        return match found {
            [] => missing(wanted),
            // RFC 7208 section 4.5
            _ => bad(format!("There are {} SPF records, so none counts: join them into one.", found.len())),
        };
    };
    let mechanisms: Vec<String> = record
        .split_whitespace()
        .skip(1)
        .filter(|term| !term.starts_with(['-', '~', '?']))
        .map(|term| term.trim_start_matches('+').to_ascii_lowercase())
        .collect();
    let names_us = |mechanism: &String| {
        matches!(mechanism.as_str(), "a" | "mx" | "all")
            || mechanism
                .strip_prefix("a:")
                .or(mechanism.strip_prefix("mx:"))
                .is_some_and(|name| canonical(name) == canonical(&wanted.name))
    };
    let may_name_us = |mechanism: &String| {
        ["include:", "redirect=", "ip4:", "ip6:", "exists:", "a/", "mx/"]
            .iter()
            .any(|prefix| mechanism.starts_with(prefix))
    };
    if mechanisms.iter().any(names_us) {
        good("It names this server.")
    } else if mechanisms.iter().any(may_name_us) {
        note(format!("It says {}: look whether this server's address is among those.", quoted(record)))
    } else {
        bad(format!("It says {}, which does not name this server.", quoted(record)))
    }
}

fn dmarc(wanted: &DomainRecord, found: &[&str]) -> Published {
    match found {
        [] => missing(wanted),
        [record] => match tag(record, "p").as_deref() {
            Some("reject" | "quarantine") => good("Forged mail is to be refused."),
            Some("none") => note("It asks for nothing (p=none): forged mail gets through."),
            _ => bad(format!("It says {}, which has no valid \"p=\".", quoted(record))),
        },
        // RFC 7489 section 6.6.3
        _ => bad(format!("There are {} DMARC records, so none counts: keep one.", found.len())),
    }
}

fn mta_sts(wanted: &DomainRecord, found: &[&str]) -> Published {
    match found {
        [] => missing(wanted),
        [record] if tag(record, "id") == tag(&wanted.value, "id") => good("It is right."),
        [_] => note("It has another ID: other servers keep an old policy until the ID changes to this one."),
        _ => bad(format!("There are {} of them, so none counts: keep one.", found.len())),
    }
}

/// The value of a tag of a tag list (RFC 6376 section 3.2), without blanks and quotation marks.
fn tag(record: &str, name: &str) -> Option<String> {
    let plain = plain(record);
    let mut tags = plain.split(';').filter_map(|tag| tag.split_once('='));
    tags.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

fn plain(record: &str) -> String {
    record.chars().filter(|character| !character.is_ascii_whitespace() && *character != '"').collect()
}

/// The record of a DKIM key.
fn key(wanted: &DomainRecord, found: &[String]) -> Published {
    let expected = tag(&wanted.value, "p").unwrap_or_default();
    let right = |record: &String| tag(record, "p").is_some_and(|key| key == expected);
    match found {
        [] => missing(wanted),
        [record] if right(record) => whole_key(wanted, record),
        [record] => wrong_key(&expected, record),
        found if plain(&found.concat()).contains(&expected) && !found.iter().any(right) => {
            bad("It is split into several records: enter it as one record, in several strings.")
        }
        found if found.iter().any(right) => bad(format!(
            "There are {} records, and other servers may look at the wrong one: keep this one.",
            found.len()
        )),
        found => {
            bad(format!("There are {} records, and none has the key: replace them by this one.", found.len()))
        }
    }
}

/// A record with the right key: is the rest right, too?
fn whole_key(wanted: &DomainRecord, record: &str) -> Published {
    if record.contains('"') {
        return bad("There are quotation marks in the text: enter it without them.");
    }
    if tag(record, "t").is_some_and(|flags| flags.split(':').any(|flag| flag == "y")) {
        return bad("It says that the key is on trial (t=y): other servers treat signed mail as unsigned.");
    }
    let same = |name: &str, usual: &str| {
        let value = |record: &str| tag(record, name).unwrap_or_else(|| usual.to_owned());
        value(record).eq_ignore_ascii_case(&value(&wanted.value))
    };
    if !(same("v", "DKIM1") && same("k", "rsa")) {
        return bad(format!(
            "The key is right, but what stands before it is not: it says {}.",
            quoted(record)
        ));
    }
    let blank = tag(&wanted.value, "p").is_some_and(|key| !record.contains(&key));
    if blank {
        return note("The key is right, but there are blanks in it: some servers cannot read it so.");
    }
    good("It has the key.")
}

fn wrong_key(expected: &str, record: &str) -> Published {
    match tag(record, "p") {
        Some(key) if key.is_empty() => bad("The key is called back (p= is empty)."),
        Some(key) if key.len() >= 16 && expected.starts_with(&key) => {
            bad(format!("It is cut off after {} characters: enter the whole text.", record.chars().count()))
        }
        Some(_) => bad("The record has another key: replace it by this one."),
        None => bad(format!("It is no key record: it says {}.", quoted(record))),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ipc::reachability::{DomainRecord, FindingState, Published};

    use super::{Context, Seen, judge};
    use crate::reachability::{DomainFacts, KeyRole, PublicKeyRecord, domain_records};

    const KEY: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxyz0123456789";

    fn wanted(relative: &str, kind: &str) -> DomainRecord {
        let key = PublicKeyRecord {
            name: "hearth._domainkey.chat.example".into(),
            text: format!("v=DKIM1;k=rsa;s=email;t=s;p={KEY}"),
            role: KeyRole::Current,
        };
        let facts = DomainFacts {
            domain: "chat.example".into(),
            keys: vec![key],
            policy_id: Some("0a1b".into()),
            imaps: Some(993),
            ..DomainFacts::default()
        };
        let records = domain_records(&facts).into_iter();
        let mut fitting = records.filter(|record| record.relative == relative && record.kind == kind);
        fitting.next().unwrap()
    }

    fn judged(relative: &str, kind: &str, found: &[&str]) -> Published {
        let addresses: Vec<IpAddr> = vec!["203.0.113.7".parse().unwrap()];
        let context = Context { own: &[], addresses: &addresses };
        let seen = Seen::Records(found.iter().map(|text| (*text).to_owned()).collect());
        judge(&wanted(relative, kind), &seen, &context)
    }

    #[track_caller]
    fn check(relative: &str, kind: &str, found: &[&str], state: FindingState, words: &str) {
        let judged = judged(relative, kind, found);
        assert_eq!(judged.state, state, "{found:?}: {judged:?}");
        assert!(judged.sentence.contains(words), "{found:?}: {judged:?}");
    }

    #[test]
    fn keys_that_panels_spoiled_are_recognised() {
        let name = "hearth._domainkey";
        let good = format!("v=DKIM1;k=rsa;s=email;t=s;p={KEY}");
        let (first, rest) = good.split_at(50);
        let bad = FindingState::Bad;
        check(name, "TXT", &[&good], FindingState::Good, "has the key");
        check(name, "TXT", &[&format!("v=DKIM1; k=rsa; p={KEY}")], FindingState::Good, "has the key");
        check(name, "TXT", &[], bad, "not published");
        check(name, "TXT", &[first, rest], bad, "split into several records");
        check(name, "TXT", &[first], bad, "cut off after 50 characters");
        check(name, "TXT", &[&format!("\"{first}\" \"{rest}\"")], bad, "quotation marks");
        check(name, "TXT", &[&format!("{first} {rest}")], FindingState::Note, "blanks");
        check(name, "TXT", &["v=DKIM1;k=rsa;p=MIIBIjANBgkqhkiG9w0BBBBBBB"], bad, "another key");
        check(name, "TXT", &[&good, "v=DKIM1;p=AAAA"], bad, "2 records");
        check(name, "TXT", &["v=DKIM1;p="], bad, "called back");
        check(name, "TXT", &[&format!("v=DKIM1;t=y;p={KEY}")], bad, "on trial");
        check(name, "TXT", &[&format!("v=DKIM1;k=ed25519;p={KEY}")], bad, "stands before it");
        check(name, "TXT", &["hello"], bad, "no key record");
        assert!(judged(name, "TXT", &[]).blocks && !judged(name, "TXT", &[&good]).blocks);
    }

    #[test]
    fn an_spf_or_dmarc_record_counts_only_alone() {
        let (bad, note, good) = (FindingState::Bad, FindingState::Note, FindingState::Good);
        check("@", "TXT", &["v=spf1 a ~all", "google-site-verification=x"], good, "names this server");
        check("@", "TXT", &["v=spf1 a ~all", "v=spf1 -all"], bad, "There are 2 SPF records");
        check("@", "TXT", &["v=spf1 include:example.net -all"], note, "look whether");
        check("@", "TXT", &["v=spf1 a:chat.example -all"], good, "names this server");
        check("@", "TXT", &["v=spf1 -a -all"], bad, "does not name this server");
        check("@", "TXT", &["other"], note, "not published");
        check("_dmarc", "TXT", &["v=DMARC1; p=none"], note, "p=none");
        check("_dmarc", "TXT", &["v=DMARC1; p=reject", "v=DMARC1; p=none"], bad, "2 DMARC records");
        check("_dmarc", "TXT", &["v=DMARC1"], bad, "no valid");
        check("_mta-sts", "TXT", &["v=STSv1; id=0a1b;"], good, "right");
        check("_mta-sts", "TXT", &["v=STSv1; id=1"], note, "another ID");
    }

    #[test]
    fn mail_that_goes_elsewhere_is_more_than_a_blemish() {
        check("@", "MX", &["10 Chat.Example."], FindingState::Good, "this server");
        check("@", "MX", &[], FindingState::Note, "address of the domain itself");
        for (found, words) in [
            (&["10 mx.example.net."][..], "goes there, and not here"),
            (&["20 chat.example.", "10 mx.example.net."], "comes before"),
            (&["0 ."], "takes no mail"),
        ] {
            check("@", "MX", found, FindingState::Bad, words);
            assert!(judged("@", "MX", found).blocks, "{found:?}");
        }
    }

    #[test]
    fn addresses_and_aliases_are_compared() {
        check("@", "A", &["203.0.113.7"], FindingState::Good, "leads to 203.0.113.7");
        check("@", "A", &["192.168.1.7"], FindingState::Bad, "home network");
        check("@", "A", &[], FindingState::Note, "not published");
        let long = judged("_dmarc", "TXT", &[&format!("v=DMARC1;{}", "\u{1}".repeat(9000))]);
        assert!(long.sentence.len() < 2000 && !long.sentence.contains('\u{1}'), "{long:?}");
        let nothing = Context { own: &[], addresses: &[] };
        let none = judge(&wanted("@", "A"), &Seen::Records(Vec::new()), &nothing);
        assert!(none.blocks && none.state == FindingState::Bad, "{none:?}");
        let own = ["203.0.113.9".parse().unwrap()];
        let elsewhere = Context { own: &own, addresses: &[] };
        let judged = judge(&wanted("@", "A"), &Seen::Records(vec!["203.0.113.7".into()]), &elsewhere);
        assert!(judged.sentence.contains("this box has 203.0.113.9"), "{judged:?}");
        check("mta-sts", "CNAME", &["chat.example."], FindingState::Good, "alias");
        check("mta-sts", "CNAME", &["203.0.113.7"], FindingState::Good, "address of the domain");
        check("mta-sts", "CNAME", &["other.example."], FindingState::Bad, "other.example.");
        check("_imaps._tcp", "SRV", &["0 1 993 chat.example."], FindingState::Good, "right");
        check("_imaps._tcp", "SRV", &["0 1 143 chat.example."], FindingState::Note, "0 1 143");
        check("@", "CAA", &["0 issue \"ca.example\""], FindingState::Good, "ca.example");
        let unknown = judge(&wanted("@", "A"), &Seen::Unknown("no network".into()), &nothing);
        assert_eq!((unknown.state, unknown.blocks), (FindingState::Unknown, false));
        assert_eq!(judge(&wanted("@", "A"), &Seen::Different, &nothing).state, FindingState::Unknown);
    }
}
