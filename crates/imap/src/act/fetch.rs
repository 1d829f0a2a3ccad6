//! `FETCH` (RFC 3501 section 6.4.5): messages are read one at a time, as far as the data items demand, and responses
//! are written by `fetch_response`.

use mail_types::{Flags, SystemFlag, Uid};

use super::fetch_response::{Content, respond};
use super::job::{Context, Event, Job, Step};
use super::updates::emit_changed_flags;
use crate::command::{Fetch, FetchItem, FetchSection, MarkSeen, SectionText, Vanished};
use crate::dialogue::{Answer, CommandFailure, HEAD_LIMIT, Question};
use crate::length::length;
use crate::mail::{Access, Expunged, FlagChange, FlagMode};
use crate::message::header::{self, HEADER_LIMIT};
use crate::message::structure::Walker;
use crate::respond::Completion;
use crate::sequence::{Numbering, write_set};
use crate::state::{State, Tracking};

/// Messages marked as seen with one question, before they are sent.
const SEEN_BATCH: usize = 100;
/// Messages answered from the view in one step.
const VIEW_BATCH: usize = 100;
/// Each further read of a message, in bytes.
const CHUNK_BYTES: u64 = 262_144;
/// First read of a message of which only the header is wanted, in bytes: nearly all headers are shorter.
const HEADER_HEAD_BYTES: u32 = 16_384;

/// The job of `FETCH`.
#[derive(Debug)]
pub(super) struct Fetching {
    fetch: Fetch,
    need: Need,
    uids: Vec<Uid>,
    /// The next message, as an index into `uids`.
    next: usize,
    /// Messages before this index are marked as seen.
    marked: usize,
    /// Messages that the last question marked as seen, ascending.
    newly_seen: Vec<Uid>,
    reading: Option<Reading>,
    open_question: OpenQuestion,
    outcome: Outcome,
}

/// The open question, by the treatment of its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenQuestion {
    /// Marking messages as seen, whose failure is ignored.
    MarkSeen,
    /// Any other, whose failure fails the command.
    Other,
}

/// The part of a message that a data item is made of; each includes those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// Attributes in the view.
    View,
    /// Bytes by their position.
    Bytes,
    /// The header.
    Header,
    /// The MIME structure, for which the whole message is read.
    Structure,
}

/// The message that is being read.
#[derive(Debug)]
struct Reading {
    uid: Uid,
    content: Content,
    /// Bytes read so far, from the beginning.
    read: u64,
    walker: Option<Walker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Complete,
    /// Some messages were expunged by another session: `EXPUNGEISSUED`.
    SomeGone,
}

impl Fetching {
    pub(super) fn new(mut fetch: Fetch) -> Self {
        if fetch.numbering == Numbering::Uid && !fetch.items.contains(&FetchItem::Uid) {
            fetch.items.insert(0, FetchItem::Uid);
        }
        if fetch.changed_since.is_some() && !fetch.items.contains(&FetchItem::ModSeq) {
            fetch.items.push(FetchItem::ModSeq);
        }
        let need = fetch.items.iter().map(need).max().unwrap_or(Need::View);
        let (uids, outcome) = (Vec::new(), Outcome::Complete);
        Self {
            fetch,
            need,
            uids,
            next: 0,
            marked: 0,
            newly_seen: Vec::new(),
            reading: None,
            open_question: OpenQuestion::Other,
            outcome,
        }
    }

    fn begin(&mut self, context: &mut Context<'_>) -> Step {
        if self.fetch.items.contains(&FetchItem::ModSeq) {
            context.track_modseqs();
        } else if *context.tracking >= Tracking::Condstore && self.tells_flags() {
            // RFC 7162 section 3.1: the client needs it for its next conditional STORE, also after an implicit `\Seen`.
            self.fetch.items.push(FetchItem::ModSeq);
        }
        let tracking = *context.tracking;
        let Some(view) = context.view() else {
            return Step::Done(Completion::unexpected());
        };
        let Ok(mut uids) = view.resolve(&self.fetch.set, self.fetch.numbering) else {
            return Step::Done(Completion::no_such_message());
        };
        if let Some(since) = self.fetch.changed_since {
            uids.retain(|&uid| view.find(uid).is_some_and(|(_, message)| message.modseq > since));
        }
        self.uids = uids;
        match (self.fetch.vanished, self.fetch.changed_since) {
            (Vanished::Report, Some(_)) if tracking != Tracking::Qresync => {
                Step::Done(Completion::qresync_not_enabled())
            }
            (Vanished::Report, Some(since)) => Step::Ask(view.changes_since(since)),
            _ => self.go_on(context),
        }
    }

