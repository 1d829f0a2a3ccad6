//! The owner's settings: a second text in the format of the configuration file, kept apart from it. It comes from the
//! card's FAT partition or from `hearth name set`. Secrets in it are masked where it came from once they are kept
//! elsewhere.

use std::ops::Range;

use mail_types::Domain;
use toml::de::DeTable;
use toml::{Table, Value};

use crate::examine::{judge, parse};
use crate::finding::Finding;
use crate::model::Config;
use crate::public::is_public;

/// The longest text, in bytes.
pub const OWNER_LIMIT: usize = 16 * 1024;
/// The byte that stands in the place of each byte of a masked secret.
const MASK: u8 = b'*';
/// The keys whose values are secrets: table and key.
const SECRETS: [(&str, &str); 5] = [
    ("dns_provider", "token"),
    ("dns_provider", "password"),
    ("dns_provider", "key"),
    // Some providers' addresses for updates have the password in them.
    ("dns_provider", "url"),
    ("federation", "smarthost_password"),
];
/// The tables and keys that belong to the machine, not to its owner.
const NOT_THE_OWNERS: [&str; 4] = ["state_directory", "listen", "tls", "metrics"];

/// The text of a configuration file, to which an owner's settings can be added.
#[derive(Clone, Debug)]
pub struct Base {
    table: Table,
}

impl Base {
    /// The text of a configuration file.
    ///
    /// # Errors
    ///
    /// One finding, if it is no TOML.
    pub fn parse(text: &str) -> Result<Self, Vec<Finding>> {
        Ok(Self { table: parse(text)? })
    }

    /// The configuration of the file alone.
    ///
    /// # Errors
    ///
    /// All findings, when any of them is an error.
    pub fn resolve(&self) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
        judge(self.table.clone())
    }

    /// The configuration with an owner's settings over it.
    ///
    /// # Errors
    ///
    /// All findings, when any of them is an error. A key that belongs to the machine is one.
    pub fn with_owner(&self, owner: &str) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
        let owner = parse(owner)?;
        let foreign = NOT_THE_OWNERS.iter().filter(|key| owner.contains_key(**key));
        let foreign: Vec<Finding> = foreign
            .map(|key| Finding::error(key, "This belongs to the machine.".to_owned(), "Remove it."))
            .collect();
        if !foreign.is_empty() {
            return Err(foreign);
        }
        let mut table = self.table.clone();
        merge(&mut table, owner);
        judge(table)
    }
}

/// The error of a new name by which nobody would find the server, at home or outside. One that is in use already stays, since
/// there are accounts under it. A laboratory, whose networks are private ones, says so in the machine's configuration.
#[must_use]
pub fn unreachable(config: &Config) -> Option<Finding> {
    let domain = &config.domain;
    let (problem, advice) = match domain {
        Domain::Name(name) if is_address_without_brackets(name) => (
            format!(
                "{name:?} is neither a host name (chat.example.org) nor an address in brackets ([192.0.2.1])."
            ),
            "Give a name, or put the address in brackets.",
        ),
        Domain::Name(name) if !name.contains('.') => (
            format!("{name:?} has no dot, and is a name of one machine at most."),
            "Give the whole name, as smith.dedyn.io or chat.example.org.",
        ),
        Domain::Ipv4(_) | Domain::Ipv6(_) if !(is_public(domain) || config.federation.private_networks) => (
            format!("{domain} is an address of a home or of nobody: no other server can reach it."),
            "Give a name, or the address that the provider has given to this home for good.",
        ),
        Domain::Name(_) | Domain::Ipv4(_) | Domain::Ipv6(_) => return None,
    };
    Some(Finding::error("domain", problem, advice))
}

