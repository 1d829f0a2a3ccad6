//! The configuration: one TOML file, everything optional, nothing unknown accepted, all findings at once.
//!
//! [`examine`] turns the file's text into a [`Config`] in which everything has its type and its value. What is only
//! known by looking at the machine (files, ports, directories) is asked by `hearth check`, not here.

mod defaults;
mod finding;
mod metrics;
mod push;
mod reader;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mail_types::Domain;
use relay_policy::Registration;

pub use finding::{Finding, Severity, has_errors, print};
pub use metrics::Metrics;
pub use push::Push;
use reader::Reader;

/// A configuration file is a page of text; more than this is another file.
const FILE_LIMIT: u64 = 256 * 1024;

/// Everything a person can decide, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The part after the `@` of every address here.
    pub domain: Domain,
    /// Who may create an account.
    pub registration: Registration,
    /// Where everything lives that must survive a restart.
    pub state_directory: PathBuf,
    /// What to listen on.
    pub listen: Listen,
    /// Where the certificate comes from.
    pub tls: Tls,
    /// What one client, account or message may use up.
    pub limits: Limits,
    /// How long things are kept.
    pub expiry: Expiry,
    /// What the pairing link tells clients.
    pub pairing: Pairing,
    /// What clients show about the server.
    pub about: About,
    /// The service that wakes phones.
    pub push: Push,
    /// Numbers for whoever watches the server.
    pub metrics: Metrics,
}

impl Config {
    /// The directory of files that live as long as the server runs.
    #[must_use]
    pub fn run_directory(&self) -> PathBuf {
        self.state_directory.join("run")
    }

    /// The control socket's path.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.run_directory().join("control.sock")
    }
}

/// Addresses to listen on, by service; an empty list switches a service off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// IMAP over TLS.
    pub imaps: Vec<SocketAddr>,
    /// IMAP with STARTTLS.
    pub imap: Vec<SocketAddr>,
    /// Submission over TLS.
    pub submissions: Vec<SocketAddr>,
    /// Submission with STARTTLS.
    pub submission: Vec<SocketAddr>,
    /// HTTPS, IMAP and submission, told apart by ALPN.
    pub https: Vec<SocketAddr>,
    /// HTTP.
    pub http: Vec<SocketAddr>,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Made by the server itself, its key kept for ever.
    SelfSigned {
        /// Names and addresses in it besides the domain.
        names: Vec<String>,
    },
    /// Two PEM files.
    Files {
        /// The chain, the server's own certificate first.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// What one client, account or message may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message.
    pub message_size: u64,
    /// Bytes of one account's mail.
    pub quota: u64,
    /// Messages a minute an account may send in the long run.
    pub sends_per_minute: u32,
    /// Messages an account may send at once.
    pub send_burst: u32,
    /// Recipients of one message.
    pub recipients: u32,
    /// Shortest name of a new account.
    pub username_min: u32,
    /// Longest name of a new account.
    pub username_max: u32,
    /// Shortest password of a new account, in bytes.
    pub password_min: u32,
    /// Open connections in all.
    pub connections: u32,
    /// Open connections from one address.
    pub connections_per_address: u32,
    /// Bytes of free disk below which nobody new gets in.
    pub registration_free_disk: u64,
    /// Bytes of available memory below which nobody new gets in.
    pub registration_free_memory: u64,
}

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Days after which every message goes.
    pub messages_days: u32,
    /// Days after which a large message goes that a client has seen.
    pub large_messages_days: u32,
    /// Bytes above which a message is large.
    pub large_message: u64,
    /// Days without a login after which an account goes, with everything in it.
    pub inactive_accounts_days: u32,
}

/// What links tell clients, where it differs from what the server sees of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// The host that clients connect to; the domain, when none is given.
    pub host: Option<String>,
    /// The port of IMAP over TLS; the one listened on, when none is given.
    pub imap_port: Option<u16>,
    /// The port of submission over TLS; the one listened on, when none is given.
    pub smtp_port: Option<u16>,
    /// The port of HTTP in the links of invites; the one listened on, when none is given.
    pub http_port: Option<u16>,
    /// The port of HTTPS in those links and in the autoconfiguration; the one listened on, when none is given.
    pub https_port: Option<u16>,
}

/// What clients show about the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// `/shared/comment` of RFC 5464.
    pub comment: Option<String>,
    /// `/shared/admin` of RFC 5464, a URI.
    pub admin: Option<String>,
}

