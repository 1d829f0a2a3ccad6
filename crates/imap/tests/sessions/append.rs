//! `APPEND`: messages that stream in.

use imap::{MailboxName, Output, Question};

use crate::each_seed;
use crate::world::{Parser, Wire, World};

#[test]
fn a_message_is_appended_with_flags_and_date() {
    each_seed(|world| {
        let phone = world.select();
        world.play(
            phone,
            r#"
            C: a APPEND INBOX (\Seen $Forwarded) " 1-Feb-2026 10:11:12 +0130" {6}
            S: + OK
            C: x: y
            C:
            S: * 1 EXISTS
            S: * 0 RECENT
            S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Forwarded)
            S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Forwarded \*)] Flags permitted
            S: a OK [APPENDUID 1718000000 42] Append completed
            C: b FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])
            S: * 1 FETCH (FLAGS (\Seen $Forwarded) INTERNALDATE " 1-Feb-2026 08:41:12 +0000" BODY[] {6}
            S: x: y
            S: )
            S: b OK Fetch completed
            C: c APPEND Nowhere {3}
            S: c NO [TRYCREATE] There is no such mailbox.
            C: d APPEND Nowhere {3+}
            S: d NO [TRYCREATE] There is no such mailbox.
            C: abc
            C: e APPEND INBOX {2000000}
            S: e NO [OVERQUOTA] There is no room left in the account.
            C: f APPEND INBOX {99999999}
            S: f NO [TOOBIG] The message is too large
            C: g APPEND INBOX {0}
            S: g NO A message cannot be empty
            C: h APPEND INBOX nonsense {3}
            S: + OK
            C: abc
            S: h BAD APPEND takes a mailbox, flags, a date and a literal
            C: i APPEND {5}
            S: + OK
            C: INBOX {3+}
            C: abc
            S: * 2 EXISTS
            S: * 0 RECENT
            S: i OK [APPENDUID 1718000000 43] Append completed
            C: j APPEND INBOX {3+}
            C: abc {3+}
            S: j BAD There is more after the message than APPEND takes
            C: def
            C: k NOOP
            S: k OK NOOP completed
        "#,
        );
        assert_eq!(world.toy.mailboxes[&MailboxName::inbox()].messages.len(), 2);
    });
}

#[test]
fn a_message_with_a_nul_is_refused_and_its_bytes_are_no_commands() {
    each_seed(|world| {
        let phone = world.select();
        let refused = "a NO [CANNOT] A message cannot hold a NUL\r\n";
        for literal in ["{22+}\r\n", "{22}\r\n"] {
            for message in [
                b"Subject: x\r\n\r\nb\0dy\r\n\r\n",
                b"\0ubject: x\r\n\r\nbody\r\n\r\n",
                b"Subject: x\r\nb NOOP\r\n\0\0",
                b"Subject: x\r\n\r\nbody\r\n\r\0",
            ] {
                world.send(phone, format!("a APPEND INBOX {literal}").as_bytes());
                let wait = if literal == "{22}\r\n" { "+ OK\r\n" } else { "" };
                assert_eq!(world.heard(phone), wait);
                world.send(phone, message);
                // Behind the NUL the client goes on with its message, and is answered when all of it has come.
                assert_eq!(world.heard(phone), "");
                world.send(phone, b"\r\n");
                assert_eq!(world.heard(phone), refused);
                world.play(phone, "C: c NOOP\nS: c OK NOOP completed");
            }
        }
        world.send(phone, b"a APPEND INBOX {3+}\r\na\0b {3+}\r\nabc\r\nd APPEND INBOX {3+}\r\na b\r\n");
        let stored = "* 1 EXISTS\r\n* 0 RECENT\r\nd OK [APPENDUID 1718000000 42] Append completed\r\n";
        assert_eq!(world.heard(phone), format!("{refused}{stored}"));
        assert_eq!(world.toy.mailboxes[&MailboxName::inbox()].messages.len(), 1);
    });
}

