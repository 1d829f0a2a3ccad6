//! Command lines to commands (RFC 5321 section 4.1). Pure parsing: what is allowed when is `session`'s business.

use mail_types::{Address, Domain};

use crate::reply::{Reply, table};

/// A command with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `EHLO`, whose answer lists extensions.
    Ehlo,
    /// `HELO`, whose answer does not.
    Helo,
    StartTls,
    Auth {
        mechanism: Mechanism,
        initial: Option<Vec<u8>>,
    },
    Mail {
        sender: Option<Address>,
        size: Option<u64>,
    },
    Rcpt {
        recipient: Address,
    },
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Help,
}

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// RFC 4616
    Plain,
    /// The undocumented one of old clients: two prompts.
    Login,
}

/// Reads a line; a line that is no command gives the reply to send.
pub(crate) fn parse(line: &[u8]) -> Result<Command, Reply> {
    // A command is ASCII: addresses beyond it need SMTPUTF8, which is not offered.
    let text = str::from_utf8(line).ok().filter(|text| text.is_ascii() && !text.contains('\0'));
    let text = text.ok_or(table::SYNTAX)?.trim_end_matches([' ', '\t']);
    let (verb, arguments) = text.split_once(' ').unwrap_or((text, ""));
    let arguments = arguments.trim_start_matches(' ');
    let bare = |command| if arguments.is_empty() { Ok(command) } else { Err(table::SYNTAX) };
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => greeting(arguments, Command::Ehlo),
        "HELO" => greeting(arguments, Command::Helo),
        "STARTTLS" => bare(Command::StartTls),
        "AUTH" => auth(arguments),
        "MAIL" => mail(arguments),
        "RCPT" => rcpt(arguments),
        "DATA" => bare(Command::Data),
        "RSET" => bare(Command::Rset),
        "NOOP" => Ok(Command::Noop),
        "QUIT" => bare(Command::Quit),
        "VRFY" => Ok(Command::Vrfy),
        "HELP" => Ok(Command::Help),
        _ => Err(table::UNKNOWN_COMMAND),
    }
}

/// ehlo = "EHLO" SP ( Domain / address-literal ) CRLF
///
/// Quirk: whatever a client calls itself is taken, as long as there is something: phones send `[127.0.0.1]`, host
/// names with underscores, and worse, and nothing depends on it.
fn greeting(name: &str, command: Command) -> Result<Command, Reply> {
    if name.is_empty() || name.len() > 255 { Err(table::SYNTAX) } else { Ok(command) }
}

/// auth-command = "AUTH" SP sasl-mech [SP initial-response] (RFC 4954 section 4)
fn auth(arguments: &str) -> Result<Command, Reply> {
    let (mechanism, initial) = match arguments.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
        None => (arguments, None),
    };
    let mechanism = match mechanism.to_ascii_uppercase().as_str() {
        "PLAIN" => Mechanism::Plain,
        "LOGIN" => Mechanism::Login,
        "" => return Err(table::SYNTAX),
        _ => return Err(table::UNKNOWN_MECHANISM),
    };
    Ok(Command::Auth { mechanism, initial: initial.map(|text| text.as_bytes().to_vec()) })
}

/// mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF
fn mail(arguments: &str) -> Result<Command, Reply> {
    let (path, parameters) = path_after("FROM:", arguments)?;
    let sender = match path {
        "" => None,
        path => Some(address(path).ok_or(table::SENDER_SYNTAX)?),
    };
    let mut size = None;
    for parameter in parameters.split(' ').filter(|parameter| !parameter.is_empty()) {
        let (keyword, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match keyword.to_ascii_uppercase().as_str() {
            // size-value = 1*20DIGIT (RFC 1870)
            "SIZE" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                size = Some(value.parse().unwrap_or(u64::MAX));
            }
            "BODY" if value.eq_ignore_ascii_case("8BITMIME") || value.eq_ignore_ascii_case("7BIT") => {}
            // RFC 4954 section 5: who first submitted the mail. Nothing here uses it, and it is not passed on.
            "AUTH" if !value.is_empty() => {}
            "SIZE" | "BODY" | "AUTH" => return Err(table::SYNTAX),
            _ => return Err(table::UNKNOWN_PARAMETER),
        }
    }
    Ok(Command::Mail { sender, size })
}

/// rcpt = "RCPT TO:" Forward-path [SP Rcpt-parameters] CRLF
fn rcpt(arguments: &str) -> Result<Command, Reply> {
    let (path, parameters) = path_after("TO:", arguments)?;
    let recipient = address(path).ok_or(table::RECIPIENT_SYNTAX)?;
    if parameters.is_empty() { Ok(Command::Rcpt { recipient }) } else { Err(table::UNKNOWN_PARAMETER) }
}