/// Reads and examines the file; a file that cannot be read is a finding too.
pub fn load(path: &Path) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    match read(path) {
        Ok(text) => examine(&text),
        Err(problem) => {
            let advice = "Name an existing file with --config; an empty file means all defaults.";
            Err(vec![Finding::error(&path.display().to_string(), problem, advice)])
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("The file cannot be read: {error}."))?.len();
    if size > FILE_LIMIT {
        return Err(format!("The file is {size} bytes long; a configuration has at most {FILE_LIMIT}."));
    }
    std::fs::read_to_string(path).map_err(|error| format!("The file cannot be read: {error}."))
}

/// Resolves the text of a configuration file. `Err` when any finding is an error.
pub fn examine(text: &str) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            let problem = format!("This is not TOML: {}", error.to_string().trim_end());
            return Err(vec![Finding::error("file", problem, "Correct the marked place.")]);
        }
    };
    let (config, findings) = resolve(Reader::new(table));
    if has_errors(&findings) { Err(findings) } else { Ok((config, findings)) }
}

fn resolve(mut file: Reader) -> (Config, Vec<Finding>) {
    let mut findings = Vec::new();
    let config = Config {
        domain: domain(&mut file),
        registration: registration(&mut file),
        state_directory: file.take_with("state_directory", defaults::STATE_DIRECTORY.into(), absolute),
        listen: section(&mut file, "listen", &mut findings, listen),
        tls: section(&mut file, "tls", &mut findings, tls),
        limits: section(&mut file, "limits", &mut findings, limits),
        expiry: section(&mut file, "expiry", &mut findings, expiry),
        pairing: section(&mut file, "pairing", &mut findings, pairing),
        about: section(&mut file, "about", &mut findings, about),
        push: section(&mut file, "push", &mut findings, push::push),
        metrics: section(&mut file, "metrics", &mut findings, metrics::metrics),
    };
    findings.extend(file.finish());
    (config, findings)
}

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

fn absolute(path: PathBuf) -> Result<PathBuf, String> {
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("{path:?} is relative, so it would depend on where the server is started."))
    }
}

fn listen(table: &mut Reader) -> Listen {
    let mut addresses = |key, port| table.take_with(key, defaults::everywhere(port), socket_addresses);
    let listen = Listen {
        imaps: addresses("imaps", defaults::IMAPS_PORT),
        imap: addresses("imap", defaults::IMAP_PORT),
        submissions: addresses("submissions", defaults::SUBMISSIONS_PORT),
        submission: addresses("submission", defaults::SUBMISSION_PORT),
        https: addresses("https", defaults::HTTPS_PORT),
        http: addresses("http", defaults::HTTP_PORT),
    };
    let none = |lists: [&Vec<SocketAddr>; 3]| lists.into_iter().all(Vec::is_empty);
    if none([&listen.imaps, &listen.imap, &listen.https]) {
        let advice = "Give at least one address to imaps, imap or https.";
        table.report("imaps", Severity::Warning, "No client can read mail: IMAP listens nowhere.", advice);
    }
    if none([&listen.submissions, &listen.submission, &listen.https]) {
        let advice = "Give at least one address to submissions, submission or https.";
        table.report(
            "submissions",
            Severity::Warning,
            "No client can send mail: submission listens nowhere.",
            advice,
        );
    }
    listen
}

fn socket_addresses(texts: Vec<String>) -> Result<Vec<SocketAddr>, String> {
    let parse = |text: &String| {
        text.parse().map_err(|_| {
            format!("{text:?} is not an address with a port, as \"[::]:993\" or \"192.0.2.1:993\".")
        })
    };
    texts.iter().map(parse).collect()
}

fn tls(table: &mut Reader) -> Tls {
    let path = |text: String| if text.is_empty() { Ok(None) } else { absolute(text.into()).map(Some) };
    let certificate = table.take_with("certificate", None, path);
    let key = table.take_with("key", None, path);
    let names = table.take_with("names", Vec::new(), certificate_names);
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            if !names.is_empty() {
                let advice = "Remove the line: the certificate's file says what names it has.";
                table.report(
                    "names",
                    Severity::Warning,
                    "Names belong to a self-signed certificate.",
                    advice,
                );
            }
            Tls::Files { certificate, key }
        }
        (None, None) => Tls::SelfSigned { names },
        (certificate, _) => {
            let (given, missing) =
                if certificate.is_some() { ("certificate", "key") } else { ("key", "certificate") };
            let advice = "Give both, or neither for a self-signed certificate.";
            table.report(missing, Severity::Error, format!("There is a {given} but no {missing}."), advice);
            Tls::SelfSigned { names }
        }
    }
}

