//! Message content: what is spooled, what is discarded, and that the dialogue stays in step.

use smtp::{Answer, CloseReason, table};

use crate::script::{Script, anna, commit};

#[test]
fn a_message_that_could_be_read_in_two_ways_is_discarded() {
    for (content, spooled) in
        [("a\r\nb\nc\r\n.\r\n", true), ("\n.\nMAIL FROM:<x@y>\r\n.\r\n", false), ("a\0\r\n.\r\n", true)]
    {
        let script = Script::sending().raw(content.as_bytes());
        // Whether bytes were spooled before the trouble was seen depends on how they arrived.
        let script = if spooled { script.may_discard() } else { script };
        script.server("500 Invalid DATA").client("NOOP").server("250 2.0.0 Ok").run();
    }
}

#[test]
fn an_empty_message_is_not_delivered() {
    // A client that pipelined DATA behind a refused recipient gives up with a lone dot.
    Script::sending().client(".").server("500 Invalid DATA").client("NOOP").server("250 2.0.0 Ok").run();
}

#[test]
fn too_large_a_message_is_discarded_and_the_dialogue_goes_on() {
    Script::sending()
        .client(&"x".repeat(1200))
        .client(".")
        .may_discard()
        .server("552 5.3.4 Message exceeds maximum size: on its way a file grows by nearly half")
        .client("NOOP")
        .server("250 2.0.0 Ok")
        .run();
}

#[test]
fn patience_with_too_large_a_message_ends() {
    Script::sending()
        .client(&"x".repeat(4000))
        .may_discard()
        .server("552 5.3.4 Message exceeds maximum size: on its way a file grows by nearly half")
        .closed(CloseReason::Misbehaved)
        .run();
}

#[test]
fn a_refused_message_leaves_the_connection_usable() {
    Script::sending()
        .client("a\r\n.")
        .spooled("a\r\n")
        .asked(commit(anna(), anna(), &["ben@box.test"], 3))
        .answer(Answer::Refused(smtp::Reply::new(523, "Encryption Needed: Invalid Unencrypted Mail")))
        .server("523 Encryption Needed: Invalid Unencrypted Mail")
        .client("DATA")
        .server("503 5.5.1 Send MAIL first")
        .run();
}

#[test]
fn our_own_trouble_is_for_later() {
    Script::sending()
        .client("a\r\n.\r\nNOOP")
        .spooled("a\r\n")
        .asked(commit(anna(), anna(), &["ben@box.test"], 3))
        .answer(Answer::Refused(table::LOCAL_TROUBLE))
        .server("451 4.3.0 Local trouble, please try again later")
        .server("250 2.0.0 Ok")
        .run();
}

#[test]
fn half_a_message_is_discarded_when_the_client_goes() {
    Script::sending().raw(b"a\r\nb").hangup().discarded().run();
    Script::sending().hangup().run();
}

#[test]
fn half_a_message_is_discarded_when_the_client_falls_silent() {
    Script::sending()
        .raw(b"a\r\nb")
        .wait(180)
        .server("421 4.4.2 Timeout, closing the connection")
        .discarded()
        .closed(CloseReason::TimedOut)
        .run();
}

#[test]
fn a_message_that_drips_in_is_given_up() {
    // 900 bytes are worth three seconds more than the three minutes that every message has.
    Script::sending()
        .raw(&[b'a'; 900])
        .wait(100)
        .raw(b"a")
        .wait(82)
        .raw(b"a")
        .wait(1)
        .server("421 4.4.2 Timeout, closing the connection")
        .discarded()
        .closed(CloseReason::TimedOut)
        .run();
}
