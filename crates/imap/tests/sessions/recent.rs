//! `\Recent`: who is told of a message first. And keywords, of which a client is told before it meets them.

use imap::MailboxName;
use mail_types::{Flags, UnixTime};

use crate::each_seed;
use crate::world::{Parser, World};

const MESSAGE: &str = "Subject: x\n\nbody\n";

/// Opens the mailbox and is told these numbers.
fn open(world: &mut World, phone: usize, command: &str, numbers: &str) {
    world.send(phone, format!("o {command} INBOX\r\n").as_bytes());
    let heard = world.heard(phone);
    assert!(heard.contains(numbers), "{heard}");
}

#[test]
fn a_message_is_recent_for_the_first_session_that_hears_of_it() {
    each_seed(|world| {
        world.parser = Parser::Any;
        world.toy.keeps_recent = true;
        world.toy.deliver(MESSAGE);
        world.toy.deliver(MESSAGE);
        let (anna, ben) = (world.login(), world.login());
        open(world, anna, "EXAMINE", "* 2 EXISTS\r\n* 2 RECENT\r\n");
        world.play(anna, "C: b FETCH 1 FLAGS\nS: * 1 FETCH (FLAGS (\\Recent))\nS: b OK …");
        open(world, anna, "SELECT", "* 2 EXISTS\r\n* 2 RECENT\r\n");
        world.play(
            anna,
            r"
            C: d STORE 1 +FLAGS (\Seen)
            S: * 1 FETCH (FLAGS (\Seen \Recent))
            S: d OK …
            C: e SEARCH NEW
            S: * SEARCH 2
            S: e OK …
            C: f SEARCH RECENT
            S: * SEARCH 1 2
            S: f OK …
            C: g SEARCH OLD
            S: * SEARCH
            S: g OK …
        ",
        );
        world.play(ben, "C: a STATUS INBOX (RECENT)\nS: * STATUS \"INBOX\" (RECENT 0)\nS: a OK …");
        open(world, ben, "SELECT", "* 2 EXISTS\r\n* 0 RECENT\r\n");
        world.play(ben, "C: c IDLE\nS: + idling");
        // Ben waits and hears first.
        world.change(|toy| toy.deliver(MESSAGE));
        world.play(
            ben,
            r"
            S: * 3 EXISTS
            S: * 1 RECENT
            C: DONE
            S: c OK …
            C: d FETCH 2:3 FLAGS
            S: * 2 FETCH (FLAGS ())
            S: * 3 FETCH (FLAGS (\Recent))
            S: d OK …
        ",
        );
        world.play(
            anna,
            r"
            C: h NOOP
            S: * 3 EXISTS
            S: * 2 RECENT
            S: h OK …
            C: i SEARCH OLD
            S: * SEARCH 3
            S: i OK …
        ",
        );
    });
}

#[test]
fn a_resynchronisation_is_hearing_of_a_message() {
    each_seed(|world| {
        world.parser = Parser::Any;
        world.toy.keeps_recent = true;
        let phone = world.login();
        world.send(phone, b"a ENABLE QRESYNC\r\nb SELECT INBOX\r\n");
        world.heard(phone);
        world.change(|toy| toy.deliver(MESSAGE));
        world.send(phone, b"c UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)\r\nd NOOP\r\n");
        assert!(world.heard(phone).contains("* 1 EXISTS\r\n* 1 RECENT\r\n"));
        world.play(phone, "C: e SEARCH RECENT\nS: * SEARCH 1\nS: e OK …");
    });
}

#[test]
fn a_mailbox_takes_keywords_until_it_is_full_and_says_so() {
    each_seed(|world| {
        let mut flags = Flags::default();
        flags.keywords.extend((0..63).map(|number| format!("k{number:02}").parse().unwrap()));
        world.toy.add(&MailboxName::inbox(), flags, UnixTime(0), MESSAGE.into());
        let phone = world.login();
        world.send(phone, b"a SELECT INBOX\r\n");
        let heard = world.heard(phone);
        let told: Vec<&str> = heard.lines().take(2).collect();
        assert!(told[0].starts_with("* FLAGS (") && told[0].ends_with(" k61 k62)"), "{heard}");
        assert!(told[1].starts_with("* OK [PERMANENTFLAGS (") && told[1].contains(r" k62 \*)]"), "{heard}");
        world.send(phone, b"b STORE 1 FLAGS (last k07)\r\n");
        let heard = world.heard(phone);
        let told: Vec<&str> = heard.lines().collect();
        assert!(told[0].ends_with(" k62 last)") && told[1].contains(" last)] "), "{heard}");
        assert_eq!(told[2..], ["* 1 FETCH (FLAGS (k07 last))", "b OK Store completed"]);
        world.play(
            phone,
            r"
            C: c STORE 1 +FLAGS (another)
            S: c NO [LIMIT] …
            C: d STORE 1 -FLAGS (another K07)
            S: * 1 FETCH (FLAGS (last))
            S: d OK …
            C: e SEARCH KEYWORD LAST UNKEYWORD another UNKEYWORD k07
            S: * SEARCH 1
            S: e OK …
        ",
        );
    });
}
