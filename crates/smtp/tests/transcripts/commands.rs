//! One dialogue per command and per rule about their order.

use mail_types::Secret;
use smtp::{Answer, CloseReason, Question, Reply, table};

use crate::script::{Script, address, anna, inbound_in_clear, submission, submission_in_clear};

#[test]
fn nothing_that_matters_happens_before_tls() {
    Script::new(submission_in_clear())
        .server("220 box.test ESMTP Hearth")
        .client("EHLO x\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<anna@box.test>\r\nVRFY anna@box.test")
        .server("250-box.test")
        .server("250-PIPELINING")
        .server("250-SIZE 1000")
        .server("250-8BITMIME")
        .server("250-ENHANCEDSTATUSCODES")
        .server("250 STARTTLS")
        .server("530 5.7.0 Must issue a STARTTLS command first")
        .server("530 5.7.0 Must issue a STARTTLS command first")
        .server("252 2.0.0 Cannot verify, but will try to deliver")
        .client("STARTTLS")
        .server("220 2.0.0 Ready to start TLS")
        .start_tls()
        .tls_started()
        .client("MAIL FROM:<anna@box.test>")
        .server("503 5.5.1 Send EHLO first")
        .client("EHLO x")
        .server("250-box.test")
        .server("250-PIPELINING")
        .server("250-SIZE 1000")
        .server("250-8BITMIME")
        .server("250-ENHANCEDSTATUSCODES")
        .server("250 AUTH PLAIN LOGIN")
        .client("STARTTLS")
        .server("503 5.5.1 STARTTLS is not offered here")
        .run();
}

#[test]
fn other_servers_need_tls_too() {
    Script::new(inbound_in_clear())
        .server("220 box.test ESMTP Hearth")
        .client("HELO x\r\nMAIL FROM:<>")
        .server("250 box.test")
        .server("530 5.7.0 Must issue a STARTTLS command first")
        .run();
}

#[test]
fn login_may_be_asked_for_in_three_ways() {
    let asked = Question::Authenticate { user: address("anna@box.test"), password: Secret::new("b") };
    let ehlo = |script: Script| {
        script
            .server("220 box.test ESMTP Hearth")
            .client("AUTH LOGIN")
            .server("503 5.5.1 Send EHLO first")
            .client("HELO x")
            .server("250 box.test")
    };
    ehlo(Script::new(submission()))
        .client("AUTH PLAIN")
        .server("334 ")
        .client("YW5uYUBib3gudGVzdABhbm5hQGJveC50ZXN0AGI=")
        .asked(asked.clone())
        .answer(Answer::Authenticated(address("anna@box.test")))
        .server("235 2.7.0 Authentication successful")
        .client("AUTH PLAIN")
        .server("503 5.5.1 Already authenticated")
        .run();
    ehlo(Script::new(submission()))
        .client("AUTH LOGIN")
        .server("334 VXNlcm5hbWU6")
        .client("YW5uYUBib3gudGVzdA==")
        .server("334 UGFzc3dvcmQ6")
        .client("Yg==")
        .asked(asked.clone())
        .answer(Answer::Authenticated(address("anna@box.test")))
        .server("235 2.7.0 Authentication successful")
        .run();
    ehlo(Script::new(submission()))
        .client("AUTH LOGIN YW5uYUBib3gudGVzdA==")
        .server("334 UGFzc3dvcmQ6")
        .client("Yg==")
        .asked(asked)
        .answer(Answer::Refused(table::AUTHENTICATION_FAILED))
        .server("535 5.7.8 Error: authentication failed")
        .run();
}

#[test]
fn a_login_that_cannot_be_right_is_refused_without_a_question() {
    let hello = || {
        Script::new(submission()).server("220 box.test ESMTP Hearth").client("HELO x").server("250 box.test")
    };
    hello().client("AUTH PLAIN\r\n*").server("334 ").server("501 5.7.0 Authentication aborted").run();
    hello().client("AUTH PLAIN =").server("501 5.5.2 Cannot decode the response").run();
    hello().client("AUTH PLAIN !!").server("501 5.5.2 Cannot decode the response").run();
    hello().client("AUTH GSSAPI").server("504 5.5.4 Unrecognized authentication mechanism").run();
    // NUL "anna" NUL "b", no address
    hello().client("AUTH PLAIN AGFubmEAYg==").server("535 5.7.8 Error: authentication failed").run();
    // "eve@box.test" acting for "anna@box.test"
    hello()
        .client("AUTH PLAIN ZXZlQGJveC50ZXN0AGFubmFAYm94LnRlc3QAYg==")
        .server("535 5.7.8 Error: authentication failed")
        .run();
}

