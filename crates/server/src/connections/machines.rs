//! The two protocol machines as the driver's [`Machine`]s: their own names for the same inputs and outputs.

use std::time::Instant;

use crate::connections::driver::{Action, Event, Machine};

impl Machine for imap::Session {
    type Question = imap::Question;
    type Answer = imap::Answer;

    fn take(&mut self, now: Instant, event: Event<'_, imap::Answer>) {
        let input = match event {
            Event::Bytes(bytes) => imap::Input::Bytes(bytes),
            Event::Answer(answer) => imap::Input::Answer(answer),
            Event::Changed => imap::Input::MailboxChanged,
            Event::TlsStarted => imap::Input::TlsStarted,
            Event::Tick => imap::Input::Tick,
            Event::MakeRoom => imap::Input::MakeRoom,
            Event::Shutdown => imap::Input::Shutdown,
            Event::Closed => imap::Input::Closed,
        };
        self.handle(now, input);
    }

    fn next(&mut self) -> Option<Action<imap::Question>> {
        Some(match self.poll()? {
            imap::Output::Send(bytes) => Action::Send(bytes),
            imap::Output::SendMessage(range) => Action::SendMessage(range),
            imap::Output::Spool(bytes) => Action::Spool(bytes),
            imap::Output::DiscardSpool => Action::DiscardSpool,
            imap::Output::Ask(question) => Action::Ask(question),
            imap::Output::WakeAt(time) => Action::WakeAt(time),
            imap::Output::StartTls => Action::StartTls,
            imap::Output::Close => Action::Close,
        })
    }

    fn wants_input(&self) -> bool {
        self.wants_input()
    }
}

impl Machine for smtp::Session {
    type Question = smtp::Question;
    type Answer = smtp::Answer;

    fn take(&mut self, now: Instant, event: Event<'_, smtp::Answer>) {
        let input = match event {
            Event::Bytes(bytes) => smtp::Input::Bytes(bytes),
            Event::Answer(answer) => smtp::Input::Answer(answer),
            // No submission watches a mailbox; a tick does no harm.
            Event::Changed | Event::Tick => smtp::Input::Tick,
            Event::TlsStarted => smtp::Input::TlsStarted,
            Event::MakeRoom => smtp::Input::MakeRoom,
            Event::Shutdown => smtp::Input::Shutdown,
            Event::Closed => smtp::Input::Closed,
        };
        self.handle(now, input);
    }

    fn next(&mut self) -> Option<Action<smtp::Question>> {
        Some(match self.poll()? {
            smtp::Output::Send(bytes) => Action::Send(bytes),
            smtp::Output::Spool(bytes) => Action::Spool(bytes),
            smtp::Output::DiscardSpool => Action::DiscardSpool,
            smtp::Output::Ask(question) => Action::Ask(question),
            smtp::Output::WakeAt(time) => Action::WakeAt(time),
            smtp::Output::StartTls => Action::StartTls,
            smtp::Output::Close(_) => Action::Close,
        })
    }

    fn wants_input(&self) -> bool {
        self.wants_input()
    }
}
