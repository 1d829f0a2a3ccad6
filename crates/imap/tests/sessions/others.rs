//! Several connections to one mailbox: what one does, the others hear, and numbers stay right.

use std::fmt::Write as _;

use mail_types::Uid;
use test_support::Random;

use crate::each_seed;
use crate::world::World;

const MESSAGE: &str = "Subject: x\n\nbody\n";

#[test]
fn flags_and_expunges_reach_the_other_connection() {
    each_seed(|world| {
        for _ in 0..3 {
            world.toy.deliver(MESSAGE);
        }
        let (anna, ben) = (world.select(), world.select());
        world.play(
            anna,
            r"
            C: a STORE 2 +FLAGS (\Deleted $Junk)
            S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Junk)
            S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Junk \*)] Flags permitted
            S: * 2 FETCH (FLAGS (\Deleted $Junk))
            S: a OK Store completed
        ",
        );
        assert_eq!(world.heard(ben), "");
        world.play(
            ben,
            r"
            C: a NOOP
            S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Junk)
            S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Junk \*)] Flags permitted
            S: * 2 FETCH (FLAGS (\Deleted $Junk))
            S: a OK NOOP completed
            C: b IDLE
            S: + idling
        ",
        );
        world.play(anna, "C: b EXPUNGE\nS: * 2 EXPUNGE\nS: b OK Expunge completed");
        world.play(ben, "S: * 2 EXPUNGE\nC: DONE\nS: b OK Idle completed");
        world.play(anna, "C: c FETCH 2 UID\nS: * 2 FETCH (UID 44)\nS: c OK Fetch completed");
    });
}

/// Delta Chat keeps one response for each UID, so an update with a UID would replace the answer to its question
/// (chatmail/core 2.65, `src/imap/session.rs`).
#[test]
fn an_update_behind_an_answer_is_not_taken_for_the_answer() {
    each_seed(|world| {
        for _ in 0..3 {
            world.toy.deliver(MESSAGE);
        }
        let (phone, tablet) = (world.select(), world.select());
        world.play(phone, "C: a UID STORE 43 +FLAGS (\\Seen)\nS: * 2 FETCH (UID 43 FLAGS (\\Seen))\nS: a OK Store completed");
        world.play(
            tablet,
            r"
            C: a UID FETCH 43:44 (UID RFC822.SIZE)
            S: * 2 FETCH (UID 43 RFC822.SIZE 20)
            S: * 3 FETCH (UID 44 RFC822.SIZE 20)
            S: * 2 FETCH (FLAGS (\Seen))
            S: a OK Fetch completed
        ",
        );
    });
}

#[test]
fn numbers_do_not_move_under_commands_that_use_them() {
    each_seed(|world| {
        for _ in 0..4 {
            world.toy.deliver(MESSAGE);
        }
        let phone = world.select();
        world.change(|toy| toy.remove(&imap::MailboxName::inbox(), 42));
        world.play(
            phone,
            r"
            C: a FETCH 2:3 UID
            S: * 2 FETCH (UID 43)
            S: * 3 FETCH (UID 44)
            S: a OK Fetch completed
            C: b STORE 3 +FLAGS.SILENT (\Seen)
            S: b OK Store completed
            C: c FETCH 1 BODY.PEEK[]
            S: c OK [EXPUNGEISSUED] Some messages are no longer there
            C: d STORE 1 +FLAGS (\Seen)
            S: d OK [EXPUNGEISSUED] Store completed
            C: e UID FETCH 44 FLAGS
            S: * 3 FETCH (UID 44 FLAGS (\Seen))
            S: * 1 EXPUNGE
            S: e OK Fetch completed
            C: f FETCH 2 (UID FLAGS)
            S: * 2 FETCH (UID 44 FLAGS (\Seen))
            S: f OK Fetch completed
        ",
        );
    });
}

#[test]
fn close_removes_what_another_connection_has_marked() {
    each_seed(|world| {
        world.toy.deliver(MESSAGE);
        let (anna, ben) = (world.select(), world.select());
        world.play(ben, "C: a UID STORE 42 +FLAGS.SILENT (\\Deleted)\nS: a OK Store completed");
        world.play(anna, "C: a CLOSE\nS: * 1 FETCH (FLAGS (\\Deleted))\nS: a OK Close completed");
        world.play(ben, "C: b NOOP\nS: * 1 EXPUNGE\nS: b OK NOOP completed");
    });
}

#[test]
fn a_close_that_fails_leaves_the_mailbox_selected_and_known() {
    each_seed(|world| {
        world.toy.deliver(MESSAGE);
        let phone = world.select();
        world.play(phone, "C: a STORE 1 +FLAGS.SILENT (\\Deleted)\nS: a OK Store completed");
        world.toy.read_only = true;
        world.change(|toy| toy.deliver(MESSAGE));
        world.play(
            phone,
            r"
            C: b CLOSE
            S: * 2 EXISTS
            S: * 0 RECENT
            S: b NO [UNAVAILABLE] Temporary failure, try again later.
            C: c FETCH 2 UID
            S: * 2 FETCH (UID 43)
            S: c OK Fetch completed
        ",
        );
    });
}

