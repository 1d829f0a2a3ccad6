//! One dialogue per rule of the client.

use mail_types::Secret;
use smtp::client::{Encryption, Settings};

use crate::script::check;

/// No TLS to talk about.
fn settings() -> Settings {
    Settings { encryption: Encryption::Already, ..Settings::new("box.test") }
}

const HELLO: &str = "
    S: 220 other.test ESMTP
    C: EHLO box.test
    S: 250-other.test
    S: 250-PIPELINING
    S: 250-SIZE 5000
    S: 250 8BITMIME
    ! ready
";

fn after_hello(script: &str) {
    check(&settings(), &format!("{HELLO}{script}"));
}

#[test]
fn two_messages_are_delivered_over_one_connection_under_tls() {
    check(
        &Settings::new("box.test"),
        "
        S: 220 other.test ESMTP
        C: EHLO box.test
        S: 250-other.test
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go ahead
        ! start TLS
        > tls
        C: EHLO box.test
        S: 250-other.test
        S: 250-PIPELINING
        S: 250 SIZE
        ! ready
        > deliver anna@box.test ben@other.test carl@other.test
        C: MAIL FROM:<anna@box.test> SIZE=1000
        C: RCPT TO:<ben@other.test>
        C: RCPT TO:<carl@other.test>
        C: DATA
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        S: 250 2.1.5 Ok
        S: 354 go
        ! want content
        > content .dot
        C: ..dot
        ! want content
        > end
        C: .
        S: 250 2.0.0 queued
        ! ben@other.test has it
        ! carl@other.test has it
        ! ready
        > deliver <> ben@other.test
        C: MAIL FROM:<> SIZE=1000
        C: RCPT TO:<ben@other.test>
        C: DATA
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        S: 354 go
        ! want content
        > content x
        C: x
        ! want content
        > end
        C: .
        S: 554 5.7.1 No DKIM signature found
        ! ben@other.test refused: 554 5.7.1 No DKIM signature found
        ! ready
        > quit
        C: QUIT
        S: 221 bye
        ! close
        ",
    );
}

#[test]
fn without_pipelining_commands_go_one_by_one() {
    check(
        &settings(),
        "
        S: 220 other.test
        C: EHLO box.test
        S: 250 other.test
        ! ready
        > deliver anna@box.test ben@other.test carl@other.test
        C: MAIL FROM:<anna@box.test>
        S: 250 ok
        C: RCPT TO:<ben@other.test>
        S: 550-5.1.1 no
        S: 550 such user
        C: RCPT TO:<carl@other.test>
        S: 250 ok
        C: DATA
        S: 354 go
        ! want content
        > content x
        C: x
        ! want content
        > end
        C: .
        S: 250 ok
        ! ben@other.test refused: 550 5.1.1 no such user
        ! carl@other.test has it
        ! ready
        > deliver anna@box.test ben@other.test
        C: MAIL FROM:<anna@box.test>
        S: 451 later
        C: RSET
        S: 250 ok
        ! ben@other.test refused: 451 later
        ! ready
        ",
    );
}

#[test]
fn data_that_was_pipelined_behind_refusals_ends_without_content() {
    after_hello(
        "
        > deliver anna@box.test ben@other.test
        C: MAIL FROM:<anna@box.test> SIZE=1000 BODY=8BITMIME
        C: RCPT TO:<ben@other.test>
        C: DATA
        S: 250 ok
        S: 450 4.2.0 later
        S: 354 go
        C: .
        S: 554 no valid recipients
        ! ben@other.test refused: 450 4.2.0 later
        ! ready
        > deliver anna@box.test ben@other.test
        C: MAIL FROM:<anna@box.test> SIZE=1000 BODY=8BITMIME
        C: RCPT TO:<ben@other.test>
        C: DATA
        S: 250 ok
        S: 550 no
        S: 503 no valid recipients
        C: RSET
        S: 250 ok
        ! ben@other.test refused: 550 no
        ! ready
        ",
    );
}

#[test]
fn no_message_goes_out_in_clear_text_unless_that_is_allowed() {
    let hello = "S: 220 x\nC: EHLO box.test\nS: 250 x\n";
    check(&Settings::new("box.test"), &format!("{hello}! close: the other server offers no encryption"));
    let settings = Settings { encryption: Encryption::IfOffered, ..Settings::new("box.test") };
    check(&settings, &format!("{hello}! ready"));
}

