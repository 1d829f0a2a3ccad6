//! Port 25 of the awkward server (RFC 5321), as little of it as a sending server needs.

use std::io::{BufRead, BufReader, Error, ErrorKind, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;

use super::rules::{Action, Stage};
use super::{Shared, Taken, Way, unstuffed};
use crate::internet::tls::Stream;
use crate::waiting::pause;

/// Holds the dialogue of one connection, until one of both has enough.
pub(super) fn serve(stream: TcpStream, shared: &Shared) {
    let mut dialogue = Dialogue {
        shared,
        lines: BufReader::new(Stream::Plain(stream)),
        way: Way::Plain,
        envelope: Envelope::default(),
    };
    // The end of a connection is nothing to tell anybody of.
    let _ = dialogue.run();
}

struct Dialogue<'a> {
    shared: &'a Shared,
    lines: BufReader<Stream>,
    way: Way,
    envelope: Envelope,
}

#[derive(Default)]
struct Envelope {
    /// None before MAIL: then no recipient is taken.
    from: Option<String>,
    to: Vec<String>,
}

/// The outcome of a stage.
#[derive(PartialEq, Eq)]
enum Outcome {
    Accepted,
    Refused,
}

impl Dialogue<'_> {
    fn run(&mut self) -> Result<()> {
        let domain = self.shared.domain.clone();
        self.stage(Stage::Greeting, &format!("220 {domain} ESMTP"))?;
        loop {
            let line = self.line()?;
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "HELO" => self.hello()?,
                "STAR" => self.start_tls()?,
                "MAIL" => self.mail(&line)?,
                "RCPT" => self.recipient(&line)?,
                "DATA" => self.data()?,
                "RSET" => {
                    self.envelope = Envelope::default();
                    self.reply("250 2.0.0 Ok")?;
                }
                "NOOP" => self.reply("250 2.0.0 Ok")?,
                "QUIT" => return self.reply("221 2.0.0 Bye"),
                _ => self.reply("502 5.5.2 Command not known")?,
            }
        }
    }

    fn hello(&mut self) -> Result<()> {
        let Shared { domain, options, .. } = self.shared;
        let tls = if options.starttls && self.way == Way::Plain { "250-STARTTLS\r\n" } else { "" };
        let reply =
            format!("250-{domain}\r\n250-PIPELINING\r\n250-SIZE {}\r\n{tls}250 8BITMIME", options.size);
        self.stage(Stage::Hello, &reply).map(drop)
    }

    fn start_tls(&mut self) -> Result<()> {
        if !self.shared.options.starttls {
            return self.reply("502 5.5.1 Not here");
        }
        if self.stage(Stage::StartTls, "220 2.0.0 Ready")? == Outcome::Accepted {
            self.lines = BufReader::new(self.lines.get_ref().secured(Arc::clone(&self.shared.tls))?);
            (self.way, self.envelope) = (Way::Tls, Envelope::default());
        }
        Ok(())
    }

    fn mail(&mut self, line: &str) -> Result<()> {
        if self.stage(Stage::Mail, "250 2.1.0 Ok")? == Outcome::Accepted {
            self.envelope = Envelope { from: Some(path(line)), to: Vec::new() };
        }
        Ok(())
    }

    fn recipient(&mut self, line: &str) -> Result<()> {
        if self.envelope.from.is_none() {
            return self.reply("503 5.5.1 MAIL first");
        }
        if self.stage(Stage::Recipient, "250 2.1.5 Ok")? == Outcome::Accepted {
            self.envelope.to.push(path(line));
        }
        Ok(())
    }

    fn data(&mut self) -> Result<()> {
        if self.envelope.to.is_empty() {
            return self.reply("554 5.5.1 No recipients");
        }
        if self.stage(Stage::Data, "354 Go on")? == Outcome::Refused {
            return Ok(());
        }
        let text = self.text()?;
        let Envelope { from, to } = std::mem::take(&mut self.envelope);
        let mut taken = Taken {
            from: from.unwrap_or_default(),
            to,
            message: unstuffed(&text),
            way: self.way,
            told: true,
        };
        match self.shared.rules.meet(Stage::End) {
            Some(Action::TakeAndCut) => {
                taken.told = false;
                self.shared.taken().push(taken);
                Err(ErrorKind::ConnectionAborted.into())
            }
            action => {
                // It counts before its sender is told: a test that has seen the sender's success sees the message.
                let usual = "250 2.0.0 Ok, taken";
                if !matches!(action, Some(Action::Answer(_) | Action::Cut | Action::Silence)) {
                    self.shared.taken().push(taken);
                }
                self.act(action, usual).map(drop)
            }
        }
    }

    /// The text up to the line with the dot.
    fn text(&mut self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            let start = text.len();
            if self.lines.read_until(b'\n', &mut text)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if text.get(start..) == Some(b".\r\n") {
                text.truncate(start);
                return Ok(text);
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn stage(&mut self, stage: Stage, usual: &str) -> Result<Outcome> {
        let action = self.shared.rules.meet(stage);
        self.act(action, usual)
    }

    fn act(&mut self, action: Option<Action>, usual: &str) -> Result<Outcome> {
        match action {
            Some(Action::Answer(line)) => {
                self.reply(&line)?;
                Ok(if line.starts_with(['2', '3']) { Outcome::Accepted } else { Outcome::Refused })
            }
            Some(Action::Cut | Action::TakeAndCut) => Err(ErrorKind::ConnectionAborted.into()),
            Some(Action::Silence) => {
                std::io::copy(&mut self.lines, &mut std::io::sink())?;
                Err(Error::from(ErrorKind::UnexpectedEof))
            }
            Some(Action::Wait(time)) => {
                pause(time);
                self.reply(usual)?;
                Ok(Outcome::Accepted)
            }
            None => {
                self.reply(usual)?;
                Ok(Outcome::Accepted)
            }
        }
    }

    fn reply(&mut self, text: &str) -> Result<()> {
        let stream = self.lines.get_mut();
        stream.write_all(format!("{text}\r\n").as_bytes())?;
        stream.flush()
    }
}

/// The address between the angle brackets.
fn path(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map(|(address, _)| address.to_owned()).unwrap_or_default()
}
