//! CONDSTORE (RFC 7162 section 3.1): once it is enabled, every response that tells a change of flags has the `MODSEQ`
//! that the next conditional `STORE` needs.

use imap::{CommandFailure, FlagChange, FlagMode, MailboxName};
use mail_types::SystemFlag;

use crate::each_seed;
use crate::world::{Parser, World};

const MESSAGE: &str = "Subject: x\n\nbody\n";

/// Two messages, and a client that has enabled CONDSTORE and selected their mailbox.
fn condstore(world: &mut World) -> usize {
    world.parser = Parser::Any;
    world.toy.deliver(MESSAGE);
    world.toy.deliver(MESSAGE);
    let phone = world.login();
    world.send(phone, b"select SELECT INBOX (CONDSTORE)\r\n");
    world.heard(phone);
    phone
}

/// Another client sets a flag; the sessions do not hear of it yet.
fn flag_unheard(world: &mut World, uid: u32) {
    world.slow = true;
    let flags = [SystemFlag::Flagged].into_iter().collect();
    world.toy.answer(imap::Question::StoreFlags {
        mailbox: MailboxName::inbox(),
        uids: vec![mail_types::Uid::new(uid).unwrap()],
        change: FlagChange { mode: FlagMode::Add, flags },
        unchanged_since: None,
    });
}

#[test]
fn a_fetch_that_marks_as_seen_tells_the_modseq_of_that() {
    each_seed(|world| {
        let phone = condstore(world);
        world.play(
            phone,
            r"
            C: a FETCH 1 BODY[TEXT]
            S: * 1 FETCH (BODY[TEXT] {6}
            S: body
            S:  FLAGS (\Seen) MODSEQ (13))
            S: a OK Fetch completed
            C: b STORE 1 (UNCHANGEDSINCE 13) +FLAGS (\Answered)
            S: * 1 FETCH (FLAGS (\Answered \Seen) MODSEQ (14))
            S: b OK Store completed
            C: c STORE 1 (UNCHANGEDSINCE 14) -FLAGS.SILENT (\Answered)
            S: * 1 FETCH (MODSEQ (15))
            S: c OK Store completed
            C: d UID FETCH 43 RFC822
            S: * 2 FETCH (UID 43 RFC822 {20}
            S: Subject: x
            S:
            S: body
            S:  FLAGS (\Seen) MODSEQ (16))
            S: d OK Fetch completed
            C: e FETCH 1 (FLAGS BODY[TEXT]<0.1> MODSEQ)
            S: * 1 FETCH (FLAGS (\Seen) BODY[TEXT]<0> {1}
            S: b MODSEQ (15))
            S: e OK Fetch completed
            C: f FETCH 2 (FLAGS)
            S: * 2 FETCH (FLAGS (\Seen) MODSEQ (16))
            S: f OK Fetch completed
            C: g FETCH 2 (UID BODY.PEEK[TEXT]<0.1>)
            S: * 2 FETCH (UID 43 BODY[TEXT]<0> {1}
            S: b)
            S: g OK Fetch completed
            C: h STORE 2 (UNCHANGEDSINCE 16) FLAGS.SILENT (\Seen \Flagged)
            S: * 2 FETCH (MODSEQ (17))
            S: h OK Store completed
        ",
        );
    });
}

#[test]
fn a_failing_fetch_still_tells_what_it_marked_as_seen() {
    let mut world = World::new(2);
    let phone = condstore(&mut world);
    world.holding = true;
    world.send(phone, b"a FETCH 1:2 BODY[]\r\n");
    // Both are marked as seen with one question; then the disk fails.
    world.release_one(phone);
    world.input(phone, imap::Input::Answer(imap::Answer::Failed(CommandFailure::Unavailable)));
    world.release();
    assert_eq!(
        world.heard(phone),
        "* 1 FETCH (FLAGS (\\Seen) MODSEQ (13))\r\n* 2 FETCH (FLAGS (\\Seen) MODSEQ (14))\r\n\
         a NO [UNAVAILABLE] Temporary failure, try again later.\r\n"
    );
}

#[test]
fn what_others_change_has_its_modseq_in_idle_and_behind_any_command() {
    each_seed(|world| {
        let phone = condstore(world);
        flag_unheard(world, 42);
        world.slow = false;
        world.change(|_| ());
        world.play(
            phone,
            r"
            C: a NOOP
            S: * 1 FETCH (FLAGS (\Flagged) MODSEQ (13))
            S: a OK NOOP completed
            C: b IDLE
            S: + idling
        ",
        );
        flag_unheard(world, 43);
        world.slow = false;
        world.change(|_| ());
        world.play(
            phone,
            r"
            S: * 2 FETCH (FLAGS (\Flagged) MODSEQ (14))
            C: DONE
            S: b OK Idle completed
            C: c STORE 2 (UNCHANGEDSINCE 14) +FLAGS.SILENT (\Seen)
            S: * 2 FETCH (MODSEQ (15))
            S: c OK Store completed
        ",
        );
    });
}

#[test]
fn a_silent_store_tells_flags_that_others_set_in_between() {
    each_seed(|world| {
        let phone = condstore(world);
        flag_unheard(world, 42);
        world.play(
            phone,
            r"
            C: a STORE 1:2 +FLAGS.SILENT (\Seen)
            S: * 1 FETCH (FLAGS (\Flagged \Seen) MODSEQ (14))
            S: * 2 FETCH (MODSEQ (15))
            S: a OK Store completed
        ",
        );
        // The same without CONDSTORE.
        let other = world.select();
        flag_unheard(world, 43);
        world.play(
            other,
            r"
            C: a STORE 1:2 -FLAGS.SILENT (\Seen)
            S: * 2 FETCH (FLAGS (\Flagged))
            S: a OK Store completed
        ",
        );
    });
}

#[test]
fn an_appended_and_a_copied_message_can_be_stored_to_conditionally() {
    each_seed(|world| {
        let phone = condstore(world);
        world.play(
            phone,
            r"
            C: a APPEND INBOX (\Flagged) {3+}
            C: a b
            S: * 3 EXISTS
            S: * 0 RECENT
            S: a OK [APPENDUID 1718000000 44] Append completed
            C: b COPY 3 INBOX
            S: * 4 EXISTS
            S: * 0 RECENT
            S: b OK [COPYUID 1718000000 44 45] Copy completed
            C: c FETCH 3:4 FLAGS
            S: * 3 FETCH (FLAGS (\Flagged) MODSEQ (13))
            S: * 4 FETCH (FLAGS (\Flagged) MODSEQ (14))
            S: c OK Fetch completed
            C: d STORE 3:4 (UNCHANGEDSINCE 14) +FLAGS.SILENT (\Seen)
            S: * 3 FETCH (MODSEQ (15))
            S: * 4 FETCH (MODSEQ (16))
            S: d OK Store completed
        ",
        );
    });
}