    /// True if the command sets `\Seen`.
    fn marks_seen(&self) -> bool {
        let marks =
            |item: &FetchItem| matches!(item, FetchItem::Section(section) if section.seen == MarkSeen::Yes);
        self.fetch.items.iter().any(marks)
    }

    /// True if the responses have `FLAGS`, asked for or not.
    fn tells_flags(&self) -> bool {
        self.fetch.items.contains(&FetchItem::Flags) || self.marks_seen()
    }

    /// Begins with the next message, or ends the command.
    fn go_on(&mut self, context: &mut Context<'_>) -> Step {
        if self.need == Need::View {
            return self.respond_from_view(context);
        }
        let Some(&uid) = self.uids.get(self.next) else {
            return Step::Done(self.completed());
        };
        if self.next >= self.marked
            && let Some(question) = self.mark_seen(context)
        {
            self.open_question = OpenQuestion::MarkSeen;
            return Step::Ask(question);
        }
        self.open_question = OpenQuestion::Other;
        let Some(view) = context.view() else {
            return Step::Done(Completion::unexpected());
        };
        Step::Ask(Question::OpenMessage { mailbox: view.mailbox.clone(), uid, head: self.head() })
    }

    /// The question that marks the next messages as seen, if the command does that and some are not.
    fn mark_seen(&mut self, context: &mut Context<'_>) -> Option<Question> {
        self.marked = self.next + SEEN_BATCH;
        let marks = self.marks_seen();
        let view = context.view()?;
        if view.access == Access::ReadOnly || !marks {
            self.marked = usize::MAX;
            return None;
        }
        let batch = self.uids.iter().skip(self.next).take(SEEN_BATCH).filter_map(|&uid| view.find(uid));
        let unseen = batch.filter(|(_, message)| !message.flags.has(SystemFlag::Seen));
        let uids: Vec<Uid> = unseen.map(|(_, message)| message.uid).collect();
        let flags: Flags = [SystemFlag::Seen].into_iter().collect();
        (!uids.is_empty()).then(|| Question::StoreFlags {
            mailbox: view.mailbox.clone(),
            uids,
            change: FlagChange { mode: FlagMode::Add, flags },
            unchanged_since: None,
        })
    }

    /// Sends the responses of one batch from the view.
    fn respond_from_view(&mut self, context: &mut Context<'_>) -> Step {
        let State::Selected(view) = &mut *context.state else {
            return Step::Done(Completion::unexpected());
        };
        for &uid in self.uids.iter().skip(self.next).take(VIEW_BATCH) {
            if let Some((number, message)) = view.find(uid) {
                respond(context.out, view, (number, message), &self.fetch.items, &Content::default());
            }
        }
        self.next += VIEW_BATCH;
        if self.next < self.uids.len() { Step::Again } else { Step::Done(self.completed()) }
    }

    /// Bytes to read along with opening the message.
    fn head(&self) -> u32 {
        let wants_body = self.fetch.items.iter().any(|item| {
            matches!(item, FetchItem::Section(FetchSection { section, partial: None, .. })
                if matches!(section.text, SectionText::Whole | SectionText::Text))
        });
        match self.need {
            _ if wants_body => HEAD_LIMIT,
            Need::View | Need::Bytes => 0,
            Need::Header => HEADER_HEAD_BYTES,
            Need::Structure => HEAD_LIMIT,
        }
    }

    /// Takes bytes of the open message, and reads on or sends the response.
    fn read(&mut self, context: &mut Context<'_>, mut reading: Reading, bytes: &[u8]) -> Step {
        reading.read += length(bytes);
        if let Some(walker) = &mut reading.walker {
            walker.feed(bytes);
        }
        if let Some(until) = reading.unread_up_to(self.need) {
            let range = reading.read..until.min(reading.read + CHUNK_BYTES);
            self.reading = Some(reading);
            return Step::Ask(Question::ReadMessage(range));
        }
        reading.content.structure = reading.walker.take().map(Walker::finish);
        if let State::Selected(view) = &mut *context.state
            && let Some((number, message)) = view.find(reading.uid)
        {
            respond(context.out, view, (number, message), &self.fetch.items, &reading.content);
        }
        self.next += 1;
        Step::Again
    }

