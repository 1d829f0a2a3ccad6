//! Sessions of Delta Chat, and of relay's own tests.

use std::time::Duration;

use crate::each_seed;
use crate::world::{Parser, Wire, World};
use imap::{CommandFailure, Input, Transport};

const MESSAGE: &str = "\
Message-ID: <1@chat.example>
Date: Sun, 22 Nov 2026 14:08:33 +0000
From: <anna@chat.example>
Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";
\tboundary=\"b\"
Chat-Version: 1.0
Received: from somewhere

--b
--b--
";

#[test]
fn the_whole_life_of_a_message() {
    each_seed(|world| {
        let phone = world.connect(Transport::Tls);
        world.play(phone, r#"
            S: * OK [CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ AUTH=PLAIN XDELTAPUSH XCHATMAIL] Hearth ready.
            C: A0001 LOGIN "abc123xyz@chat.example" "Zk3\"\\x"
            S: A0001 OK [CAPABILITY IMAP4rev1 …
            C: A0002 ID ("name" "Delta Chat")
            S: * ID ("name" "Hearth" "version" "1.0")
            S: A0002 OK ID completed
            C: A0003 GETQUOTAROOT "INBOX"
            S: * QUOTAROOT "INBOX" "User quota"
            S: * QUOTA "User quota" (STORAGE 12 512000)
            S: A0003 OK Getquotaroot completed
            C: A0004 GETMETADATA "" (/shared/comment /shared/admin /shared/vendor/deltachat/maxsmtprecipients)
            S: * METADATA "" (/shared/comment NIL /shared/admin NIL /shared/vendor/deltachat/maxsmtprecipients {4}
            S: 1000)
            S: A0004 OK Getmetadata completed
            C: A0005 SETMETADATA "INBOX" (/private/devicetoken "openpgp:abc")
            S: A0005 OK Setmetadata completed
            C: A0006 SELECT "INBOX"
            S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
            S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] Flags permitted
            S: * 0 EXISTS
            S: * 0 RECENT
            S: * OK [UIDVALIDITY 1718000000] UIDs valid
            S: * OK [UIDNEXT 42] Predicted next UID
            S: * OK [HIGHESTMODSEQ 10] Highest
            S: A0006 OK [READ-WRITE] Select completed
            C: A0007 IDLE
            S: + idling
        "#);
        world.change(|toy| toy.deliver(MESSAGE));
        world.play(phone, r"
            S: * 1 EXISTS
            S: * 0 RECENT
            C: DONE
            S: A0007 OK Idle completed
            C: A0008 UID FETCH 42:541 (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE X-MICROSOFT-ORIGINAL-MESSAGE-ID FROM CONTENT-TYPE SECURE-JOIN CHAT-VERSION CHAT-IS-POST-MESSAGE AUTOCRYPT-SETUP-MESSAGE)])
            S: * 1 FETCH (UID 42 RFC822.SIZE 244 BODY[HEADER.FIELDS (MESSAGE-ID DATE X-MICROSOFT-ORIGINAL-MESSAGE-ID FROM CONTENT-TYPE SECURE-JOIN CHAT-VERSION CHAT-IS-POST-MESSAGE AUTOCRYPT-SETUP-MESSAGE)] {206}
            S: Message-ID: <1@chat.example>
            S: Date: Sun, 22 Nov 2026 14:08:33 +0000
            S: From: <anna@chat.example>
            S: Content-Type: multipart/encrypted; protocol=…
            S: …
            S: Chat-Version: 1.0
            S:
            S: )
            S: A0008 OK Fetch completed
            C: A0009 UID FETCH 42 (FLAGS BODY.PEEK[])
            S: * 1 FETCH (UID 42 FLAGS () BODY[] {244}
            S: Message-ID: <1@chat.example>
            S: Date: Sun, 22 Nov 2026 14:08:33 +0000
            S: From: <anna@chat.example>
            S: Content-Type: multipart/encrypted; protocol=…
            S: …
            S: Chat-Version: 1.0
            S: Received: from somewhere
            S:
            S: --b
            S: --b--
            S: )
            S: A0009 OK Fetch completed
            C: A0010 UID STORE 42 +FLAGS (\Seen)
            S: * 1 FETCH (UID 42 FLAGS (\Seen))
            S: A0010 OK Store completed
            C: A0011 UID STORE 42 +FLAGS (\Deleted)
            S: * 1 FETCH (UID 42 FLAGS (\Deleted \Seen))
            S: A0011 OK Store completed
        ",
        );
        world.play(phone, CLOSE);
        assert_eq!(world.wire(phone), Wire::Closed);
    });
}

