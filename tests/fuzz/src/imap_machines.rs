//! The IMAP session: clients that say anything, messages that contain anything.
//!
//! In a session's bytes 0xff introduces an event instead of text; see [`Event`].

use std::time::Duration;

use imap::{Input, Transport};

use crate::world::{Parser, Wire, World};
use crate::{split_first, texts_and_events};

/// An event other than a client's bytes.
#[derive(Clone, Copy)]
enum Event {
    /// A message arrives.
    Delivery,
    /// The session is told of a change, and there is none.
    Notice,
    /// Another program removes the message with this UID.
    Removal(u32),
    /// Time passes.
    Pause(Duration),
    /// The other connection speaks.
    OtherConnection,
    /// The server goes down.
    Shutdown,
}

impl Event {
    fn of(byte: u8) -> Self {
        match byte & 7 {
            0 => Self::Delivery,
            1 => Self::Notice,
            2 | 3 => Self::Removal(u32::from(byte >> 3)),
            4 => Self::Pause(Duration::from_secs(61)),
            5 => Self::Pause(Duration::from_secs(1_900)),
            6 => Self::OtherConnection,
            _ => Self::Shutdown,
        }
    }
}

/// Two connections of one account. However the network cuts what they say, the answers are the same.
pub(crate) fn session(data: &[u8]) {
    let cut = dialogue(data, 1);
    assert_eq!(cut, dialogue(data, 2), "cutting matters");
    // What follows STARTTLS in the same packet matters, and must.
    if split_first(data).0 & 3 != 0 {
        assert_eq!(cut, dialogue(data, 0), "cutting matters");
    }
}

/// The output and the final state of both connections.
fn dialogue(data: &[u8], cuts: u64) -> [(String, Wire); 2] {
    let (kind, data) = split_first(data);
    let mut world = World::new(cuts);
    world.parser = Parser::Any;
    world.toy.deliver("Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nbody\n--b--\n");
    world.toy.deliver("no header at all");
    let first = match kind & 3 {
        0 => world.connect(Transport::Plain),
        1 => world.connect(Transport::Tls),
        2 => world.login(),
        _ => world.select(),
    };
    let second = world.select();
    let (mut speaking, mut silent) = (first, second);
    for (text, event) in texts_and_events(data) {
        match cuts {
            // A read that gives nothing is no input: it would count as a sign of life.
            0 if !text.is_empty() && world.wire(speaking) != Wire::Closed => {
                world.input(speaking, Input::Bytes(text));
            }
            0 => {}
            _ => world.send(speaking, text),
        }
        match event.map(Event::of) {
            Some(Event::Delivery) => drop(world.change(|toy| toy.deliver("Subject: new\n\nx\n")).get()),
            Some(Event::Notice) if world.wire(speaking) != Wire::Closed => {
                world.input(speaking, Input::MailboxChanged);
            }
            Some(Event::Removal(uid)) => remove(&mut world, uid),
            Some(Event::Pause(time)) => world.pass(time),
            Some(Event::OtherConnection) => std::mem::swap(&mut speaking, &mut silent),
            Some(Event::Shutdown) if world.wire(speaking) != Wire::Closed => {
                world.input(speaking, Input::Shutdown);
            }
            Some(Event::Notice | Event::Shutdown) | None => {}
        }
    }
    [first, second].map(|number| {
        let end = (world.heard(number), world.wire(number));
        world.input(number, Input::Closed);
        end
    })
}

fn remove(world: &mut World, uid: u32) {
    let inbox = imap::MailboxName::inbox();
    if mail_types::Uid::new(uid).is_some_and(|uid| world.toy.read(&inbox, uid).is_some()) {
        world.change(|toy| toy.remove(&inbox, uid));
    }
}

/// Any bytes as a message: whatever is asked about it is answered, and the parser of Delta Chat reads the answers to what
/// Delta Chat asks. (Literals in a body structure, which RFC 3501 allows and 8-bit text needs, are beyond it.)
pub(crate) fn message(data: &[u8]) {
    let mut world = World::new(0);
    world.parser = Parser::Any;
    let inbox = imap::MailboxName::inbox();
    world.toy.add(&inbox, mail_types::Flags::default(), mail_types::UnixTime(1_718_000_000), data.to_vec());
    let phone = world.select();
    world.parser = Parser::DeltaChat;
    for items in [
        "(BODY.PEEK[1] BODY.PEEK[1.1.MIME] BODY.PEEK[2.HEADER] BODY.PEEK[TEXT])",
        "(BODY.PEEK[1] BODY.PEEK[2.MIME] BODY.PEEK[1.1.HEADER] BODY.PEEK[TEXT]<1.9>)",
        "(BODY.PEEK[HEADER.FIELDS (FROM CHAT-VERSION)] BODY.PEEK[HEADER.FIELDS.NOT (DATE)] RFC822.SIZE)",
    ] {
        ask(&mut world, phone, &format!("FETCH 1 {items}"), "a OK Fetch completed\r\n");
    }
    ask(&mut world, phone, "FETCH 1 (ENVELOPE BODYSTRUCTURE)", "a OK Fetch completed\r\n");
    world.parser = Parser::Any;
    ask(&mut world, phone, "FETCH 1 (ENVELOPE BODY BODYSTRUCTURE)", "a OK Fetch completed\r\n");
    let search = "SEARCH OR TEXT zzz OR SENTON 1-Jan-2020 OR FROM zzz OR HEADER X y BODY text";
    ask(&mut world, phone, search, "a OK Search completed\r\n");
}

fn ask(world: &mut World, phone: usize, command: &str, end: &str) {
    world.send(phone, format!("a {command}\r\n").as_bytes());
    let heard = world.heard_bytes(phone);
    assert!(heard.ends_with(end.as_bytes()), "{command}: {}", String::from_utf8_lossy(&heard));
}