#[test]
fn guessing_passwords_ends_the_connection() {
    let mut script =
        Script::new(submission()).server("220 box.test ESMTP Hearth").client("HELO x").server("250 box.test");
    for _ in 0..5 {
        script = script.client("AUTH PLAIN AGFubmEAYg==").server("535 5.7.8 Error: authentication failed");
    }
    script.server("421 4.7.0 Too many errors, closing the connection").closed(CloseReason::Misbehaved).run();
}

#[test]
fn commands_out_of_order_are_told_so() {
    Script::logged_in()
        .client("RCPT TO:<ben@box.test>\r\nDATA")
        .server("503 5.5.1 Send MAIL first")
        .server("503 5.5.1 Send MAIL first")
        .client("MAIL FROM:<anna@box.test> SIZE=5\r\nMAIL FROM:<anna@box.test>\r\nRSET\r\nMAIL FROM:<anna@box.test>")
        .asked(Question::Sender { login: anna(), sender: anna(), size: Some(5) })
        .answer(Answer::Accepted)
        .server("250 2.1.0 Ok")
        .server("503 5.5.1 A transaction is already open")
        .server("250 2.0.0 Ok")
        .asked(Question::Sender { login: anna(), sender: anna(), size: None })
        .answer(Answer::Refused(table::NO_SPACE))
        .server("452 4.3.1 No space left, please try again later")
        .client("MAIL FROM:<anna@box.test> SIZE=1001")
        .server("552 5.3.4 Message exceeds maximum size: on its way a file grows by nearly half")
        .client("NOOP\r\nHELP\r\nVRFY x\r\nEXPN list")
        .server("250 2.0.0 Ok")
        .server("214 2.0.0 See RFC 5321")
        .server("252 2.0.0 Cannot verify, but will try to deliver")
        .server("500 5.5.1 Command not recognized")
        .run();
}

#[test]
fn submission_needs_a_login() {
    Script::new(submission())
        .server("220 box.test ESMTP Hearth")
        .client("HELO x\r\nMAIL FROM:<anna@box.test>")
        .server("250 box.test")
        .server("530 5.7.0 Authentication required")
        .run();
}

#[test]
fn recipients_are_counted_once_and_have_a_limit() {
    let mut script = Script::logged_in()
        .client("MAIL FROM:<anna@box.test>")
        .asked(Question::Sender { login: anna(), sender: anna(), size: None })
        .answer(Answer::Accepted)
        .server("250 2.1.0 Ok");
    for name in ["a@x.test", "b@x.test", "c@x.test"] {
        script = script
            .client(&format!("RCPT TO:<{name}>"))
            .asked(Question::Recipient { login: anna(), sender: anna(), recipient: address(name) })
            .answer(Answer::Accepted)
            .server("250 2.1.5 Ok");
    }
    script
        .client("RCPT TO:<B@X.TEST>\r\nRCPT TO:<d@x.test>\r\nRCPT TO:<no address>")
        .server("250 2.1.5 Ok")
        .server("452 4.5.3 Too many recipients")
        .server("501 5.1.3 Bad recipient address syntax")
        .run();
}

#[test]
fn a_recipient_may_be_quoted_and_the_postmaster_is_ours() {
    let mut script = Script::logged_in()
        .client("EHLO M\u{dc}LLER_PC")
        .server("250-box.test")
        .server("250-PIPELINING")
        .server("250-SIZE 1000")
        .server("250-8BITMIME")
        .server("250-ENHANCEDSTATUSCODES")
        .server("250 AUTH PLAIN LOGIN")
        .client("MAIL FROM:<anna@box.test>")
        .asked(Question::Sender { login: anna(), sender: anna(), size: None })
        .answer(Answer::Accepted)
        .server("250 2.1.0 Ok");
    for (path, recipient) in
        [("\"john doe\"@x.test", "\"john doe\"@x.test"), ("Postmaster", "postmaster@box.test")]
    {
        let recipient = mail_types::Address::from_envelope(recipient).unwrap();
        script = script
            .client(&format!("RCPT TO:<{path}>"))
            .asked(Question::Recipient { login: anna(), sender: anna(), recipient })
            .answer(Answer::Accepted)
            .server("250 2.1.5 Ok");
    }
    // The same ones, written otherwise.
    script
        .client("RCPT TO:<\"J\\ohn Doe\"@X.test>\r\nRCPT TO:<postmaster@box.test>")
        .server("250 2.1.5 Ok")
        .server("250 2.1.5 Ok")
        .run();
}