const CLOSE: &str = r"
            C: A0012 CLOSE
            S: A0012 OK Close completed
            C: A0013 SELECT INBOX
            S: * FLAGS …
            S: * OK [PERMANENTFLAGS …
            S: * 0 EXISTS
            S: * 0 RECENT
            S: * OK [UIDVALIDITY 1718000000] UIDs valid
            S: * OK [UIDNEXT 43] Predicted next UID
            S: * OK [HIGHESTMODSEQ …
            S: A0013 OK [READ-WRITE] Select completed
            C: A0014 UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID X-MICROSOFT-ORIGINAL-MESSAGE-ID)])
            S: A0014 OK Fetch completed
            C: A0015 LOGOUT
            S: * BYE Logging out
            S: A0015 OK Logout completed
        ";

#[test]
fn mail_that_arrives_during_another_command_is_told_at_its_end() {
    each_seed(|world| {
        let phone = world.select();
        world.change(|toy| toy.deliver(MESSAGE));
        world.play(
            phone,
            "
            C: a UID FETCH 1:41 FLAGS
            S: * 1 EXISTS
            S: * 0 RECENT
            S: a OK Fetch completed
        ",
        );
    });
}

#[test]
fn idle_shows_a_sign_of_life_every_two_minutes_and_no_more() {
    let mut world = World::new(1);
    let phone = world.select();
    world.play(phone, "C: a IDLE\nS: + idling");
    world.pass(Duration::from_secs(119));
    assert_eq!(world.heard(phone), "");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.heard(phone), "* OK Still here\r\n");
    world.pass(Duration::from_secs(60));
    world.change(|toy| toy.deliver(MESSAGE));
    assert_eq!(world.heard(phone), "* 1 EXISTS\r\n* 0 RECENT\r\n");
    world.pass(Duration::from_secs(119));
    assert_eq!(world.heard(phone), "");
    world.pass(Duration::from_secs(12 * 3_600));
    assert_eq!(world.heard(phone).lines().count(), 360);
    world.play(phone, "C: done\nS: a OK Idle completed");
}

#[test]
fn idle_ends_with_done_only() {
    let mut world = World::new(1);
    let phone = world.select();
    world.play(
        phone,
        "C: a IDLE\nS: + idling\nC: b NOOP\nS: a BAD Expected DONE\nC: c NOOP\nS: c OK NOOP completed",
    );
}

#[test]
fn a_silent_client_is_let_go_and_before_the_login_a_busy_one_too() {
    let mut world = World::new(1);
    let (silent, busy) = (world.connect(Transport::Tls), world.connect(Transport::Tls));
    let phone = world.login();
    world.heard(silent);
    for _ in 0..59 {
        world.heard(busy);
        world.pass(Duration::from_secs(1));
        world.play(busy, "C: a NOOP\nS: a OK NOOP completed");
    }
    world.send(busy, b"b LOGIN a");
    assert_eq!(world.heard(silent), "");
    world.pass(Duration::from_secs(1));
    for stranger in [silent, busy] {
        assert_eq!(world.heard(stranger), "* BYE Too long without a login.\r\n");
        assert_eq!(world.wire(stranger), Wire::Closed);
    }
    world.pass(Duration::from_secs(25 * 60));
    world.play(phone, "C: a NOOP\nS: a OK NOOP completed");
    world.pass(Duration::from_secs(31 * 60));
    assert_eq!(world.heard(phone), "* BYE Disconnected for inactivity.\r\n");
    assert_eq!(world.wire(phone), Wire::Closed);
}