#[test]
fn unselect_and_examine_remove_nothing() {
    each_seed(|world| {
        world.toy.deliver(MESSAGE);
        let phone = world.select();
        world.play(
            phone,
            r"
            C: a STORE 1 +FLAGS.SILENT (\Deleted)
            S: a OK Store completed
            C: b UNSELECT
            S: b OK Unselect completed
            C: c EXAMINE INBOX
            S: * FLAGS …
            S: * OK …
            S: * 1 EXISTS
            S: * 0 RECENT
            S: * OK [UNSEEN 1] First unseen
            S: * OK …
            S: * OK …
            S: * OK …
            S: c OK [READ-ONLY] Examine completed
            C: d CLOSE
            S: d OK Close completed
            C: e UNSELECT
            S: e BAD Select a mailbox first.
        ",
        );
        assert_eq!(world.toy.mailboxes[&imap::MailboxName::inbox()].messages.len(), 1);
    });
}

#[test]
fn copy_and_move_tell_the_new_uids() {
    each_seed(|world| {
        world.toy.create("Archive".try_into().unwrap(), None);
        for _ in 0..4 {
            world.toy.deliver(MESSAGE);
        }
        let phone = world.select();
        world.play(
            phone,
            r"
            C: a COPY 1:2 Archive
            S: a OK [COPYUID 1718000001 42:43 1:2] Copy completed
            C: b UID MOVE 43,45 Archive
            S: * OK [COPYUID 1718000001 43,45 3:4] Moved UIDs
            S: * 2 EXPUNGE
            S: * 3 EXPUNGE
            S: b OK Move completed
            C: c UID COPY 43 Archive
            S: c OK Copy completed
            C: d COPY 1 Nowhere
            S: d NO [TRYCREATE] There is no such mailbox.
            C: e UID EXPUNGE 42
            S: e OK Expunge completed
            C: f STORE 1:2 +FLAGS.SILENT (\Deleted)
            S: f OK Store completed
            C: g UID EXPUNGE 44
            S: * 2 EXPUNGE
            S: g OK Expunge completed
            C: h COPY 1 INBOX
            S: * 2 EXISTS
            S: * 0 RECENT
            S: h OK [COPYUID 1718000000 42 46] Copy completed
        ",
        );
    });
}

