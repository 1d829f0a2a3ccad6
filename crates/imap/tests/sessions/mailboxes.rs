//! Making, listing and removing mailboxes.

use imap::SpecialUse;

use crate::each_seed;
use crate::world::{Parser, World};

#[test]
fn mailboxes_come_and_go() {
    each_seed(|world| {
        world.parser = Parser::Any;
        let phone = world.login();
        world.play(
            phone,
            r#"
            C: a CREATE Archive/2026
            S: a OK Create completed
            C: b CREATE archive/2026/
            S: b OK Create completed
            C: c CREATE Archive/2026
            S: c NO [ALREADYEXISTS] There is such a mailbox already.
            C: d CREATE "Entw&APw-rfe" (USE (\Drafts))
            S: d OK Create completed
            C: e RENAME archive/2026 Old
            S: e OK Rename completed
            C: f LIST "" *
            S: * LIST (\Noselect \HasChildren) "/" "Archive"
            S: * LIST (\HasNoChildren) "/" "Archive/2026"
            S: * LIST (\HasNoChildren \Drafts) "/" "Entw&APw-rfe"
            S: * LIST (\HasNoChildren) "/" "INBOX"
            S: * LIST (\HasNoChildren) "/" "Old"
            S: f OK List completed
            C: g LIST Archive/ %
            S: * LIST (\HasNoChildren) "/" "Archive/2026"
            S: g OK List completed
            C: h LIST "" ""
            S: * LIST (\Noselect) "/" ""
            S: h OK List completed
            C: i DELETE Old
            S: i OK Delete completed
            C: j DELETE Old
            S: j NO [NONEXISTENT] There is no such mailbox.
            C: k DELETE INBOX
            S: k NO [CANNOT] This cannot be done with this mailbox.
            C: l CREATE {5+}
            C: Notes
            S: l OK Create completed
            C: m SELECT Nowhere
            S: m NO [NONEXISTENT] There is no such mailbox.
            C: n NAMESPACE
            S: * NAMESPACE (("" "/")) NIL NIL
            S: n OK Namespace completed
        "#,
        );
    });
}

#[test]
fn subscribed_names_need_not_exist() {
    each_seed(|world| {
        world.parser = Parser::Any;
        let phone = world.login();
        world.play(
            phone,
            r#"
            C: a SUBSCRIBE INBOX
            S: a OK Subscribe completed
            C: b SUBSCRIBE gone/away
            S: b OK Subscribe completed
            C: c LSUB "" *
            S: * LSUB () "/" "INBOX"
            S: * LSUB () "/" "gone/away"
            S: c OK Lsub completed
            C: d LSUB "" %
            S: * LSUB () "/" "INBOX"
            S: * LSUB (\Noselect) "/" "gone"
            S: d OK Lsub completed
            C: e LIST (SUBSCRIBED) "" *
            S: * LIST (\HasNoChildren \Subscribed) "/" "INBOX"
            S: * LIST (\NonExistent \HasNoChildren \Subscribed) "/" "gone/away"
            S: e OK List completed
            C: f LIST (SUBSCRIBED RECURSIVEMATCH) "" %
            S: * LIST (\HasNoChildren \Subscribed) "/" "INBOX"
            S: * LIST (\NonExistent \HasNoChildren) "/" "gone" (CHILDINFO ("SUBSCRIBED"))
            S: f OK List completed
            C: f2 LIST (SUBSCRIBED RECURSIVEMATCH) "" *
            S: * LIST (\HasNoChildren \Subscribed) "/" "INBOX"
            S: * LIST (\NonExistent \HasNoChildren \Subscribed) "/" "gone/away"
            S: f2 OK List completed
            C: g LIST "" * RETURN (SUBSCRIBED CHILDREN)
            S: * LIST (\HasNoChildren \Subscribed) "/" "INBOX"
            S: g OK List completed
            C: h UNSUBSCRIBE gone/away
            S: h OK Unsubscribe completed
            C: i LSUB "" *
            S: * LSUB () "/" "INBOX"
            S: i OK Lsub completed
            C: j LIST (RECURSIVEMATCH) "" *
            S: j BAD RECURSIVEMATCH goes with another option
        "#,
        );
    });
}

#[test]
fn a_name_that_no_mailbox_can_have_is_refused_and_no_mistake() {
    each_seed(|world| {
        let phone = world.login();
        for (command, done) in [
            ("SELECT &", "NO [CANNOT] A mailbox cannot have this name."),
            ("CREATE a//b", "NO [CANNOT] A mailbox cannot have this name."),
            ("STATUS \"a*b\" (MESSAGES)", "NO [CANNOT] A mailbox cannot have this name."),
            ("LIST \"\" &", "OK List completed"),
            ("LSUB &Jjo \"*\"", "OK Lsub completed"),
        ]
        .repeat(9)
        {
            world.send(phone, format!("t {command}\r\n").as_bytes());
            assert_eq!(world.heard(phone), format!("t {done}\r\n"), "{command}");
        }
    });
}

