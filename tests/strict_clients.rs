//! Odd mail read back by strict clients: whatever is in a message, the answer about it is one that they understand, and
//! no address in it is one that nobody wrote.

use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use hearth_tests::odd_mail::odd_mail;
use hearth_tests::product::Daemon;
use hearth_tests::python;
use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use imap_codec::imap_types::envelope::{Address, Envelope};
use imap_codec::imap_types::fetch::MessageDataItem;
use imap_codec::imap_types::response::{Data, Response};

const PASSWORD: &str = "a long password";
const SEED: u64 = 11;
/// Messages that are generated.
const GENERATED: usize = 150;

#[test]
fn strict_parsers_understand_odd_mail_and_find_no_address_that_nobody_wrote() {
    Daemon::start("open", "").unwrap().play(|daemon| {
        let account = daemon.account("strictly1", PASSWORD)?;
        let mut imap = account.log_in()?;
        let messages = odd_mail(SEED, GENERATED);
        for message in &messages {
            imap.append("INBOX", message)?;
        }
        imap.command("SELECT INBOX")?;
        for (number, message) in (1..).zip(&messages) {
            let judged = judge(&mut imap, number, message);
            judged.with_context(|| format!("seed {SEED}: {:?}", String::from_utf8_lossy(message)))?;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/strict_client.py");
        let output = Command::new(python::program("python3"))
            .args([script, "127.0.0.1", &account.imaps_port.to_string(), &account.address, PASSWORD])
            .output()
            .context("python3 must be installed")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    });
}

/// The questions about each message: imap-proto does not know `BODY`, and stands for Delta Chat, which does not use it.
const QUESTIONS: [&str; 2] = [
    "ENVELOPE BODYSTRUCTURE BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2]<5.9> BODY.PEEK[TEXT]<1000000.10>",
    "ENVELOPE BODY BODYSTRUCTURE",
];

fn judge(imap: &mut hearth_tests::mail::Imap, number: usize, message: &[u8]) -> Result<()> {
    for (index, question) in QUESTIONS.iter().enumerate() {
        let answers = imap.verbatim(&format!("FETCH {number} ({question})"))?;
        ensure!(!answers.is_empty(), "no answer to {question}");
        for answer in answers {
            let shown = || format!("{:?}", String::from_utf8_lossy(&answer));
            if index == 0 {
                let (rest, _) = imap_proto::Response::from_bytes(&answer)
                    .map_err(|error| anyhow!("imap-proto: {error}"))
                    .with_context(shown)?;
                ensure!(rest.is_empty(), "imap-proto leaves {rest:?}");
            }
            let (rest, response) = ResponseCodec::default()
                .decode(&answer)
                .map_err(|error| anyhow!("imap-codec: {error:?}"))
                .with_context(shown)?;
            ensure!(rest.is_empty(), "imap-codec leaves {rest:?}");
            if let Response::Data(Data::Fetch { items, .. }) = response {
                check_items(items.as_ref(), message).with_context(shown)?;
            }
        }
    }
    Ok(())
}

fn check_items(items: &[MessageDataItem<'_>], message: &[u8]) -> Result<()> {
    for item in items {
        if let MessageDataItem::Envelope(envelope) = item {
            let Envelope { from, sender, reply_to, to, cc, bcc, .. } = envelope;
            for members in [from, sender, reply_to, to, cc, bcc] {
                check_members(members, &Source::new(message))?;
            }
        }
    }
    Ok(())
}

/// Marks of groups come in pairs, and every address stands in the message.
fn check_members(members: &[Address<'_>], source: &Source) -> Result<()> {
    let mut in_group = false;
    for member in members {
        let [mailbox, host] = [&member.mailbox, &member.host].map(|part| part.0.as_ref().map(AsRef::as_ref));
        match (mailbox, host) {
            (Some(mailbox), Some(host)) => ensure!(source.holds(mailbox, host), "invented: {member:?}"),
            (mark, None) => {
                ensure!(mark.is_some() != in_group, "a mark without the other: {members:?}");
                in_group = !in_group;
            }
            (None, Some(_)) => return Err(anyhow!("a host alone: {member:?}")),
        }
    }
    ensure!(!in_group, "an open group: {members:?}");
    Ok(())
}

/// A header section as addresses are looked for in it: without quoting, comments, and the white space around dots and
/// `@`, which obsolete syntax allows. White space elsewhere counts, or words glued together would be found.
struct Source {
    with_comments: String,
    without: String,
}

impl Source {
    fn new(message: &[u8]) -> Self {
        let text: String = message.iter().map(|&byte| char::from(byte)).collect();
        Self { with_comments: plain(&text), without: plain(&text.replace("(c)", " ")) }
    }

    fn holds(&self, mailbox: &[u8], host: &[u8]) -> bool {
        let latin1 = |part: &[u8]| plain(&part.iter().map(|&byte| char::from(byte)).collect::<String>());
        let (mailbox, host) = (latin1(mailbox), latin1(host));
        if host.is_empty() {
            // Words, of which a name may be made: between two that are quoted a space is added.
            let dense = |text: &str| text.replace(' ', "");
            return [&self.with_comments, &self.without]
                .iter()
                .any(|text| dense(text).contains(&dense(&mailbox)));
        }
        let address = format!("{mailbox}@{host}");
        self.with_comments.contains(&address) || self.without.contains(&address)
    }
}

fn plain(text: &str) -> String {
    let unquoted = text.replace(['\\', '"'], "");
    let blank = |character: char| character.is_ascii_whitespace() || character.is_ascii_control();
    let mut plain = unquoted.split(blank).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    for mark in ['.', '@'] {
        plain = plain
            .replace(&format!(" {mark}"), &mark.to_string())
            .replace(&format!("{mark} "), &mark.to_string());
    }
    plain
}

#[test]
fn an_invented_address_would_be_noticed() {
    let source = Source::new(b"To: anna bell@x . y, \"a b\"@c, d(c) @e\r\n");
    for (mailbox, host) in [("bell", "x.y"), ("a b", "c"), ("d", "e"), ("anna bell", "x.y")] {
        assert!(source.holds(mailbox.as_bytes(), host.as_bytes()), "{mailbox}@{host}");
    }
    for (mailbox, host) in [("annabell", "x.y"), ("anna", "x.y"), ("ab", "c"), ("d", "x.y")] {
        assert!(!source.holds(mailbox.as_bytes(), host.as_bytes()), "{mailbox}@{host}");
    }
}