#[test]
fn bare_line_ends_close_the_connection() {
    Script::logged_in()
        .client("NOOP\nNOOP")
        .server("500 5.5.2 Lines must end in CR LF")
        .closed(CloseReason::Misbehaved)
        .run();
}

#[test]
fn a_line_too_long_is_refused_and_the_next_one_read() {
    Script::logged_in()
        .client(&"x".repeat(20_000))
        .client("NOOP")
        .server("500 5.5.2 Line too long")
        .server("250 2.0.0 Ok")
        .run();
}

#[test]
fn nonsense_without_end_closes_the_connection() {
    let mut script = Script::logged_in();
    for _ in 0..20 {
        script = script.client("FOO").server("500 5.5.1 Command not recognized");
    }
    script.server("421 4.7.0 Too many errors, closing the connection").closed(CloseReason::Misbehaved).run();
}

#[test]
fn silence_ends_the_connection_and_before_the_login_talk_does_not_prolong_it() {
    Script::new(submission())
        .server("220 box.test ESMTP Hearth")
        .wait(30)
        .client("HELO x")
        .server("250 box.test")
        .wait(29)
        .raw(b"NO")
        .wait(1)
        .server("421 4.4.2 Timeout, closing the connection")
        .closed(CloseReason::TimedOut)
        .run();
    Script::logged_in().wait(299).client("NOOP").server("250 2.0.0 Ok").wait(299).run();
    Script::logged_in()
        .wait(300)
        .server("421 4.4.2 Timeout, closing the connection")
        .closed(CloseReason::TimedOut)
        .run();
}

#[test]
fn silence_after_the_handshake_ends_the_connection_too() {
    Script::new(submission_in_clear())
        .server("220 box.test ESMTP Hearth")
        .client("STARTTLS")
        .server("220 2.0.0 Ready to start TLS")
        .start_tls()
        .tls_started()
        .wait(60)
        .server("421 4.4.2 Timeout, closing the connection")
        .closed(CloseReason::TimedOut)
        .run();
}

#[test]
fn bytes_behind_starttls_are_an_attack() {
    let settings = smtp::Settings::new("box.test");
    let (role, transport) = (smtp::Role::Submission, smtp::Transport::Plain);
    let mut session = smtp::Session::new(settings, role, transport, crate::script::start());
    // In one read: what came in clear text must not count as having come under TLS.
    session.handle(crate::script::start(), smtp::Input::Bytes(b"EHLO x\r\nSTARTTLS\r\nNOOP\r\n"));
    let outputs: Vec<smtp::Output> = std::iter::from_fn(|| session.poll()).collect();
    assert!(!outputs.contains(&smtp::Output::StartTls), "{outputs:?}");
    assert!(outputs.contains(&smtp::Output::Close(CloseReason::Misbehaved)), "{outputs:?}");
}

#[test]
fn our_own_slowness_is_no_silence_of_the_client() {
    Script::logged_in()
        .client("MAIL FROM:<anna@box.test>")
        .asked(Question::Sender { login: anna(), sender: anna(), size: None })
        .wait(10_000)
        .answer(Answer::Refused(Reply::new(451, "4.3.0 later")))
        .server("451 4.3.0 later")
        .wait(299)
        .client("QUIT")
        .server("221 2.0.0 Bye")
        .closed(CloseReason::Quit)
        .run();
}

#[test]
fn shutting_down_waits_for_the_open_question() {
    Script::logged_in()
        .client("MAIL FROM:<anna@box.test>\r\nRSET")
        .asked(Question::Sender { login: anna(), sender: anna(), size: None })
        .shutdown()
        .answer(Answer::Accepted)
        .server("250 2.1.0 Ok")
        .server("421 4.3.2 Shutting down, please come again")
        .closed(CloseReason::Shutdown)
        .run();
}

#[test]
fn making_room_waits_for_the_open_question_and_for_no_message() {
    Script::logged_in()
        .client("MAIL FROM:<anna@box.test>\r\nRSET")
        .asked(Question::Sender { login: anna(), sender: anna(), size: None })
        .make_room()
        .answer(Answer::Accepted)
        .server("250 2.1.0 Ok")
        .server("421 4.3.2 Too many connections; try again later.")
        .closed(CloseReason::MakeRoom)
        .run();
    Script::sending()
        .raw(b"a\r\nb")
        .make_room()
        .server("421 4.3.2 Too many connections; try again later.")
        .discarded()
        .closed(CloseReason::MakeRoom)
        .run();
}