/// True for `192.0.2.1`: no name of the internet ends with digits alone (RFC 3696 section 2).
fn is_address_without_brackets(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Puts `upper` over `lower`: keys replace keys, tables are merged.
fn merge(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

/// The text with an asterisk in the place of each byte of its secrets, of the same length. A text that is no TOML stays as
/// it is: the places of its secrets are not known.
#[must_use]
pub fn mask_secrets(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for place in secrets(text) {
        if let Some(secret) = bytes.get_mut(place) {
            secret.fill(MASK);
        }
    }
    // Whole values were replaced by ASCII; if not, the text is better left alone than broken.
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// The secrets in a text, masked ones left out.
#[must_use]
pub fn unmasked_secrets(text: &str) -> Vec<String> {
    let values = secrets(text).into_iter().filter_map(|place| text.get(place));
    values.filter(|value| !value.is_empty() && !is_masked(value)).map(str::to_owned).collect()
}

/// The text with its masked secrets replaced by those of an earlier text. A mask that was cut short is one, too: no secret
/// has an asterisk in it.
#[must_use]
pub fn unmask(text: &str, earlier: &str) -> String {
    let Ok(mut table) = text.parse::<Table>() else { return text.to_owned() };
    let earlier: Table = earlier.parse().unwrap_or_default();
    let mut replaced = false;
    for (section, key) in SECRETS {
        let kept = earlier.get(section).and_then(|section| section.get(key)).and_then(Value::as_str);
        let masked = table.get_mut(section).and_then(|section| section.get_mut(key));
        if let (Some(Value::String(masked)), Some(kept)) = (masked, kept)
            && is_masked(masked)
        {
            kept.clone_into(masked);
            replaced = true;
        }
    }
    if replaced { table.to_string() } else { text.to_owned() }
}

/// The earlier text with the keys of a change put over it. A table of the change replaces the earlier one whole.
///
/// # Errors
///
/// One finding, if either is no TOML.
pub fn changed(earlier: &str, change: &str) -> Result<String, Vec<Finding>> {
    let mut table = parse(earlier)?;
    table.extend(parse(change)?);
    Ok(table.to_string())
}

/// The text without these keys, each named by its whole path; without anything if it is no TOML.
#[must_use]
pub fn without<'a>(text: &str, keys: impl IntoIterator<Item = &'a str>) -> String {
    let Ok(mut table) = text.parse::<Table>() else { return String::new() };
    for key in keys {
        match key.split_once('.') {
            // A table with a wrong value goes as a whole: half of it may mean something else.
            Some((section, _)) => drop(table.remove(section)),
            None => drop(table.remove(key)),
        }
    }
    table.to_string()
}

fn is_masked(value: &str) -> bool {
    value.as_bytes().contains(&MASK)
}

/// The places of all secrets' values in the text, without their quotation marks.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let Ok(table) = DeTable::parse(text) else { return Vec::new() };
    let table = table.get_ref();
    let value = |(section, key): (&str, &str)| {
        let value = table.get(section)?.get_ref().as_table()?.get(key)?;
        value.get_ref().is_str().then(|| within_quotes(text, value.span()))
    };
    SECRETS.into_iter().filter_map(value).collect()
}

/// The place of a string without the marks around it: one, or three (a multi-line string).
fn within_quotes(text: &str, place: Range<usize>) -> Range<usize> {
    let whole = text.get(place.clone()).unwrap_or_default();
    let long = ["\"\"\"", "'''"].iter().any(|mark| whole.len() >= 6 && whole.starts_with(mark));
    let mark = if long { 3 } else { 1 };
    place.start + mark..place.end.saturating_sub(mark).max(place.start + mark)
}

#[cfg(test)]
mod tests {
    use super::{Base, changed, mask_secrets, unmask, unmasked_secrets, unreachable, without};
    use crate::model::DnsProvider;

    #[test]
    fn a_name_that_nobody_finds_is_refused() {
        let base = Base::parse("").unwrap();
        let refused = |name: &str| {
            let (config, _) = base.with_owner(&format!("domain = {name:?}")).unwrap();
            unreachable(&config).map(|finding| finding.to_string())
        };
        for name in
            ["smith", "192.0.2.1", "smith.2", "[192.168.1.2]", "[127.0.0.1]", "[IPv6:fd00::1]", "[0.0.0.0]"]
        {
            assert!(refused(name).is_some_and(|words| words.starts_with("error: domain: ")), "{name}");
        }
        for name in
            ["smith.dedyn.io", "chat.example.org", "box.test", "smith.local", "[8.8.8.8]", "1.example.org"]
        {
            assert_eq!(refused(name), None, "{name}");
        }
        let laboratory = Base::parse("[federation]\nprivate_networks = true").unwrap();
        assert_eq!(unreachable(&laboratory.with_owner("domain = '[10.0.0.1]'").unwrap().0), None);
    }

    const TYPED: &str =
        "# Ours\r\ndomain = \"smith.dedyn.io\"\r\n[dns_provider]\r\ntoken = \"s3cr3t-é\" # keep\r\n";

    #[test]
    fn secrets_are_masked_in_place_and_taken_from_an_earlier_text() {
        let masked = mask_secrets(TYPED);
        assert_eq!(masked, TYPED.replace("s3cr3t-é", "*********"));
        assert_eq!(mask_secrets(&masked), masked);
        assert_eq!(unmasked_secrets(TYPED), ["s3cr3t-é"]);
        assert_eq!(unmasked_secrets(&masked), [""; 0]);
        // The power went while the mask was written.
        for half in [masked.clone(), TYPED.replace("s3cr3t", "***r3t")] {
            let whole = unmask(&half, TYPED);
            assert_eq!(unmasked_secrets(&whole), ["s3cr3t-é"]);
            assert_eq!(mask_secrets(&half), masked);
        }
        assert_eq!(unmask(TYPED, &masked), TYPED);
        assert_eq!(unmask(&masked, ""), masked);
    }

    #[test]
    fn every_way_to_write_a_string_can_be_masked() {
        for (written, masked) in [
            ("'a b'", "'***'"),
            ("\"\"\"a\nb\"\"\"", "\"\"\"***\"\"\""),
            ("'''ab'''", "'''**'''"),
            ("\"\"", "\"\""),
            ("\"\"\"\"\"\"", "\"\"\"\"\"\""),
            ("\"\\u00e9\\\"\"", "\"********\""),
            ("17", "17"),
        ] {
            for text in [
                format!("[dns_provider]\ntoken = {written}\n"),
                format!("dns_provider.token={written}"),
                format!("dns_provider = {{ kind = 'desec', token = {written} }}"),
            ] {
                assert_eq!(mask_secrets(&text), text.replace(written, masked), "{text}");
            }
        }
        for text in ["", "token = ", "[dns_provider]\ntoken = \"open", "\u{feff}x"] {
            assert_eq!(mask_secrets(text), text);
        }
    }

    #[test]
    fn the_owners_settings_lie_over_the_machines() {
        let base = Base::parse(
            "domain = \"hearth-1a2b.local\"\nstate_directory = \"/data\"\n[limits]\nrecipients = 7",
        )
        .unwrap();
        let (config, _) = base.with_owner(TYPED).unwrap();
        assert_eq!(config.domain.to_string(), "smith.dedyn.io");
        assert!(matches!(config.dns_provider, Some(DnsProvider::Desec { .. })));
        assert!(config.acme.is_some());
        assert_eq!(config.limits.recipients, 7);
        let problem = base.with_owner(&mask_secrets(TYPED)).unwrap_err();
        assert_eq!(problem[0].key, "dns_provider.token");
        for foreign in ["state_directory = \"/x\"", "[listen]\nimaps = []", "[tls]"] {
            base.with_owner(foreign).unwrap_err();
        }
    }

    #[test]
    fn what_is_wrong_is_taken_out_and_the_name_stays() {
        let text = "domain = \"a.example\"\nnewer = 1\n[dns_provider]\ntoken = 1\n";
        assert_eq!(without(text, ["newer", "dns_provider.token"]), "domain = \"a.example\"\n");
        assert_eq!(without("\u{0}", ["file"]), "");
    }

    #[test]
    fn a_change_replaces_keys_and_whole_tables() {
        let now = changed(TYPED, "domain = \"a.duckdns.org\"\n[dns_provider]\nurl = \"x\"").unwrap();
        let parsed: toml::Table = now.parse().unwrap();
        assert_eq!(parsed["domain"].as_str(), Some("a.duckdns.org"));
        assert_eq!(parsed["dns_provider"].to_string(), "{ url = \"x\" }");
    }
}