/// The path between `<` and `>`, and the parameters after it.
///
/// Quirk: blanks before `<` are skipped; many scripts write `MAIL FROM: <a@b>`.
fn path_after<'a>(keyword: &str, arguments: &'a str) -> Result<(&'a str, &'a str), Reply> {
    let (head, rest) = arguments.split_at_checked(keyword.len()).ok_or(table::SYNTAX)?;
    if !head.eq_ignore_ascii_case(keyword) {
        return Err(table::SYNTAX);
    }
    let rest = rest.trim_start_matches(' ').strip_prefix('<').ok_or(table::SYNTAX)?;
    let (path, parameters) = rest.split_once('>').ok_or(table::SYNTAX)?;
    match parameters.strip_prefix(' ') {
        Some(parameters) => Ok((path, parameters.trim_start_matches(' '))),
        None if parameters.is_empty() => Ok((path, "")),
        None => Err(table::SYNTAX),
    }
}

/// Path = "<" [ A-d-l ":" ] Mailbox ">": the source route is obsolete and ignored (RFC 5321 appendix C).
fn address(path: &str) -> Option<Address> {
    let mailbox = match path.strip_prefix('@') {
        Some(route) => {
            let (hosts, mailbox) = route.split_once(':')?;
            let host = |host: &str| host.strip_prefix('@').unwrap_or(host).parse::<Domain>().is_ok();
            hosts.split(',').all(host).then_some(mailbox)?
        }
        None => path,
    };
    mailbox.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Command, Mechanism, parse};
    use crate::reply::{Reply, table};

    #[track_caller]
    fn check(line: &str, expected: Result<Command, Reply>) {
        assert_eq!(parse(line.as_bytes()), expected, "{line:?}");
    }

    fn mail(sender: Option<&str>, size: Option<u64>) -> Result<Command, Reply> {
        Ok(Command::Mail { sender: sender.map(|text| text.parse().unwrap()), size })
    }

    fn rcpt(recipient: &str) -> Result<Command, Reply> {
        Ok(Command::Rcpt { recipient: recipient.parse().unwrap() })
    }

    #[test]
    fn verbs_are_read_without_regard_to_case() {
        check("ehlo [127.0.0.1]", Ok(Command::Ehlo));
        check("HeLo x_y", Ok(Command::Helo));
        check("EHLO", Err(table::SYNTAX));
        check("DATA ", Ok(Command::Data));
        check("DATA x", Err(table::SYNTAX));
        check("noop and so on", Ok(Command::Noop));
        check("VRFY anna@box.test", Ok(Command::Vrfy));
        check("", Err(table::UNKNOWN_COMMAND));
        check("BDAT 5 LAST", Err(table::UNKNOWN_COMMAND));
        check("GET / HTTP/1.1", Err(table::UNKNOWN_COMMAND));
        check("NOOP \u{e9}", Err(table::SYNTAX));
    }

    #[test]
    fn mail_takes_a_path_and_the_offered_parameters() {
        check("MAIL FROM:<Anna@Box.Test>", mail(Some("anna@box.test"), None));
        check("mail from: <anna@box.test> size=1000 body=8bitmime", mail(Some("anna@box.test"), Some(1000)));
        check("MAIL FROM:<>", mail(None, None));
        check("MAIL FROM:<@a.test,@b.test:anna@box.test>", mail(Some("anna@box.test"), None));
        check("MAIL FROM:<anna@[192.0.2.1]> AUTH=<>", mail(Some("anna@[192.0.2.1]"), None));
        check("MAIL FROM:<a@b> SIZE=99999999999999999999999", mail(Some("a@b"), Some(u64::MAX)));
        check("MAIL FROM:<a@b> SIZE=-1", Err(table::SYNTAX));
        check("MAIL FROM:<a@b> SMTPUTF8", Err(table::UNKNOWN_PARAMETER));
        check("MAIL FROM:<a@b>SIZE=1", Err(table::SYNTAX));
        check("MAIL FROM:a@b", Err(table::SYNTAX));
        check("MAIL FROM:<anna>", Err(table::SENDER_SYNTAX));
        check("MAIL TO:<a@b>", Err(table::SYNTAX));
        check("MAIL", Err(table::SYNTAX));
    }

    #[test]
    fn rcpt_keeps_the_suffix_and_takes_no_parameters() {
        check("RCPT TO:<anna+list@box.test>", rcpt("anna+list@box.test"));
        check("RCPT TO:<>", Err(table::RECIPIENT_SYNTAX));
        check("RCPT TO:<a@b@c>", Err(table::RECIPIENT_SYNTAX));
        check("RCPT TO:<a@b> NOTIFY=NEVER", Err(table::UNKNOWN_PARAMETER));
    }

    #[test]
    fn auth_names_its_mechanism() {
        let auth = |mechanism, initial: Option<&str>| {
            Ok(Command::Auth { mechanism, initial: initial.map(|text| text.as_bytes().to_vec()) })
        };
        check("AUTH PLAIN AGEAYg==", auth(Mechanism::Plain, Some("AGEAYg==")));
        check("auth login", auth(Mechanism::Login, None));
        check("AUTH CRAM-MD5", Err(table::UNKNOWN_MECHANISM));
        check("AUTH", Err(table::SYNTAX));
    }
}