#[test]
fn status_is_told_alone_and_with_the_list() {
    each_seed(|world| {
        world.parser = Parser::Any;
        world.toy.create("Sent".try_into().unwrap(), Some(SpecialUse::Sent));
        world.toy.deliver("Subject: x\n\nbody\n");
        let phone = world.login();
        world.play(
            phone,
            r#"
            C: a STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY RECENT SIZE HIGHESTMODSEQ DELETED)
            S: * STATUS "INBOX" (MESSAGES 1 RECENT 0 UIDNEXT 43 UIDVALIDITY 1718000000 UNSEEN 1 DELETED 0 SIZE 20 HIGHESTMODSEQ 11)
            S: a OK Status completed
            C: b STATUS Nowhere (MESSAGES)
            S: b NO [NONEXISTENT] There is no such mailbox.
            C: c LIST "" (INBOX S%) RETURN (STATUS (MESSAGES) SPECIAL-USE)
            S: * LIST (\HasNoChildren) "/" "INBOX"
            S: * LIST (\HasNoChildren \Sent) "/" "Sent"
            S: * STATUS "INBOX" (MESSAGES 1)
            S: * STATUS "Sent" (MESSAGES 0)
            S: c OK List completed
            C: d LIST (SPECIAL-USE) "" *
            S: * LIST (\HasNoChildren \Sent) "/" "Sent"
            S: d OK List completed
            C: e STATUS INBOX ()
            S: e BAD an atom is missing
        "#,
        );
    });
}

#[test]
fn commands_wait_for_their_state() {
    let mut world = World::new(7);
    let stranger = world.connect(imap::Transport::Tls);
    world.heard(stranger);
    world.play(
        stranger,
        r#"
        C: a LIST "" *
        S: a BAD Log in first.
        C: b LOGIN abc123xyz@chat.example x
        S: b OK …
        C: c FETCH 1 FLAGS
        S: c BAD Select a mailbox first.
        C: d LOGIN abc123xyz@chat.example x
        S: d BAD You have logged in already.
        C: e FROBNICATE
        S: e BAD unknown command
        C: *
        S: * BAD the tag is missing
        C: f CHECK
        S: f BAD Select a mailbox first.
    "#,
    );
}

/// Commands, and the first word of their completion before login, after it, and with a mailbox selected (RFC 3501
/// sections 3 and 6).
const STATES: [(&str, [&str; 3]); 37] = [
    ("CAPABILITY", ["OK", "OK", "OK"]),
    ("NOOP", ["OK", "OK", "OK"]),
    ("ID NIL", ["OK", "OK", "OK"]),
    ("STARTTLS", ["BAD", "BAD", "BAD"]),
    ("LOGIN abc123xyz@chat.example wrong", ["NO", "BAD", "BAD"]),
    ("AUTHENTICATE PLAIN AGFiYzEyM3h5ekBjaGF0LmV4YW1wbGUAd3Jvbmc=", ["NO", "BAD", "BAD"]),
    ("AUTHENTICATE CRAM-MD5", ["NO", "BAD", "BAD"]),
    ("AUTHENTICATE XOAUTH2 dXNlcj14", ["NO", "BAD", "BAD"]),
    ("AUTHENTICATE SCRAM-SHA-256-PLUS =", ["NO", "BAD", "BAD"]),
    ("AUTHENTICATE", ["BAD", "BAD", "BAD"]),
    ("ENABLE CONDSTORE", ["BAD", "OK", "OK"]),
    ("CREATE y", ["BAD", "OK", "OK"]),
    ("RENAME x y", ["BAD", "OK", "OK"]),
    ("DELETE x", ["BAD", "OK", "OK"]),
    ("SUBSCRIBE x", ["BAD", "OK", "OK"]),
    ("UNSUBSCRIBE x", ["BAD", "OK", "OK"]),
    ("LIST \"\" *", ["BAD", "OK", "OK"]),
    ("LSUB \"\" *", ["BAD", "OK", "OK"]),
    ("NAMESPACE", ["BAD", "OK", "OK"]),
    ("STATUS INBOX (MESSAGES)", ["BAD", "OK", "OK"]),
    ("APPEND INBOX {3+}\r\na b", ["BAD", "OK", "OK"]),
    ("GETQUOTAROOT INBOX", ["BAD", "OK", "OK"]),
    ("GETMETADATA \"\" /shared/comment", ["BAD", "OK", "OK"]),
    ("IDLE\r\nDONE", ["BAD", "OK", "OK"]),
    ("CHECK", ["BAD", "BAD", "OK"]),
    ("FETCH 1 FLAGS", ["BAD", "BAD", "OK"]),
    ("UID FETCH 1 FLAGS", ["BAD", "BAD", "OK"]),
    ("STORE 1 FLAGS ()", ["BAD", "BAD", "OK"]),
    ("UID STORE 1 FLAGS ()", ["BAD", "BAD", "OK"]),
    ("SEARCH ALL", ["BAD", "BAD", "OK"]),
    ("COPY 1 INBOX", ["BAD", "BAD", "OK"]),
    ("MOVE 1 Nowhere", ["BAD", "BAD", "NO"]),
    ("EXPUNGE", ["BAD", "BAD", "OK"]),
    ("UID EXPUNGE 1", ["BAD", "BAD", "OK"]),
    ("CLOSE", ["BAD", "BAD", "OK"]),
    ("UNSELECT", ["BAD", "BAD", "OK"]),
    ("SELECT INBOX", ["BAD", "OK", "OK"]),
];

#[test]
fn every_command_has_its_states() {
    for (command, expected) in STATES {
        for (state, expected) in expected.into_iter().enumerate() {
            let mut world = World::new(7);
            world.parser = Parser::Any;
            world.toy.deliver("Subject: x\n\nbody\n");
            world.toy.create("x".try_into().unwrap(), None);
            let client = match state {
                0 => world.connect(imap::Transport::Tls),
                1 => world.login(),
                _ => world.select(),
            };
            world.heard(client);
            // What is refused with its first line is not followed by the second.
            let line = if expected == "BAD" { command.trim_end_matches("\r\nDONE") } else { command };
            world.send(client, format!("t {line}\r\n").as_bytes());
            let heard = world.heard(client);
            let completed = heard.lines().any(|line| line.starts_with(&format!("t {expected}")));
            assert!(completed, "{command} in state {state}: {heard}");
        }
    }
}