#[test]
fn a_server_that_says_no_at_once_is_left_for_another() {
    check(&settings(), "S: 554 no\n! close: the other server does not want to talk: 554 no");
    check(
        &settings(),
        "S: 220 x\nC: EHLO box.test\nS: 421 busy\n! close: the other server does not want to talk: 421 busy",
    );
    check(&settings(), "S: HTTP/1.1 400 Bad Request\n! close: the other server does not speak SMTP");
    let starttls = "S: 220 x\nC: EHLO box.test\nS: 250-x\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 no key\n";
    check(
        &Settings::new("box.test"),
        &format!("{starttls}! close: the other server does not want to talk: 454 no key"),
    );
}

#[test]
fn a_provider_is_logged_in_to_under_tls_only() {
    let login = Some(("anna".to_owned(), Secret::new("b")));
    let hello = "S: 220 x\nC: EHLO box.test\nS: 250-x\nS: 250 AUTH LOGIN PLAIN\n";
    let settings = Settings { login: login.clone(), ..settings() };
    check(&settings, &format!("{hello}C: AUTH PLAIN AGFubmEAYg==\nS: 235 ok\n! ready"));
    check(
        &settings,
        &format!(
            "{hello}C: AUTH PLAIN AGFubmEAYg==\nS: 535 no\n! close: the other server does not want to talk: 535 no"
        ),
    );
    let settings = Settings { encryption: Encryption::IfOffered, login, ..Settings::new("box.test") };
    check(&settings, &format!("{hello}! close: the other server offers no known way to log in"));
}

#[test]
fn a_message_over_the_servers_limit_is_not_offered() {
    check(
        &settings(),
        "
        S: 220 x
        C: EHLO box.test
        S: 250-x
        S: 250 SIZE 999
        ! ready
        > deliver anna@box.test ben@other.test
        ! ben@other.test refused: 552 5.3.4 The other server takes at most 999 bytes
        ! ready
        ",
    );
}

const DATA: &str = "
    > deliver anna@box.test ben@other.test carl@other.test
    C: MAIL FROM:<anna@box.test> SIZE=1000 BODY=8BITMIME
    C: RCPT TO:<ben@other.test>
    C: RCPT TO:<carl@other.test>
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 550 no
    S: 354 go
    ! want content
";

#[test]
fn every_recipient_has_a_fate_when_the_connection_breaks() {
    for (trouble, fate) in [
        ("> closed", "the other server closed the connection"),
        ("> wait 60", "the other server did not answer in time"),
        ("> lost", "the message cannot be sent as it is"),
        ("> raw aLFb", "the message cannot be sent as it is"),
        ("S: what", "the other server does not speak SMTP"),
    ] {
        // A message that cannot be finished is never ended with a dot: half of it must not be delivered.
        after_hello(&format!(
            "{DATA}{trouble}
            ! ben@other.test unsettled: {fate}
            ! carl@other.test refused: 550 no
            ! close: {fate}"
        ));
    }
}

#[test]
fn a_verdict_before_the_end_stops_the_message() {
    after_hello(&format!(
        "{DATA}
        > content x
        C: x
        ! want content
        S: 552 too large
        ! ben@other.test refused: 552 too large
        ! carl@other.test refused: 550 no
        ! close: the other server does not want to talk: 552 too large
        > content y
        > end
        "
    ));
}

#[test]
fn the_verdict_may_take_longer_than_other_replies() {
    after_hello(&format!(
        "{DATA}
        > content x
        C: x
        ! want content
        > wait 59
        > end
        C: .
        > wait 299
        S: 250 ok
        ! ben@other.test has it
        ! carl@other.test refused: 550 no
        ! ready
        > wait 9999
        "
    ));
}

#[test]
fn an_idle_connection_that_the_server_closes_is_over() {
    after_hello("S: 421 timeout\n! close: the other server does not want to talk: 421 timeout");
    after_hello("> closed\n! close: the other server closed the connection");
    after_hello("> quit\nC: QUIT\n> closed\n! close");
    after_hello("> quit\nC: QUIT\n> wait 60\n! close");
}

#[test]
fn a_message_for_a_broken_connection_comes_back() {
    after_hello(
        "
        > closed
        ! close: the other server closed the connection
        > deliver anna@box.test ben@other.test
        ! ben@other.test unsettled: the other server closed the connection
        ",
    );
}

#[test]
fn one_message_at_a_time() {
    after_hello(&format!(
        "{DATA}
        > deliver anna@box.test dora@other.test
        ! dora@other.test unsettled: the other server closed the connection
        > content x
        C: x
        ! want content
        "
    ));
}
