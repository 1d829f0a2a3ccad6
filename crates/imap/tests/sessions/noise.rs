//! Clients that say anything: a session must never panic, never say something after it is over, never hoard.

use std::ops::Range;

use imap::{Input, Transport};

use crate::world::{Chance, Parser, Wire, World};

/// Words that IMAP is made of, and some that it is not.
const WORDS: &[&str] = &[
    "a",
    "b1",
    "UID",
    "FETCH",
    "STORE",
    "SEARCH",
    "LIST",
    "LSUB",
    "SELECT",
    "EXAMINE",
    "CLOSE",
    "EXPUNGE",
    "COPY",
    "MOVE",
    "IDLE",
    "DONE",
    "NOOP",
    "STATUS",
    "APPEND",
    "GETMETADATA",
    "SETMETADATA",
    "GETQUOTA",
    "ENABLE",
    "ID",
    "AUTHENTICATE",
    "LOGIN",
    "LOGOUT",
    "STARTTLS",
    "CREATE",
    "DELETE",
    "RENAME",
    "SUBSCRIBE",
    "INBOX",
    "\"INBOX\"",
    "1",
    "*",
    "1:*",
    "42",
    "4294967295",
    "99999999999999999999",
    "FLAGS",
    "+FLAGS",
    "-FLAGS.SILENT",
    "(\\Seen)",
    "(\\Deleted)",
    "(",
    ")",
    "[",
    "]",
    "<0.5>",
    "BODY[]",
    "BODY.PEEK[1.2.MIME]",
    "BODY[HEADER.FIELDS (DATE)]",
    "ENVELOPE",
    "BODYSTRUCTURE",
    "RFC822.SIZE",
    "MODSEQ",
    "(CHANGEDSINCE 1 VANISHED)",
    "(QRESYNC (1718000000 1 1:*))",
    "CONDSTORE",
    "QRESYNC",
    "RETURN (ALL COUNT)",
    "OR",
    "NOT",
    "TEXT",
    "x",
    "BEFORE",
    "1-Jan-2020",
    "CHARSET",
    "UTF-8",
    "{3}",
    "{3+}",
    "{0}",
    "{99999999}",
    "{99999999+}",
    "{70000+}",
    "~{3+}",
    "\"",
    "\\",
    "\"\\\"\"",
    "NIL",
    "&",
    "&U,BTFw-",
    "\0",
    "\u{fc}",
    "\r",
    "\r\n",
    "\r\n",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "  ",
    "%",
    "/private/devicetoken",
    "\"\"",
    "=",
];

fn babble(chance: &mut Chance) -> Vec<u8> {
    let mut line = Vec::new();
    for _ in 0..chance.below(12) {
        if chance.below(20) == 0 {
            line.push(u8::try_from(chance.below(256)).unwrap());
        } else {
            line.extend_from_slice(WORDS[chance.below(WORDS.len())].as_bytes());
        }
        if chance.below(8) > 0 {
            line.push(b' ');
        }
    }
    line
}

/// A sensible beginning of a command, so that the noise gets deeper.
fn opening(chance: &mut Chance) -> &'static [u8] {
    const OPENINGS: &[&[u8]] = &[
        b"",
        b"t ",
        b"t UID FETCH 1:* ",
        b"t FETCH 1:* (",
        b"t SEARCH ",
        b"t UID SEARCH TEXT ",
        b"t STORE 1:* ",
        b"t APPEND INBOX ",
        b"t LIST \"\" ",
        b"t SELECT INBOX ",
        b"t SELECT INBOX\r\n",
        b"t EXPUNGE\r\n",
        b"DONE\r\n",
        b"t ENABLE QRESYNC\r\n",
        b"t UID MOVE 1:* ",
        b"t IDLE\r\n",
    ];
    OPENINGS[chance.below(OPENINGS.len())]
}

#[test]
fn noise_before_and_after_login_is_survived() {
    make_noise(0..400);
}

#[test]
#[ignore = "long: minutes of noise"]
fn noise_before_and_after_login_is_survived_for_minutes() {
    make_noise(400..1_000_000);
}