#[test]
fn wrong_passwords_and_own_trouble_are_told_apart() {
    let mut world = World::new(1);
    let phone = world.connect(Transport::Tls);
    world.heard(phone);
    world.play(
        phone,
        "
        C: a LOGIN abc123xyz@chat.example wrong
        S: a NO [AUTHENTICATIONFAILED] Authentication failed.
    ",
    );
    for failure in [CommandFailure::Unavailable, CommandFailure::Limit, CommandFailure::OverQuota] {
        world.toy.refuse = Some(failure);
        world.send(phone, b"b LOGIN abc123xyz@chat.example right\r\n");
        let heard = world.heard(phone);
        assert!(heard.starts_with("b NO ["), "{heard}");
        assert!(!heard.to_ascii_lowercase().contains("authentication"), "{heard}");
    }
    world.toy.refuse = Some(CommandFailure::ForeignName);
    world.send(phone, b"c LOGIN abc123xyz@elsewhere.example right\r\n");
    assert!(world.heard(phone).contains("Invalid"));
}

#[test]
fn guessing_passwords_ends_the_connection() {
    let mut world = World::new(1);
    let phone = world.connect(Transport::Tls);
    for _ in 0..5 {
        world.send(phone, b"a LOGIN abc123xyz@chat.example wrong\r\n");
    }
    assert!(world.heard(phone).ends_with("* BYE Too many failed logins.\r\n"));
    assert_eq!(world.wire(phone), Wire::Closed);
}

#[test]
fn device_tokens_come_back_as_relays_own_test_wants_them() {
    each_seed(|world| {
        world.parser = Parser::Any;
        let phone = world.login();
        world.play(
            phone,
            r#"
            C: a01 SETMETADATA INBOX (/private/devicetoken "1111" )⏎
            S: a01 OK Setmetadata completed
            C: a02 GETMETADATA INBOX /private/devicetoken⏎
            S: * METADATA "INBOX" (/private/devicetoken {4}
            S: 1111)
            S: a02 OK Getmetadata completed
            C: a03 SETMETADATA INBOX (/private/devicetoken "2222" )⏎
            S: a03 OK Setmetadata completed
            C: a04 GETMETADATA INBOX ( /private/devicetoken )⏎
            S: * METADATA "INBOX" (/private/devicetoken {9}
            S: 1111 2222)
            S: a04 OK Getmetadata completed
        "#,
        );
    });
}

#[test]
fn clear_text_leads_nowhere_but_to_starttls() {
    each_seed(|world| {
        let phone = world.connect(Transport::Plain);
        world.play(phone, r"
            S: * OK [CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ STARTTLS LOGINDISABLED XDELTAPUSH XCHATMAIL] …
            C: a LOGIN abc123xyz@chat.example secret
            S: a NO [PRIVACYREQUIRED] …
            C: b AUTHENTICATE PLAIN AGFiYzEyM3h5ekBjaGF0LmV4YW1wbGUAc2VjcmV0
            S: b NO [PRIVACYREQUIRED] …
            C: c STARTTLS
            S: c OK Begin TLS negotiation now.
        ");
        assert_eq!(world.wire(phone), Wire::Tls);
        assert!(!world.wants_input(phone));
        world.input(phone, Input::TlsStarted);
        world.play(
            phone,
            r"
            C: d STARTTLS
            S: d BAD TLS is active already.
            C: e AUTHENTICATE PLAIN AGFiYzEyM3h5ekBjaGF0LmV4YW1wbGUAc2VjcmV0
            S: e OK [CAPABILITY …
        ",
        );
    });
}

#[test]
fn authenticate_asks_for_its_response() {
    each_seed(|world| {
        let phone = world.connect(Transport::Tls);
        world.heard(phone);
        world.play(
            phone,
            r"
            C: a AUTHENTICATE PLAIN
            S: + 
            C: *
            S: a BAD Cancelled.
            C: b AUTHENTICATE CRAM-MD5
            S: b NO [CANNOT] This mechanism is not offered
            C: c AUTHENTICATE PLAIN
            S: + 
            C: AGFiYzEyM3h5ekBjaGF0LmV4YW1wbGUAc2VjcmV0
            S: c OK [CAPABILITY …
        ",
        );
    });
}

#[test]
fn a_long_download_is_not_taken_for_silence() {
    let mut world = World::new(1);
    world.toy.deliver(&format!("Subject: large\n\n{}", "0123456789\n".repeat(20_000)));
    let phone = world.select();
    world.send(phone, b"a UID FETCH 42 BODY.PEEK[]\r\n");
    world.heard(phone);
    world.pass(Duration::from_secs(40 * 60));
    world.play(phone, "C: b NOOP\nS: b OK NOOP completed");
    world.pass(Duration::from_secs(31 * 60));
    assert_eq!(world.wire(phone), Wire::Closed);
}
