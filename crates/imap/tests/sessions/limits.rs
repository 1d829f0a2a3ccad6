//! The limits of a session: nonsense, long commands, a server that ends, memory.

use imap::{Input, Transport};

use crate::world::{Wire, World};

#[test]
fn nonsense_ends_the_connection_after_a_while() {
    let mut world = World::new(1);
    let phone = world.connect(Transport::Tls);
    for _ in 0..20 {
        world.send(phone, b"GET / HTTP/1.1\r\n");
    }
    assert!(world.heard(phone).ends_with("* BYE Too many commands that make no sense.\r\n"));
    assert_eq!(world.wire(phone), Wire::Closed);
}

#[test]
fn commands_and_literals_have_limits() {
    let mut world = World::new(1);
    let phone = world.connect(Transport::Tls);
    world.heard(phone);
    world.send(phone, format!("a LOGIN {} x\r\n", "u".repeat(42_000)).as_bytes());
    assert_eq!(world.heard(phone), "a BAD The command is too long.\r\n");
    world.send(phone, b"b LOGIN {42000}\r\n");
    assert_eq!(world.heard(phone), "b BAD [TOOBIG] The literal is too long.\r\n");
    world.send(phone, format!("c LOGIN {{42000+}}\r\n{} x\r\nd NOOP\r\n", "u".repeat(42_000)).as_bytes());
    assert_eq!(world.heard(phone), "c BAD [TOOBIG] The literal is too long.\r\nd OK NOOP completed\r\n");
    world.play(phone, "C: e LOGIN abc123xyz@chat.example secret\nS: e OK …\nC: f SELECT INBOX\nS: * FLAGS…\nS: * OK…\nS: * 0 EXISTS\nS: * 0 RECENT\nS: * OK…\nS: * OK…\nS: * OK…\nS: f OK…");
    let uids = (1..6_000).map(|uid| (uid * 2).to_string()).collect::<Vec<_>>().join(",");
    world.send(phone, format!("g UID FETCH {uids} FLAGS\r\n").as_bytes());
    assert_eq!(world.heard(phone), "g OK Fetch completed\r\n");
    world.send(phone, format!("h UID FETCH {uids},{uids},{uids} FLAGS\r\n").as_bytes());
    assert_eq!(world.heard(phone), "h BAD The command is too long.\r\n");
}

#[test]
fn a_server_that_goes_down_says_so() {
    let mut world = World::new(1);
    let phone = world.select();
    world.play(phone, "C: a IDLE\nS: + idling");
    world.input(phone, Input::Shutdown);
    assert_eq!(world.heard(phone), "* BYE [UNAVAILABLE] Server shutting down.\r\n");
    assert_eq!(world.wire(phone), Wire::Closed);
}

#[test]
fn a_server_that_needs_the_place_says_so() {
    let mut world = World::new(1);
    let stranger = world.connect(Transport::Tls);
    world.heard(stranger);
    world.input(stranger, Input::MakeRoom);
    assert_eq!(world.heard(stranger), "* BYE [UNAVAILABLE] Too many connections; try again later.\r\n");
    assert_eq!(world.wire(stranger), Wire::Closed);
}

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<imap::Session>() <= 1_024, "{} bytes", size_of::<imap::Session>());
}