fn make_noise(seeds: Range<u64>) {
    for seed in seeds {
        println!("seed {seed}");
        let (mut world, mut chance) = (World::new(seed), Chance::new(seed + 5_000));
        world.parser = Parser::Any;
        world.toy.deliver("Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nbody\n--b--\n");
        world.toy.deliver("no header at all");
        let transport = if chance.below(4) == 0 { Transport::Plain } else { Transport::Tls };
        let phone = match chance.below(4) {
            0 => world.connect(transport),
            1 => world.login(),
            _ => world.select(),
        };
        for _ in 0..60 {
            if world.wire(phone) != Wire::Open {
                break;
            }
            let noise = [opening(&mut chance), &babble(&mut chance)].concat();
            world.send(phone, &noise);
            match chance.below(12) {
                0 => drop(world.change(|toy| toy.deliver("Subject: new\n\nx\n")).get()),
                1 => world.input(phone, Input::MailboxChanged),
                2 => world.pass(std::time::Duration::from_secs(61)),
                _ => {}
            }
            world.heard_bytes(phone);
        }
        world.input(phone, Input::Closed);
    }
}

/// However the network cuts what a client says, the answers are the same.
#[test]
fn cutting_never_matters() {
    cut(0..300);
}

#[test]
#[ignore = "long: minutes of noise"]
fn cutting_never_matters_for_minutes() {
    cut(300..500_000);
}

fn cut(seeds: Range<u64>) {
    for seed in seeds {
        println!("seed {seed}");
        let mut chance = Chance::new(seed + 20_000);
        let noise: Vec<u8> =
            (0..30).flat_map(|_| [opening(&mut chance), &babble(&mut chance), b"\r\n"].concat()).collect();
        let answers = [0, 1].map(|way| {
            let mut world = World::new(seed + way);
            world.parser = Parser::Any;
            world.toy.deliver("Subject: x\nContent-Type: text/html\n\n<p>body\n");
            let phone = world.select();
            if way == 0 {
                world.input(phone, Input::Bytes(&noise));
            } else {
                world.send(phone, &noise);
            }
            (String::from_utf8_lossy(&world.heard_bytes(phone)).into_owned(), world.wire(phone))
        });
        assert_eq!(answers[0], answers[1]);
    }
}

#[test]
fn messages_of_noise_are_looked_into() {
    look_into_noise(0..300);
}

#[test]
#[ignore = "long: minutes of noise"]
fn messages_of_noise_are_looked_into_for_minutes() {
    look_into_noise(300..1_000_000);
}

fn look_into_noise(seeds: Range<u64>) {
    const PIECES: &[&str] = &[
        "Content-Type: multipart/mixed; boundary=b\n",
        "Content-Type: message/rfc822\n",
        "--b\n",
        "--b--\n",
        "\n",
        "\n",
        "Content-Type: text/plain; charset=\"\n",
        "From: a <b@c>, (d\n",
        "Subject: =?utf-8?b?w?=\n",
        " folded\n",
        "text\n",
        "Content-Transfer-Encoding: base64\n",
        "Date: 99 Jan\n",
        ":\n",
        "\0\u{1}\n",
        "Content-Disposition: ;;=\n",
        "--",
        "=",
    ];
    for seed in seeds {
        println!("seed {seed}");
        let (mut world, mut chance) = (World::new(seed), Chance::new(seed + 9_000));
        let pieces = chance.below(60);
        let message: String = (0..pieces).map(|_| PIECES[chance.below(PIECES.len())]).collect();
        world.toy.deliver(&message);
        let phone = world.select();
        world.send(
            phone,
            b"a FETCH 1 (ENVELOPE BODYSTRUCTURE BODY[1] BODY[1.1.MIME] BODY[2.HEADER] BODY[TEXT])\r\n",
        );
        let heard = world.heard(phone);
        assert!(heard.ends_with("a OK Fetch completed\r\n"), "{message:?}: {heard}");
        world.parser = Parser::Any;
        world.send(phone, b"b FETCH 1 BODY\r\n");
        assert!(world.heard(phone).ends_with("b OK Fetch completed\r\n"), "{message:?}");
        world.send(phone, b"b SEARCH OR TEXT zzz OR SENTON 1-Jan-2020 OR FROM zzz BODY text\r\n");
        assert!(world.heard(phone).ends_with("b OK Search completed\r\n"), "{message:?}");
    }
}

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
fn an_idle_session_is_small() {
    assert!(size_of::<imap::Session>() <= 1_024, "{} bytes", size_of::<imap::Session>());
}
