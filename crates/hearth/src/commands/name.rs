//! `hearth name`: gives the server its name, and shows the state of all that makes the name good.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use ipc::control::{NamingStatus, Request, Response};
use toml::{Table, Value};

use super::control_client::{unexpected, with_server};
use crate::cli::{NameCommand, NameSetting};

/// The longest secret, in bytes.
const SECRET_LIMIT: u64 = 4096;

/// `hearth name`
pub(crate) fn run(command: &NameCommand) -> anyhow::Result<ExitCode> {
    match command {
        NameCommand::Set(setting) => set(setting),
        NameCommand::Show { config, json } => show(&config.path, *json),
    }
}

fn set(setting: &NameSetting) -> anyhow::Result<ExitCode> {
    let secret = setting.secret_file.as_deref().map(read_secret).transpose()?;
    let change = change(setting, secret).to_string();
    with_server(&setting.config.path, &Request::ChangeSettings { change }, |response, out| match response {
        Response::SettingsChanged(findings) => {
            for finding in findings {
                writeln!(out, "{finding}")?;
            }
            writeln!(
                out,
                "The name is kept. `hearth name show` tells how far it is; `hearth dns` lists the records."
            )
        }
        other => unexpected(&other),
    })
}

/// The settings that change, as the configuration file has them.
fn change(setting: &NameSetting, secret: Option<String>) -> Table {
    let mut provider = Table::new();
    let texts = [
        ("kind", setting.provider.clone()),
        ("url", setting.url.clone()),
        ("user", setting.user.clone()),
        ("server", setting.server.clone()),
        ("zone", setting.zone.clone()),
        ("key_name", setting.key_name.clone()),
        ("key_algorithm", setting.key_algorithm.clone()),
        (secret_key(setting.provider.as_deref()), secret),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            provider.insert(key.to_owned(), Value::String(text));
        }
    }
    let mut change = Table::new();
    change.insert("domain".to_owned(), Value::String(setting.domain.clone()));
    // An empty table too: a provider of the last name is none of this one.
    change.insert("dns_provider".to_owned(), Value::Table(provider));
    change
}

/// The key of the provider's secret.
fn secret_key(provider: Option<&str>) -> &'static str {
    match provider {
        Some("dyndns2") => "password",
        Some("rfc2136") => "key",
        _ => "token",
    }
}

/// The first line of a file; `-` is standard input.
fn read_secret(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(SECRET_LIMIT).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(SECRET_LIMIT).read_to_string(&mut text))
    };
    read.with_context(|| format!("reading the secret from {}", path.display()))?;
    let secret = secret_of(&text);
    secret.map(str::to_owned).with_context(|| format!("{} has no secret in its first line", path.display()))
}

fn secret_of(text: &str) -> Option<&str> {
    text.lines().next().map(str::trim).filter(|secret| !secret.is_empty())
}

fn show(config: &Path, json: bool) -> anyhow::Result<ExitCode> {
    with_server(config, &Request::Naming, |response, out| match response {
        Response::Naming(status) if json => writeln!(out, "{}", serde_json::to_string_pretty(&status)?),
        Response::Naming(status) => write!(out, "{}", in_words(&status)),
        other => unexpected(&other),
    })
}

/// The state, a line for each part.
pub(super) fn in_words(status: &NamingStatus) -> String {
    let line = |(heading, part): (&str, &str)| format!("  {:<16}{part}\n", format!("{heading}:"));
    format!("{}\n", status.domain) + &status.parts().map(line).collect::<String>()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{NameCommand, change, secret_of};
    use crate::cli::{Cli, Command};

    #[test]
    fn a_secret_is_the_first_line_and_never_empty() {
        for (text, secret) in
            [("abc", Some("abc")), (" abc \r\nmore", Some("abc")), ("", None), ("\nabc", None)]
        {
            assert_eq!(secret_of(text), secret, "{text:?}");
        }
    }

    fn changed(arguments: &str, secret: Option<&str>) -> String {
        let line = format!("hearth name set --config /c {arguments}");
        match Cli::parse_from(line.split(' ')).command {
            Command::Name(NameCommand::Set(setting)) => {
                change(&setting, secret.map(str::to_owned)).to_string()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_change_has_the_keys_of_the_provider() {
        assert_eq!(changed("chat.example.org", None), "domain = \"chat.example.org\"\n\n[dns_provider]\n");
        assert_eq!(
            changed("smith.dedyn.io --secret-file -", Some("abc")),
            "domain = \"smith.dedyn.io\"\n\n[dns_provider]\ntoken = \"abc\"\n"
        );
        let dyndns2 =
            changed("a.example --provider dyndns2 --url dyn.example --user u --secret-file -", Some("p"));
        assert!(
            dyndns2.contains("password = \"p\"") && dyndns2.contains("url = \"dyn.example\""),
            "{dyndns2}"
        );
        let keyed = changed(
            "a.example --provider rfc2136 --server 192.0.2.1 --key-name k --secret-file -",
            Some("a2V5"),
        );
        assert!(keyed.contains("key = \"a2V5\"") && keyed.contains("key_name = \"k\""), "{keyed}");
    }
}
