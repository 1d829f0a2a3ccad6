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
        recipient: Recipient,
    },
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Help,
}

/// The recipient in a forward-path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// An address.
    Mailbox(Address),
    /// `<Postmaster>`: that of this server, for which no domain is needed (RFC 5321 section 4.5.1).
    Postmaster,
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
    let line = trim_blanks(line);
    let (verb, arguments) = match line.iter().position(|&byte| byte == b' ') {
        Some(blank) => line.split_at_checked(blank).unwrap_or((line, &[])),
        None => (line, [].as_slice()),
    };
    match verb.to_ascii_uppercase().as_slice() {
        b"EHLO" => greeting(arguments, Command::Ehlo),
        b"HELO" => greeting(arguments, Command::Helo),
        _ => parse_ascii(line),
    }
}

/// ehlo = "EHLO" SP ( Domain / address-literal ) CRLF
///
/// Quirk: whatever a client calls itself is taken, as long as there is something: phones send `[127.0.0.1]`, computers
/// the name that their owner gave them, with underscores, or as `MÜLLER-PC` in any charset, and nothing depends on it.
fn greeting(name: &[u8], command: Command) -> Result<Command, Reply> {
    if trim_blanks(name).is_empty() { Err(table::SYNTAX) } else { Ok(command) }
}

fn trim_blanks(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let length = bytes.iter().rposition(|byte| !blank(byte)).map_or(0, |last| last + 1);
    bytes.get(..length).unwrap_or(bytes)
}

/// Every other command is ASCII: addresses beyond it need SMTPUTF8 (RFC 6531), which is not offered.
fn parse_ascii(line: &[u8]) -> Result<Command, Reply> {
    let text = str::from_utf8(line).ok().filter(|text| text.is_ascii() && !text.contains('\0'));
    let text = text.ok_or(table::SYNTAX)?;
    let (verb, arguments) = text.split_once(' ').unwrap_or((text, ""));
    let arguments = arguments.trim_start_matches(' ');
    let bare = |command| if arguments.is_empty() { Ok(command) } else { Err(table::SYNTAX) };
    match verb.to_ascii_uppercase().as_str() {
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

/// `rcpt = "RCPT TO:" ( "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF`
fn rcpt(arguments: &str) -> Result<Command, Reply> {
    let (path, parameters) = path_after("TO:", arguments)?;
    let recipient = match path.eq_ignore_ascii_case("postmaster") {
        true => Recipient::Postmaster,
        false => Recipient::Mailbox(address(path).ok_or(table::RECIPIENT_SYNTAX)?),
    };
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
    let (path, parameters) =
        rest.split_at_checked(path_end(rest).ok_or(table::SYNTAX)?).unwrap_or((rest, ""));
    let parameters = parameters.strip_prefix('>').unwrap_or(parameters);
    match parameters.strip_prefix(' ') {
        Some(parameters) => Ok((path, parameters.trim_start_matches(' '))),
        None if parameters.is_empty() => Ok((path, "")),
        None => Err(table::SYNTAX),
    }
}

/// The position of the `>` that ends a path: the first one outside of a quoted string.
fn path_end(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().position(|byte| {
        let was_escaped = std::mem::take(&mut escaped);
        escaped = quoted && byte == b'\\' && !was_escaped;
        if byte == b'"' && !was_escaped {
            quoted = !quoted;
        }
        byte == b'>' && !quoted
    })
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
    Address::from_envelope(mailbox).ok()
}

#[cfg(test)]
mod tests {
    use mail_types::Address;

    use super::{Command, Mechanism, Recipient, parse};
    use crate::reply::{Reply, table};

    #[track_caller]
    fn check(line: &str, expected: Result<Command, Reply>) {
        assert_eq!(parse(line.as_bytes()), expected, "{line:?}");
    }

    fn mail(sender: Option<&str>, size: Option<u64>) -> Result<Command, Reply> {
        Ok(Command::Mail { sender: sender.map(|text| text.parse().unwrap()), size })
    }

    fn rcpt(recipient: &str) -> Result<Command, Reply> {
        Ok(Command::Rcpt { recipient: Recipient::Mailbox(Address::from_envelope(recipient).unwrap()) })
    }

    #[test]
    fn verbs_are_read_without_regard_to_case() {
        check("ehlo [127.0.0.1]", Ok(Command::Ehlo));
        check("HeLo x_y", Ok(Command::Helo));
        check("EHLO", Err(table::SYNTAX));
        check("EHLO \t ", Err(table::SYNTAX));
        check("HELO  ", Err(table::SYNTAX));
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
    fn whatever_a_client_calls_itself_is_taken() {
        for name in [
            "chat.example",
            "localhost",
            "M\u{dc}LLER-PC",
            "\u{410}\u{43d}\u{43d}\u{430}",
            "my_phone",
            "Anna's computer (2)",
            "[IPv6:2001:db8::1]",
            "[]",
            "<x>",
            "-",
            ".",
            &"x".repeat(300),
        ] {
            check(&format!("EHLO {name}"), Ok(Command::Ehlo));
            check(&format!("helo  {name} "), Ok(Command::Helo));
        }
        // Latin-1, and bytes that are in no charset.
        assert_eq!(parse(b"EHLO M\xdcLLER-PC"), Ok(Command::Ehlo));
        assert_eq!(parse(b"HELO \x00\xff\x80"), Ok(Command::Helo));
        assert_eq!(parse(b"EHLO\xff x"), Err(table::SYNTAX));
        assert_eq!(parse(b"MAIL FROM:<m\xfcller@box.test>"), Err(table::SYNTAX));
    }

    #[test]
    fn local_parts_may_be_quoted() {
        check(r#"RCPT TO:<"john doe"@box.test>"#, rcpt(r#""john doe"@box.test"#));
        check(r#"RCPT TO:<"a@b"@c.test>"#, rcpt(r#""a@b"@c.test"#));
        check(r#"RCPT TO:<"a>b\"> c"@box.test>"#, rcpt(r#""a>b\"> c"@box.test"#));
        check(r#"RCPT TO:<@x.test:"a:b"@box.test>"#, rcpt(r#""a:b"@box.test"#));
        check(r#"RCPT TO:<"anna"@box.test>"#, rcpt("anna@box.test"));
        check(r#"RCPT TO:<"a b"@box.test> NOTIFY=NEVER"#, Err(table::UNKNOWN_PARAMETER));
        check(r#"RCPT TO:<"a b@box.test>"#, Err(table::SYNTAX));
        check(r#"RCPT TO:<"a"b"@box.test>"#, Err(table::SYNTAX));
        check(r#"RCPT TO:<a b@box.test>"#, Err(table::RECIPIENT_SYNTAX));
        let sender = Address::from_envelope(r#""a b"@box.test"#).ok();
        check(r#"MAIL FROM:<"a b"@box.test> SIZE=5"#, Ok(Command::Mail { sender, size: Some(5) }));
    }

    #[test]
    fn the_postmaster_needs_no_domain() {
        check("RCPT TO:<Postmaster>", Ok(Command::Rcpt { recipient: Recipient::Postmaster }));
        check("rcpt to: <POSTMASTER>", Ok(Command::Rcpt { recipient: Recipient::Postmaster }));
        check("RCPT TO:<postmaster@box.test>", rcpt("postmaster@box.test"));
        check("RCPT TO:<webmaster>", Err(table::RECIPIENT_SYNTAX));
        check("MAIL FROM:<postmaster>", Err(table::SENDER_SYNTAX));
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
