//! The text of a configuration file, resolved to a [`Config`] with all findings.

use mail_types::Domain;
use relay_policy::Registration;
use toml::Table;

use crate::advice;
use crate::defaults;
use crate::finding::{Finding, has_errors};
use crate::model::Config;
use crate::reader::Reader;
use crate::sections;
use crate::values;

/// Resolves the text of a configuration file.
///
/// # Errors
///
/// All findings, when any of them is an error.
pub fn examine(text: &str) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    judge(parse(text)?)
}

/// The table of a text; one finding, if it is no TOML.
pub(crate) fn parse(text: &str) -> Result<Table, Vec<Finding>> {
    text.parse::<Table>().map_err(|error| {
        let problem = format!("This is not TOML: {}.", error.to_string().trim_end().trim_end_matches('.'));
        vec![Finding::error("file", problem, advice::no_toml(error.message()))]
    })
}

/// The configuration of a table, or all findings when any of them is an error.
pub(crate) fn judge(table: Table) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    let (config, findings) = resolve(table);
    if has_errors(&findings) { Err(findings) } else { Ok((config, findings)) }
}

fn resolve(table: Table) -> (Config, Vec<Finding>) {
    let mut file = Reader::new(table);
    let mut findings = Vec::new();
    let (domain, registration) = (domain(&mut file), registration(&mut file));
    let config = Config {
        registration,
        state_directory: file.take_with(
            "state_directory",
            defaults::STATE_DIRECTORY.into(),
            values::absolute_path,
        ),
        listen: section(&mut file, "listen", &mut findings, |table| sections::listen(table, &domain)),
        tls: section(&mut file, "tls", &mut findings, sections::tls),
        limits: section(&mut file, "limits", &mut findings, |table| sections::limits(table, registration)),
        expiry: section(&mut file, "expiry", &mut findings, sections::expiry),
        pairing: section(&mut file, "pairing", &mut findings, sections::pairing),
        about: section(&mut file, "about", &mut findings, sections::about),
        push: section(&mut file, "push", &mut findings, sections::push),
        metrics: section(&mut file, "metrics", &mut findings, sections::metrics),
        federation: section(&mut file, "federation", &mut findings, |table| {
            sections::federation(table, &domain)
        }),
        dns: section(&mut file, "dns", &mut findings, sections::dns),
        acme: section(&mut file, "acme", &mut findings, |table| sections::acme(table, &domain)),
        dns_provider: section(&mut file, "dns_provider", &mut findings, |table| {
            sections::dns_provider(table, &domain)
        }),
        router: section(&mut file, "router", &mut findings, sections::router),
        domain,
    };
    findings.extend(file.finish());
    (config, findings)
}

/// Reads one table of the file, and everything wrong with it.
fn section<T>(
    file: &mut Reader,
    key: &'static str,
    findings: &mut Vec<Finding>,
    read: impl FnOnce(&mut Reader) -> T,
) -> T {
    let mut table = file.table(key);
    let value = read(&mut table);
    findings.extend(table.finish());
    value
}

fn domain(file: &mut Reader) -> Domain {
    let default = Domain::Name(defaults::DOMAIN.to_owned());
    file.take_with("domain", default, |text: String| {
        text.parse().map_err(|_| {
            format!(
                "{text:?} is neither a host name (chat.example.org) nor an address in brackets ([192.0.2.1])."
            )
        })
    })
}

fn registration(file: &mut Reader) -> Registration {
    file.take_with("registration", defaults::REGISTRATION, |text: String| {
        text.parse().map_err(|error| format!("{text:?} is no registration mode: {error}."))
    })
}