    fn answer(&mut self, context: &mut Context<'_>, answer: Answer) -> Step {
        match (answer, self.reading.take()) {
            (Answer::Message { size, head }, _) => match self.uids.get(self.next) {
                Some(&uid) => {
                    let walker = (self.need == Need::Structure).then(Walker::new);
                    let content = Content { size, ..Content::default() };
                    let mut reading = Reading { uid, content, read: 0, walker };
                    reading.content.head.clone_from(&head);
                    self.read(context, reading, &head)
                }
                None => Step::Done(Completion::unexpected()),
            },
            (Answer::Bytes(bytes), Some(mut reading)) if !bytes.is_empty() => {
                if self.need == Need::Header {
                    reading.content.head.extend_from_slice(&bytes);
                }
                self.read(context, reading, &bytes)
            }
            (Answer::Stored { keywords, messages, .. }, _) => {
                self.newly_seen = messages.iter().map(|flags| flags.uid).collect();
                if let Some(view) = context.view() {
                    view.note_keywords(keywords);
                    for flags in messages {
                        view.note_own_change(flags.modseq);
                        view.set_flags(flags);
                    }
                }
                self.go_on(context)
            }
            (Answer::Changes(changes), _) => {
                if let Some(view) = context.view() {
                    view.note_recent(&changes);
                }
                self.emit_vanished(context, &changes.expunged);
                self.go_on(context)
            }
            // A full disk must not prevent reading, which is how room is made.
            (Answer::Failed(_), _) if self.open_question == OpenQuestion::MarkSeen => self.go_on(context),
            (Answer::Failed(CommandFailure::Gone), _) => {
                self.outcome = Outcome::SomeGone;
                self.next += 1;
                Step::Again
            }
            (Answer::Failed(failure), _) => {
                self.tell_newly_seen(context);
                Step::Done(failure.into())
            }
            _ => Step::Done(Completion::unexpected()),
        }
    }

    /// Sends the flags of messages that were marked as seen, and then not sent because the command fails.
    fn tell_newly_seen(&self, context: &mut Context<'_>) {
        let left = self.uids.get(self.next..).unwrap_or(&[]);
        let untold: Vec<Uid> =
            self.newly_seen.iter().copied().filter(|uid| left.binary_search(uid).is_ok()).collect();
        if let State::Selected(view) = &mut *context.state {
            emit_changed_flags(context.out, view, &untold, *context.tracking);
        }
    }

    /// Sends `VANISHED (EARLIER)` with the expunged UIDs of the set (RFC 7162 section 3.2.6).
    fn emit_vanished(&self, context: &mut Context<'_>, expunged: &Expunged) {
        let State::Selected(view) = &mut *context.state else {
            return;
        };
        let last = view.uid_next.get().saturating_sub(1);
        let vanished = view.vanished(expunged, &self.fetch.set.ranges(Some(last)));
        if !vanished.is_empty() {
            context.out.text(&format!("* VANISHED (EARLIER) {}\r\n", write_set(vanished)));
        }
    }

    fn completed(&self) -> Completion {
        match self.outcome {
            Outcome::Complete => Completion::ok("Fetch completed"),
            Outcome::SomeGone => Completion::ok("Some messages are no longer there").code("EXPUNGEISSUED"),
        }
    }
}

impl Reading {
    /// The number of bytes that must be read; `None` if enough have been.
    fn unread_up_to(&mut self, need: Need) -> Option<u64> {
        match need {
            Need::View | Need::Bytes => None,
            Need::Structure => Some(self.content.size).filter(|&size| self.read < size),
            Need::Header => {
                let limit = self.content.size.min(HEADER_LIMIT);
                self.content.header_end = header::end(&self.content.head);
                if self.content.header_end.is_none() && self.read < limit {
                    return Some(limit);
                }
                self.content.header_end.get_or_insert(self.content.head.len());
                None
            }
        }
    }
}

impl Job for Fetching {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Go if self.uids.is_empty() => self.begin(context),
            Event::Go => self.go_on(context),
            Event::Answer(answer) => self.answer(context, answer),
            _ => Step::Done(Completion::unexpected()),
        }
    }
}

fn need(item: &FetchItem) -> Need {
    match item {
        FetchItem::Uid | FetchItem::Flags | FetchItem::InternalDate | FetchItem::Size | FetchItem::ModSeq => {
            Need::View
        }
        FetchItem::Envelope => Need::Header,
        FetchItem::Body | FetchItem::BodyStructure => Need::Structure,
        FetchItem::Section(section) if !section.section.path.is_empty() => Need::Structure,
        FetchItem::Section(section) => match section.section.text {
            SectionText::Whole => Need::Bytes,
            _ => Need::Header,
        },
    }
}
