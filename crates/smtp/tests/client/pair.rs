//! Client and server machine talk to each other over a pipe that splits bytes at random.

use std::collections::VecDeque;

use smtp::client::{Body, Client, Encryption, Fate, Transaction};
use smtp::{Answer, Question, Reply, Role, Session, Transport};
use test_support::Random;

use crate::script::start;

/// A server that takes everything except mail for `nobody`.
struct Server {
    session: Session,
    spool: Vec<u8>,
    kept: Vec<(Vec<String>, Vec<u8>)>,
}

impl Server {
    fn act(&mut self, to_client: &mut VecDeque<u8>) {
        while let Some(output) = self.session.poll() {
            match output {
                smtp::Output::Send(bytes) => to_client.extend(bytes),
                smtp::Output::Spool(bytes) => self.spool.extend(bytes),
                smtp::Output::DiscardSpool => self.spool.clear(),
                smtp::Output::Ask(question) => {
                    let answer = self.answer(question);
                    self.session.handle(start(), smtp::Input::Answer(answer));
                }
                smtp::Output::StartTls => self.session.handle(start(), smtp::Input::TlsStarted),
                smtp::Output::WakeAt(_) | smtp::Output::Close(_) => {}
            }
        }
    }

    fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Recipient { recipient, .. } if recipient.local().as_str() == "nobody" => {
                Answer::Refused(Reply::new(550, "5.1.1 no"))
            }
            Question::Commit { envelope, size, .. } => {
                let spool = std::mem::take(&mut self.spool);
                assert_eq!(u64::try_from(spool.len()).unwrap(), size);
                self.kept.push((envelope.recipients.iter().map(ToString::to_string).collect(), spool));
                Answer::Accepted
            }
            _ => Answer::Accepted,
        }
    }
}

fn run(seed: u64, transport: Transport, messages: &[(&[&str], &str)]) -> (Vec<Vec<Fate>>, Server) {
    let mut random = Random::new(seed);
    let encryption = if transport == Transport::Tls { Encryption::Already } else { Encryption::Required };
    let settings = smtp::client::Settings { encryption, ..smtp::client::Settings::new("a.test") };
    let mut client = Client::new(settings);
    let session = Session::new(smtp::Settings::new("b.test"), Role::Inbound, transport, start());
    let mut server = Server { session, spool: Vec::new(), kept: Vec::new() };
    let (mut to_server, mut to_client) = (VecDeque::new(), VecDeque::new());
    let (mut messages, mut content, mut fates) = (messages.iter(), VecDeque::new(), Vec::new());
    loop {
        server.act(&mut to_client);
        let mut idle = true;
        while let Some(output) = client.poll() {
            idle = false;
            let input = match output {
                smtp::client::Output::Send(bytes) => {
                    to_server.extend(bytes);
                    continue;
                }
                smtp::client::Output::StartTls => smtp::client::Input::TlsStarted,
                smtp::client::Output::Ready => match messages.next() {
                    Some((recipients, text)) => {
                        content = text.bytes().collect();
                        let recipients = recipients.iter().map(|text| text.parse().unwrap()).collect();
                        let size = u64::try_from(text.len()).unwrap();
                        let sender = "anna@a.test".parse().ok();
                        smtp::client::Input::Deliver(Transaction {
                            sender,
                            recipients,
                            size,
                            body: Body::SevenBit,
                        })
                    }
                    None => smtp::client::Input::Quit,
                },
                smtp::client::Output::WantContent if content.is_empty() => smtp::client::Input::ContentEnd,
                smtp::client::Output::WantContent => {
                    let count = 1 + random.below(content.len());
                    let piece: Vec<u8> = content.drain(..count).collect();
                    client.handle(start(), smtp::client::Input::Content(&piece));
                    continue;
                }
                smtp::client::Output::Done(told) => {
                    fates.push(told.into_iter().map(|(_, fate)| fate).collect());
                    continue;
                }
                smtp::client::Output::WakeAt(_) => continue,
                smtp::client::Output::Close(trouble) => {
                    assert_eq!(trouble, None, "seed {seed}");
                    return (fates, server);
                }
            };
            client.handle(start(), input);
        }
        for (pipe, to_us) in [(&mut to_server, false), (&mut to_client, true)] {
            let count = (1 + random.below(pipe.len())).min(pipe.len());
            let bytes: Vec<u8> = pipe.drain(..count).collect();
            if bytes.is_empty() {
                continue;
            }
            idle = false;
            if to_us {
                client.handle(start(), smtp::client::Input::Bytes(&bytes));
            } else {
                server.session.handle(start(), smtp::Input::Bytes(&bytes));
            }
        }
        assert!(!idle, "seed {seed}: both sides wait");
    }
}

#[test]
fn what_one_machine_sends_the_other_keeps() {
    let messages: [(&[&str], &str); 4] = [
        (&["ben@b.test", "nobody@b.test", "carl@b.test"], "From: anna@a.test\r\n\r\n.\r\n..\r\n.x\r\n\r\n"),
        (&["nobody@b.test"], "lost\r\n"),
        (&["ben@b.test"], "\r\n.QUIT\r\n"),
        (&["ben+x@b.test"], "last\r\n"),
    ];
    for seed in 1..=200 {
        println!("seed {seed}");
        let transport = if seed % 2 == 0 { Transport::Tls } else { Transport::Plain };
        let (fates, server) = run(seed, transport, &messages);
        let refused = || Fate::Refused(Reply::new(550, "5.1.1 no"));
        assert_eq!(
            fates,
            [
                vec![Fate::Delivered, refused(), Fate::Delivered],
                vec![refused()],
                vec![Fate::Delivered],
                vec![Fate::Delivered]
            ]
        );
        let kept: Vec<(Vec<&str>, &str)> = server
            .kept
            .iter()
            .map(|(to, text)| (to.iter().map(String::as_str).collect(), str::from_utf8(text).unwrap()))
            .collect();
        assert_eq!(
            kept,
            [
                (vec!["ben@b.test", "carl@b.test"], messages[0].1),
                (vec!["ben@b.test"], messages[2].1),
                (vec!["ben+x@b.test"], messages[3].1),
            ]
        );
    }
}
