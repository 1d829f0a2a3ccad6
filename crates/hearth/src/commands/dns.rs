//! `hearth dns`: the records of the mail domain, as web panels or zone files want them.

use std::io::Write;
use std::process::ExitCode;

use ipc::control::{Request, Response};
use ipc::reachability::{DomainRecord, DomainRecords, FindingState, Need, Published};

use super::control_client::{ask, unexpected};
use super::network_check::{PATIENCE, mark};
use crate::cli::{DnsArguments, EXIT_OK, EXIT_TROUBLE};

/// The time for which others keep a record, in seconds: short enough for a household's changing address.
const TTL: u32 = 3600;
/// The longest string of a TXT record, in bytes (RFC 1035 section 3.3).
const STRING_LIMIT: usize = 255;

/// Carries the command out.
pub(crate) fn run(arguments: &DnsArguments) -> anyhow::Result<ExitCode> {
    let config = &arguments.config.path;
    if arguments.rotate_key {
        match ask(config, &Request::RotateKey, PATIENCE)? {
            Ok(Response::NextKey(name)) => {
                let mut out = std::io::stderr().lock();
                writeln!(out, "There is a next key. Publish its record, {name}, beside the present one.\n")?;
            }
            Ok(other) => return Ok(unexpected(&other).map(|()| ExitCode::from(EXIT_TROUBLE))?),
            Err(exit) => return Ok(exit),
        }
    }
    let check = arguments.check || !(arguments.offline || arguments.zone);
    let records = match ask(config, &Request::Dns { check }, PATIENCE)? {
        Ok(Response::Dns(records)) => records,
        Ok(other) => return Ok(unexpected(&other).map(|()| ExitCode::from(EXIT_TROUBLE))?),
        Err(exit) => return Ok(exit),
    };
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&records)?)?;
    } else if arguments.zone {
        write!(out, "{}", zone(&records))?;
    } else {
        write!(out, "{}", table(&records))?;
    }
    Ok(ExitCode::from(if fails(&records, arguments.check) { EXIT_TROUBLE } else { EXIT_OK }))
}

/// Whether mail does not work with these records; when `strictly`, also whether that is not known.
fn fails(records: &DomainRecords, strictly: bool) -> bool {
    records.records.iter().any(|record| match &record.published {
        Some(published) => {
            let open = published.state == FindingState::Unknown && record.need == Need::Indispensable;
            published.blocks || (strictly && open)
        }
        None => strictly,
    })
}

/// Lines of a zone file; what is not known stands in comments.
fn zone(records: &DomainRecords) -> String {
    let mut text = String::new();
    for record in &records.records {
        let DomainRecord { name, kind, value, why, .. } = record;
        let (comment, data) = match (record.is_known, kind.as_str()) {
            (false, _) => ("; ", format!("<{value}>")),
            (true, "TXT") => ("", strings(value)),
            (true, _) => ("", value.clone()),
        };
        text.push_str(&format!("; {}: {why}\n{comment}{name}. {TTL} IN {kind} {data}\n", word(record.need)));
    }
    text
}

/// A text as strings of a zone file: `"…" "…"`.
fn strings(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let quoted = |part: &[char]| {
        let part: String = part.iter().collect();
        format!("\"{}\"", part.replace('\\', "\\\\").replace('"', "\\\""))
    };
    characters.chunks(STRING_LIMIT).map(quoted).collect::<Vec<_>>().join(" ")
}

fn word(need: Need) -> &'static str {
    match need {
        Need::Indispensable => "indispensable",
        Need::Recommended => "recommended",
        Need::Optional => "optional",
    }
}

/// The records one below the other, for copying into the fields of a web panel.
fn table(records: &DomainRecords) -> String {
    let DomainRecords { domain, records, notes } = records;
    let mut text = format!(
        "Records of {domain}. Names are relative to it; some panels want {domain} itself in the place of @.\n\
         Enter texts in one piece and without quotation marks.\n"
    );
    for note in notes {
        text.push_str(&format!("\nNote: {note}\n"));
    }
    for need in [Need::Indispensable, Need::Recommended, Need::Optional] {
        let group: Vec<&DomainRecord> = records.iter().filter(|record| record.need == need).collect();
        if group.is_empty() {
            continue;
        }
        text.push_str(&format!("\n--- {} ---\n", word(need)));
        for record in group {
            let DomainRecord { relative, kind, value, why, .. } = record;
            let value = if record.is_known { value.clone() } else { format!("<{value}>") };
            text.push_str(&format!("\n{relative}  {kind}\n{value}\n  {why}\n"));
            if let Some(Published { state, sentence, .. }) = &record.published {
                text.push_str(&format!("  {}: {sentence}\n", mark(*state)));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use ipc::reachability::{DomainRecord, DomainRecords, FindingState, Need, Published};

    use super::{fails, strings, table, zone};

    fn records(published: Option<Published>) -> DomainRecords {
        let record = |relative: &str, kind: &str, value: &str, is_known| DomainRecord {
            name: "chat.example".into(),
            relative: relative.into(),
            kind: kind.into(),
            value: value.into(),
            is_known,
            need: Need::Indispensable,
            why: "Since.".into(),
            published: published.clone(),
        };
        DomainRecords {
            domain: "chat.example".into(),
            records: vec![record("@", "A", "your address", false), record("@", "TXT", "v=x", true)],
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_zone_file_takes_the_lines_as_they_are() {
        let expected = "; indispensable: Since.\n; chat.example. 3600 IN A <your address>\n\
                        ; indispensable: Since.\nchat.example. 3600 IN TXT \"v=x\"\n";
        assert_eq!(zone(&records(None)), expected);
        let long = strings(&"k".repeat(300));
        assert_eq!(long, format!("\"{}\" \"{}\"", "k".repeat(255), "k".repeat(45)));
        assert_eq!(strings("a\"b\\"), "\"a\\\"b\\\\\"");
    }

    #[test]
    fn a_panel_takes_name_and_text_in_one_piece() {
        let published = Published {
            state: FindingState::Bad,
            sentence: "The record has another key.".into(),
            blocks: true,
        };
        let table = table(&records(Some(published)));
        let expected = "\n--- indispensable ---\n\n@  A\n<your address>\n  Since.\n  WRONG: The record has another key.\n";
        assert!(table.contains(expected), "{table}");
    }

    #[test]
    fn the_exit_status_tells_whether_mail_works() {
        let published = |state, blocks| Some(Published { state, sentence: String::new(), blocks });
        for (published, usually, strictly) in [
            (None, false, true),
            (published(FindingState::Good, false), false, false),
            (published(FindingState::Note, false), false, false),
            (published(FindingState::Unknown, false), false, true),
            (published(FindingState::Bad, true), true, true),
        ] {
            let records = records(published);
            assert_eq!((fails(&records, false), fails(&records, true)), (usually, strictly), "{records:?}");
        }
    }
}