#[test]
fn no_other_literal_holds_a_nul_either() {
    each_seed(|world| {
        world.parser = Parser::Any;
        let stranger = world.connect(imap::Transport::Tls);
        let phone = world.select();
        world.heard(stranger);
        for (number, command) in [
            (stranger, &b"LOGIN {3+}\r\na\0b secret"[..]),
            (stranger, b"LOGIN abc123xyz@chat.example {3}\r\na\0b"),
            (stranger, b"ID ({4+}\r\nname {3+}\r\na\0b)"),
            (phone, b"SELECT {3+}\r\na\0b"),
            (phone, b"CREATE {3+}\r\na\0b"),
            (phone, b"LIST \"\" {3+}\r\na\0b"),
            (phone, b"SEARCH SUBJECT {3+}\r\na\0b"),
            (phone, b"SEARCH OR TEXT x BODY {3+}\r\na\0b"),
            (phone, b"FETCH 1 BODY[HEADER.FIELDS ({3+}\r\na\0b)]"),
            (phone, b"SETMETADATA INBOX (/private/devicetoken {3+}\r\na\0b)"),
            (phone, b"APPEND {3+}\r\na\0b {3+}\r\na b"),
        ] {
            world.send(number, &[b"a ", command, b"\r\nb NOOP\r\n"].concat());
            let heard = world.heard(number).replace("+ OK\r\n", "");
            let reason = if command.starts_with(b"APPEND") {
                "APPEND takes a mailbox, flags, a date and a literal"
            } else {
                "a literal must not hold a NUL"
            };
            assert_eq!(heard, format!("a BAD {reason}\r\nb OK NOOP completed\r\n"), "{command:?}");
        }
        // What is binary may (RFC 5464 section 5: value = nstring / literal8). BINARY itself is not offered (RFC 3516).
        world.send(phone, b"a SETMETADATA INBOX (/private/devicetoken ~{3+}\r\na\0b)\r\n");
        assert_eq!(world.heard(phone), "a OK Setmetadata completed\r\n");
        world.send(phone, b"a GETMETADATA INBOX /private/devicetoken\r\n");
        let told =
            "* METADATA \"INBOX\" (/private/devicetoken ~{3}\r\na\0b)\r\na OK Getmetadata completed\r\n";
        assert_eq!(world.heard(phone), told);
        world.send(phone, b"a APPEND INBOX ~{3+}\r\na\0b\r\nb NOOP\r\n");
        let refused = "a BAD APPEND takes a mailbox, flags, a date and a literal\r\nb OK NOOP completed\r\n";
        assert_eq!(world.heard(phone), refused);
        assert!(world.toy.mailboxes[&MailboxName::inbox()].messages.is_empty());
    });
}

#[test]
fn a_large_message_streams_and_nothing_piles_up() {
    let mut world = World::new(3);
    world.settings.message_size = 1_000_000;
    let phone = world.login();
    let message = vec![b'x'; 900_000];
    world.send(phone, format!("a APPEND INBOX {{{}+}}\r\n", message.len()).as_bytes());
    world.send(phone, &message);
    world.send(phone, b"\r\n");
    assert_eq!(world.heard(phone), "a OK [APPENDUID 1718000000 42] Append completed\r\n");
}

#[test]
fn input_is_not_wanted_while_too_much_waits() {
    let mut world = World::new(3);
    let phone = world.login();
    world.holding = true;
    world.send(phone, b"a APPEND INBOX {500000+}\r\n");
    let mut sent = 0;
    while world.wants_input(phone) {
        world.input(phone, imap::Input::Bytes(&[b'x'; 4_096]));
        sent += 4_096;
    }
    assert!(sent < 120_000, "{sent} bytes were taken while a question was open");
    world.release();
    assert!(world.wants_input(phone));
    world.send(phone, &vec![b'x'; 500_000 - sent]);
    world.send(phone, b"\r\n");
    assert_eq!(world.heard(phone), "a OK [APPENDUID 1718000000 42] Append completed\r\n");
}

#[test]
fn a_connection_that_breaks_leaves_nothing_behind() {
    let mut world = World::new(3);
    let phone = world.login();
    world.send(phone, b"a APPEND INBOX {10+}\r\nabc");
    world.input(phone, imap::Input::Closed);
    assert_eq!(world.wire(phone), Wire::Closed);
    assert!(world.toy.mailboxes[&MailboxName::inbox()].messages.is_empty());
}

#[test]
fn dialogue_values_can_be_compared_and_shown() {
    // Drivers log questions at `trace`; secrets must not be in them.
    let question = Question::Authenticate { user: "a".to_owned(), password: mail_types::Secret::new("p") };
    assert_eq!(Output::Ask(question.clone()), Output::Ask(question.clone()));
    assert!(!format!("{question:?}").contains("\"p\""));
}