fn certificate_names(names: Vec<String>) -> Result<Vec<String>, String> {
    let valid = |name: &String| {
        name.parse::<std::net::IpAddr>().is_ok() || matches!(name.parse::<Domain>(), Ok(Domain::Name(_)))
    };
    match names.iter().find(|name| !valid(name)) {
        Some(name) => Err(format!("{name:?} is neither a host name nor an IP address.")),
        None => Ok(names),
    }
}

fn limits(table: &mut Reader) -> Limits {
    let limits = Limits {
        message_size: table.take_with("message_size", defaults::MESSAGE_SIZE, at_least(1024)),
        quota: table.take_with("quota", defaults::QUOTA, at_least(1024)),
        sends_per_minute: table.take_with("sends_per_minute", defaults::SENDS_PER_MINUTE, at_least(1)),
        send_burst: table.take_with("send_burst", defaults::SEND_BURST, at_least(1)),
        recipients: table.take_with("recipients", defaults::RECIPIENTS, at_least(1)),
        username_min: table.take_with("username_min", defaults::USERNAME_MIN, at_least(1)),
        username_max: table.take_with("username_max", defaults::USERNAME_MAX, at_least(1)),
        password_min: table.take_with("password_min", defaults::PASSWORD_MIN, at_least(1)),
        connections: table.take_with("connections", defaults::CONNECTIONS, at_least(1)),
        connections_per_address: table.take_with(
            "connections_per_address",
            defaults::CONNECTIONS_PER_ADDRESS,
            at_least(1),
        ),
        registration_free_disk: table.take("registration_free_disk", defaults::REGISTRATION_FREE_DISK),
        registration_free_memory: table.take("registration_free_memory", defaults::REGISTRATION_FREE_MEMORY),
    };
    if !(limits.username_min..=limits.username_max).contains(&defaults::MINTED_NAME) {
        let problem = "The names that pairing and clients make up have nine characters, which this forbids.";
        table.report("username_min", Severity::Error, problem, "Allow nine characters.");
    }
    if limits.password_min > defaults::MINTED_PASSWORD {
        let problem = "The passwords that clients make up have 22 characters, which this forbids.";
        table.report("password_min", Severity::Error, problem, "Allow 22 characters.");
    }
    if limits.message_size > limits.quota {
        let advice = "Raise the quota or lower message_size.";
        table.report("quota", Severity::Warning, "A single message may be greater than the quota.", advice);
    }
    limits
}

fn at_least<T: PartialOrd + std::fmt::Display>(least: T) -> impl FnOnce(T) -> Result<T, String> {
    move |value| if value < least { Err(format!("{value} is less than {least}.")) } else { Ok(value) }
}

fn expiry(table: &mut Reader) -> Expiry {
    Expiry {
        messages_days: table.take_with("messages_days", defaults::MESSAGES_DAYS, at_least(1)),
        large_messages_days: table.take_with(
            "large_messages_days",
            defaults::LARGE_MESSAGES_DAYS,
            at_least(1),
        ),
        large_message: table.take("large_message", defaults::LARGE_MESSAGE),
        inactive_accounts_days: table.take_with(
            "inactive_accounts_days",
            defaults::INACTIVE_ACCOUNTS_DAYS,
            at_least(1),
        ),
    }
}

fn pairing(table: &mut Reader) -> Pairing {
    Pairing {
        host: table.take_with("host", None, |text: String| {
            if text.is_empty() {
                Ok(None)
            } else {
                certificate_names(vec![text]).map(|names| names.into_iter().next())
            }
        }),
        imap_port: table.take_with("imap_port", None, port),
        smtp_port: table.take_with("smtp_port", None, port),
        http_port: table.take_with("http_port", None, port),
        https_port: table.take_with("https_port", None, port),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it has the form of a check; u16 already holds only ports")]
fn port(number: u16) -> Result<Option<u16>, String> {
    Ok((number != 0).then_some(number))
}

fn about(table: &mut Reader) -> About {
    About {
        comment: table.take_with("comment", None, shown_text),
        admin: table.take_with("admin", None, shown_text),
    }
}

/// Text that goes into an IMAP answer; empty text is none.
fn shown_text(text: String) -> Result<Option<String>, String> {
    if text.chars().any(char::is_control) {
        return Err("It must be one line without control characters.".to_owned());
    }
    Ok((!text.is_empty()).then_some(text))
}
