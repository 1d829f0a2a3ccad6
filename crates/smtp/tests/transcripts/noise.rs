//! Random input against the session: whatever comes, it neither panics nor keeps more than it may.

use std::ops::RangeInclusive;

use smtp::{Answer, Input, Output, Question, Role, Session, Settings, Transport, table};

use crate::script::{Random, address, start};

/// Pieces from which noise is made: nearly right is worse than random.
const PIECES: [&[u8]; 26] = [
    b"EHLO x\r\n",
    b"STARTTLS\r\n",
    b"AUTH PLAIN AEFubmFAYm94LnRlc3QAcGEkJHdvcmQx\r\n",
    b"AUTH LOGIN\r\n",
    b"*\r\n",
    b"MAIL FROM:<anna@box.test>",
    b"MAIL FROM:<>",
    b" SIZE=",
    b"99999999999999999999",
    b"RCPT TO:<ben@box.test>\r\n",
    b"RCPT TO:<",
    b"@",
    b">",
    b"DATA\r\n",
    b".\r\n",
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff\xfe",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"QUIT",
    b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

#[test]
fn noise_never_breaks_the_machine() {
    make_noise(1..=3000);
}

#[test]
#[ignore = "long: minutes of noise"]
fn noise_never_breaks_the_machine_for_minutes() {
    make_noise(3000..=2000000);
}

fn make_noise(seeds: RangeInclusive<u64>) {
    for seed in seeds {
        println!("seed {seed}");
        let mut random = Random(seed);
        let role = if seed % 2 == 0 { Role::Submission } else { Role::Inbound };
        let transport = if seed % 5 == 0 { Transport::Plain } else { Transport::Tls };
        let settings = Settings { message_limit: 200, recipient_limit: 3, ..Settings::new("box.test") };
        let mut session = Session::new(settings, role, transport);
        let (mut question, mut spooled) = (None, 0_u64);
        for _ in 0..200 {
            let piece = PIECES[random.below(PIECES.len())];
            let input = match random.below(40) {
                0 => Input::Tick,
                1 => Input::TlsStarted,
                2 => Input::Answer(Answer::Accepted),
                _ => Input::Bytes(piece),
            };
            session.handle(start(), input);
            loop {
                match session.poll() {
                    Some(Output::Ask(asked)) => question = Some(asked),
                    Some(Output::Spool(bytes)) => spooled += u64::try_from(bytes.len()).unwrap(),
                    Some(Output::DiscardSpool) => spooled = 0,
                    Some(Output::Send(bytes)) => assert!(bytes.ends_with(b"\r\n")),
                    Some(_) => {}
                    None => break,
                }
            }
            if let Some(Question::Commit { size, envelope, .. }) = &question {
                assert_eq!(*size, spooled, "what is committed is what was spooled");
                assert!(!envelope.recipients.is_empty());
                spooled = 0;
            }
            if question.take().is_some() {
                let answer = match random.below(8) {
                    0 => Answer::Refused(table::LOCAL_TROUBLE),
                    1 => Answer::RefusedAtRecipients(table::LOCAL_TROUBLE),
                    2 | 3 => Answer::Authenticated(address("anna@box.test")),
                    _ => Answer::Accepted,
                };
                session.handle(start(), Input::Answer(answer));
            }
            assert!(spooled <= 200);
        }
    }
}

#[test]
fn waiting_input_is_bounded() {
    let mut session = Session::new(Settings::new("box.test"), Role::Inbound, Transport::Tls);
    session.handle(start(), Input::Bytes(b"EHLO x\r\nMAIL FROM:<>\r\n"));
    assert!(session.wants_input());
    session.handle(start(), Input::Bytes(&[b'x'; 200_000]));
    assert!(!session.wants_input(), "a question is open and enough is waiting");
    session.handle(start(), Input::Bytes(&[b'x'; 2_000_000]));
    let outputs: Vec<Output> = std::iter::from_fn(|| session.poll()).collect();
    assert!(matches!(outputs.last(), Some(Output::Close(_))), "a driver that pushes on is cut off");
}
