//! Whole messages in both roles, submission and inbound, and the refusals of each.

use mail_types::Secret;
use smtp::{Answer, CloseReason, Question, Reply, table};

use crate::script::{self, Script, address, anna, inbound, submission};

#[test]
fn a_message_is_submitted() {
    Script::new(submission())
        .server("220 box.test ESMTP Hearth")
        .client("EHLO [127.0.0.1]")
        .server("250-box.test")
        .server("250-PIPELINING")
        .server("250-SIZE 1000")
        .server("250-8BITMIME")
        .server("250-ENHANCEDSTATUSCODES")
        .server("250 AUTH PLAIN LOGIN")
        // NUL "Anna@box.test" NUL "pa$$word1"
        .client("AUTH PLAIN AEFubmFAYm94LnRlc3QAcGEkJHdvcmQx")
        .asked(Question::Authenticate { user: address("anna@box.test"), password: Secret::new("pa$$word1") })
        .answer(Answer::Authenticated(address("anna@box.test")))
        .server("235 2.7.0 Authentication successful")
        .client("MAIL FROM:<anna@box.test> BODY=8BITMIME")
        .asked(Question::Sender { login: anna(), sender: anna(), size: None })
        .answer(Answer::Accepted)
        .server("250 2.1.0 Ok")
        .client("RCPT TO:<ben+x@box.test>")
        .asked(Question::Recipient { login: anna(), sender: anna(), recipient: address("ben+x@box.test") })
        .answer(Answer::Accepted)
        .server("250 2.1.5 Ok")
        .client("DATA")
        .server("354 End data with <CR><LF>.<CR><LF>")
        .client("From: anna@box.test")
        .client("")
        .client("..dot")
        .client(".")
        .spooled("From: anna@box.test\r\n\r\n.dot\r\n")
        .asked(script::commit(anna(), anna(), &["ben+x@box.test"], 29))
        .answer(Answer::Accepted)
        .server("250 2.0.0 Ok: message accepted")
        .client("QUIT")
        .server("221 2.0.0 Bye")
        .closed(CloseReason::Quit)
        .run();
}

#[test]
fn a_wrong_sender_is_told_so_at_every_recipient() {
    Script::logged_in()
        .client("MAIL FROM:<eve@box.test>\r\nRCPT TO:<ben@box.test>\r\nRCPT TO:<carl@box.test>\r\nDATA")
        .asked(Question::Sender { login: anna(), sender: Some(address("eve@box.test")), size: None })
        .answer(Answer::RefusedAtRecipients(Reply::new(553, "5.7.1 Sender address rejected")))
        .server("250 2.1.0 Ok")
        .server("553 5.7.1 Sender address rejected")
        .server("553 5.7.1 Sender address rejected")
        .server("554 5.5.1 No valid recipients")
        .client("NOOP")
        .server("250 2.0.0 Ok")
        .run();
}

#[test]
fn bounces_come_in_from_nobody() {
    Script::new(inbound())
        .server("220 box.test ESMTP Hearth")
        .client("EHLO relay.test")
        .server("250-box.test")
        .server("250-PIPELINING")
        .server("250-SIZE 1000")
        .server("250-8BITMIME")
        .server("250 ENHANCEDSTATUSCODES")
        .client("MAIL FROM:<>")
        .asked(Question::Sender { login: None, sender: None, size: None })
        .answer(Answer::Accepted)
        .server("250 2.1.0 Ok")
        .client("RCPT TO:<u@elsewhere.test>")
        .asked(Question::Recipient { login: None, sender: None, recipient: address("u@elsewhere.test") })
        .answer(Answer::Refused(table::RELAY_DENIED))
        .server("554 5.7.1 Relay access denied")
        .run();
}