#[test]
fn condstore_and_qresync_tell_what_changed() {
    for survivors in [false, true] {
        each_seed(|world| {
            world.toy.lists_survivors = survivors;
            for _ in 0..4 {
                world.toy.deliver(MESSAGE);
            }
            let (anna, ben) = (world.select(), world.login());
            world.play(
                anna,
                r"
                C: a STORE 1 (UNCHANGEDSINCE 5) +FLAGS (\Seen)
                S: * OK [HIGHESTMODSEQ 14] Highest
                S: a OK [MODIFIED 1] Conditional store failed for some
                C: b UID STORE 42 (UNCHANGEDSINCE 11) +FLAGS.SILENT (\Seen)
                S: * 1 FETCH (UID 42 MODSEQ (16))
                S: b OK Store completed
                C: c FETCH 1:4 (FLAGS) (CHANGEDSINCE 13)
                S: * 1 FETCH (FLAGS (\Seen) MODSEQ (16))
                S: * 4 FETCH (FLAGS () MODSEQ (14))
                S: c OK Fetch completed
            ",
            );
            world.change(|toy| toy.remove(&imap::MailboxName::inbox(), 43));
            world.play(
                ben,
                r"
                C: a SELECT INBOX (QRESYNC (1718000000 14))
                S: a BAD Say ENABLE QRESYNC first
                C: b ENABLE QRESYNC X-UNKNOWN
                S: * ENABLED QRESYNC
                S: b OK Enable completed
                C: c SELECT INBOX (QRESYNC (1718000000 14 42:45))
                S: * FLAGS …
                S: * OK [PERM…
                S: * 3 EXISTS
                S: * 0 RECENT
                S: * OK [UNSEEN 2] …
                S: * OK [UIDVALIDITY 1718000000] UIDs valid
                S: * OK [UIDNEXT 46] …
                S: * OK [HIGHESTMODSEQ 17] Highest
                S: * VANISHED (EARLIER) 43
                S: * 1 FETCH (UID 42 FLAGS (\Seen) MODSEQ (16))
                S: c OK [READ-WRITE] Select completed
                C: d UID FETCH 42:45 (FLAGS) (CHANGEDSINCE 16 VANISHED)
                S: * VANISHED (EARLIER) 43
                S: d OK Fetch completed
            ",
            );
            world.change(|toy| toy.remove(&imap::MailboxName::inbox(), 44));
            world.play(ben, "C: e NOOP\nS: * VANISHED 44\nS: e OK NOOP completed");
        });
    }
}

#[test]
fn a_deleted_mailbox_ends_the_session_that_is_in_it() {
    let mut world = World::new(1);
    world.toy.create("Gone".try_into().unwrap(), None);
    let phone = world.login();
    world.send(phone, b"a SELECT Gone\r\n");
    world.heard(phone);
    world.toy.mailboxes.remove(&"Gone".try_into().unwrap());
    world.play(phone, "C: b NOOP\nS: b OK NOOP completed\nS: * BYE The mailbox has been deleted.");
}

#[test]
fn a_mailbox_deleted_during_idle_ends_the_session() {
    let mut world = World::new(1);
    world.toy.create("Gone".try_into().unwrap(), None);
    let phone = world.login();
    world.send(phone, b"a SELECT Gone\r\nb IDLE\r\n");
    world.heard(phone);
    world.toy.mailboxes.remove(&"Gone".try_into().unwrap());
    world.input(phone, imap::Input::MailboxChanged);
    assert_eq!(world.heard(phone), "* BYE The mailbox has been deleted.\r\n");
}

#[test]
fn a_change_while_the_mailbox_is_being_opened_is_not_lost() {
    let mut world = World::new(1);
    let phone = world.login();
    world.holding = true;
    world.send(phone, b"a SELECT INBOX\r\n");
    world.input(phone, imap::Input::MailboxChanged);
    world.release();
    world.toy.asked.clear();
    world.send(phone, b"b IDLE\r\n");
    assert_eq!(world.toy.asked, ["Changes"]);
}

#[test]
fn a_store_in_trouble_is_not_asked_without_end() {
    let mut world = World::new(1);
    let phone = world.select();
    world.play(phone, "C: a IDLE\nS: + idling");
    world.toy.refuse = Some(imap::CommandFailure::Unavailable);
    world.change(|toy| toy.deliver(MESSAGE));
    world.toy.asked.clear();
    world.pass(std::time::Duration::from_secs(120));
    assert_eq!(world.toy.asked, ["Changes"]);
    world.toy.refuse = None;
    world.heard(phone);
    world.pass(std::time::Duration::from_secs(120));
    assert_eq!(world.heard(phone), "* OK Still here\r\n* 1 EXISTS\r\n* 0 RECENT\r\n");
}

/// A client that believes every untagged response must always agree with the mailbox about which number is which
/// UID, whatever others do meanwhile and however far ahead it sends its commands.
#[test]
fn a_client_that_follows_the_responses_is_never_misled() {
    for seed in 0..40 {
        println!("seed {seed}");
        let (mut world, mut random) = (World::new(seed), Random::new(seed + 1_000));
        for _ in 0..5 {
            world.toy.deliver(MESSAGE);
        }
        let phone = world.select();
        let mut known: Vec<u32> = (42..47).collect();
        for round in 0..60 {
            let inbox = imap::MailboxName::inbox();
            let present: Vec<Uid> = world.toy.mailboxes[&inbox].messages.keys().copied().collect();
            match random.below(4) {
                0 => drop(world.change(|toy| toy.deliver(MESSAGE)).get()),
                1 if !present.is_empty() => {
                    let uid = present[random.below(present.len())].get();
                    world.change(|toy| toy.remove(&inbox, uid));
                }
                _ => {}
            }
            let mut commands = String::new();
            for pipelined in 0..=random.below(3) {
                let command = ["NOOP", "UID FETCH 1:* UID", "FETCH 1:* UID", "UID STORE 1:* +FLAGS (\\Seen)"];
                writeln!(commands, "t{round}.{pipelined} {}\r", command[random.below(4)]).unwrap();
            }
            world.send(phone, commands.as_bytes());
            follow(&mut known, &world.heard(phone));
        }
        world.send(phone, b"end NOOP\r\nend UID FETCH 1:* UID\r\n");
        follow(&mut known, &world.heard(phone));
        let present = world.toy.mailboxes[&imap::MailboxName::inbox()].messages.keys().map(|uid| uid.get());
        assert_eq!(known, present.collect::<Vec<_>>());
    }
}

/// Keeps a list of UIDs by what a server says; 0 stands for a UID that has not been told.
fn follow(known: &mut Vec<u32>, heard: &str) {
    for line in heard.lines() {
        let words: Vec<&str> = line.split([' ', '(', ')']).filter(|word| !word.is_empty()).collect();
        let number = words.get(1).and_then(|word| word.parse::<usize>().ok());
        match (words.as_slice(), number) {
            (["*", _, "EXISTS"], Some(number)) => {
                assert!(number >= known.len(), "EXISTS must not shrink: {line}");
                known.resize(number, 0);
            }
            (["*", _, "EXPUNGE"], Some(number)) => drop(known.remove(number - 1)),
            (["*", _, "FETCH", "UID", uid, ..], Some(number)) => {
                let uid: u32 = uid.parse().unwrap();
                assert!([0, uid].contains(&known[number - 1]), "{line} but {known:?}");
                known[number - 1] = uid;
            }
            (["*", "0", "RECENT"], _) => {}
            ([_, "OK", ..], _) => {}
            _ => panic!("unexpected: {line}"),
        }
    }
}
