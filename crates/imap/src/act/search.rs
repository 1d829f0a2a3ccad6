//! `SEARCH` (RFC 3501 section 6.4.4), `RETURN` (RFC 4731) and `MODSEQ` (RFC 7162). Messages are read one at a time,
//! and only as far as the keys demand: first nothing, then the header, then the MIME structure, then its texts.

use std::collections::BTreeSet;

use mail_types::{ModSeq, Uid};

use super::job::{Context, Event, Job, Step};
use super::search_evaluation::{Header, Known};
use crate::command::{Charset, Search, SearchReturn};
use crate::dialogue::{Answer, CommandFailure, Question, READ_LIMIT};
use crate::length::length;
use crate::message::decode::body_text;
use crate::message::header::{self, HEADER_LIMIT};
use crate::message::structure::{Entity, Kind, Walker};
use crate::respond::{Completion, string};
use crate::sequence::{Numbering, write_set};
use crate::state::State;
use crate::view::View;

/// Messages evaluated from the view in one step.
const VIEW_BATCH: usize = 1_000;
/// First read of a message, in bytes: nearly all headers are shorter.
const HEADER_HEAD_BYTES: u32 = 16_384;
/// Each further read of a message, in bytes.
const CHUNK_BYTES: u64 = 262_144;
/// The part of a text that is searched, in bytes from its beginning.
const PART_BYTES: u64 = READ_LIMIT;

/// The job of `SEARCH`.
#[derive(Debug)]
pub(super) struct Searching {
    search: Search,
    uids: Vec<Uid>,
    /// The next message, as an index into `uids`.
    next: usize,
    found: Vec<Found>,
    reading: Option<Reading>,
    /// The texts of the keys that have to be searched for in bodies.
    texts: BTreeSet<String>,
    begun: Begun,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Every message was evaluated.
    Complete,
    /// Some messages were expunged before they could be read: `EXPUNGEISSUED`.
    SomeGone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    No,
    Yes,
}

/// A message that matches.
#[derive(Clone, Copy, Debug)]
struct Found {
    number: u32,
    uid: Uid,
    modseq: ModSeq,
}

/// The message that is being read.
#[derive(Debug)]
struct Reading {
    size: u64,
    /// Bytes read so far, from the beginning.
    read: u64,
    /// The first bytes; from `Stage::Parts` on the header alone.
    head: Vec<u8>,
    stage: Stage,
}

/// The progress of reading one message.
#[derive(Debug)]
enum Stage {
    /// The header is being read.
    Header,
    /// The MIME structure is being read.
    Parts(Walker),
    /// The parts with text are being read, the last one first.
    Texts { waiting: Vec<Entity>, seen: BTreeSet<String> },
}

impl Searching {
    pub(super) fn new(search: Search) -> Self {
        let mut texts = BTreeSet::new();
        search.key.body_texts(&mut texts);
        let (uids, found) = (Vec::new(), Vec::new());
        let outcome = Outcome::Complete;
        Self { search, uids, next: 0, found, reading: None, texts, begun: Begun::No, outcome }
    }

    fn begin(&mut self, context: &mut Context<'_>) -> Step {
        self.begun = Begun::Yes;
        if self.search.charset == Charset::Unknown {
            let refused = Completion::no("This charset is not known").code("BADCHARSET (US-ASCII UTF-8)");
            return Step::Done(refused);
        }
        if self.search.key.uses_modseq() {
            context.track_modseqs();
        }
        if let State::Selected(view) = &mut *context.state {
            self.search.key.resolve(view);
            self.uids = view.iter().map(|(_, message)| message.uid).collect();
        }
        self.evaluate_from_view(context)
    }

    /// Evaluates messages from the view, up to the next one that has to be read.
    fn evaluate_from_view(&mut self, context: &mut Context<'_>) -> Step {
        let State::Selected(view) = &mut *context.state else {
            return Step::Done(Completion::unexpected());
        };
        for _ in 0..VIEW_BATCH {
            let Some(&uid) = self.uids.get(self.next) else {
                self.emit_results(context);
                let completion = Completion::ok("Search completed");
                return Step::Done(match self.outcome {
                    Outcome::Complete => completion,
                    Outcome::SomeGone => completion.code("EXPUNGEISSUED"),
                });
            };
            let message = view.find(uid).map(|(_, message)| message);
            let known = message.map(|message| self.search.key.evaluate(message, Known::View));
            match known.unwrap_or(Some(false)) {
                Some(verdict) => self.record_verdict(view, verdict),
                None => {
                    let mailbox = view.mailbox.clone();
                    return Step::Ask(Question::OpenMessage { mailbox, uid, head: HEADER_HEAD_BYTES });
                }
            }
        }
        Step::Again
    }

    /// Records the verdict on the message at `next`, and goes on to the next.
    fn record_verdict(&mut self, view: &View, verdict: bool) {
        let entry = self.uids.get(self.next).and_then(|&uid| view.find(uid));
        if let (true, Some((number, message))) = (verdict, entry) {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            self.found.push(Found { number, uid: message.uid, modseq: message.modseq });
        }
        self.next += 1;
        self.reading = None;
    }

    fn answer(&mut self, context: &mut Context<'_>, answer: Answer) -> Step {
        match (answer, self.reading.take()) {
            (Answer::Message { size, head }, _) => {
                let read = length(&head);
                self.read_header(context, Reading { size, read, head, stage: Stage::Header })
            }
            (Answer::Bytes(bytes), Some(mut reading)) if !bytes.is_empty() => match &mut reading.stage {
                Stage::Header => {
                    reading.read += length(&bytes);
                    reading.head.extend(bytes);
                    self.read_header(context, reading)
                }
                Stage::Parts(walker) => {
                    reading.read += length(&bytes);
                    walker.feed(&bytes);
                    self.read_parts(context, reading)
                }
                Stage::Texts { waiting, seen } => {
                    if let Some(part) = waiting.pop() {
                        self.search_part(&part, &bytes, seen);
                    }
                    self.read_texts(context, reading)
                }
            },
            (Answer::Failed(CommandFailure::Gone), _) => {
                self.outcome = Outcome::SomeGone;
                self.next += 1;
                Step::Again
            }
            (Answer::Failed(failure), _) => Step::Done(failure.into()),
            _ => Step::Done(Completion::unexpected()),
        }
    }

    /// Evaluates the message if its header is complete, else reads on.
    fn read_header(&mut self, context: &mut Context<'_>, mut reading: Reading) -> Step {
        let limit = reading.size.min(HEADER_LIMIT);
        let end = match header::end(&reading.head) {
            Some(end) => end,
            None if reading.read >= limit => reading.head.len(),
            None => {
                let range = reading.read..limit.min(reading.read + CHUNK_BYTES);
                self.reading = Some(reading);
                return Step::Ask(Question::ReadMessage(range));
            }
        };
        let header = Header::new(reading.head.get(..end).unwrap_or(&[]));
        if let Some(verdict) = self.verdict(context, Known::Header(&header)) {
            return verdict;
        }
        let mut walker = Walker::new();
        walker.feed(&reading.head);
        reading.stage = Stage::Parts(walker);
        reading.head.truncate(end);
        self.read_parts(context, reading)
    }

    /// Reads the message to its end for its MIME structure.
    fn read_parts(&mut self, context: &mut Context<'_>, mut reading: Reading) -> Step {
        if reading.read < reading.size {
            let range = reading.read..reading.size.min(reading.read + CHUNK_BYTES);
            self.reading = Some(reading);
            return Step::Ask(Question::ReadMessage(range));
        }
        // The walker is consumed: the stage put in its place is overwritten at once.
        if let Stage::Parts(walker) = std::mem::replace(&mut reading.stage, Stage::Header) {
            let (mut waiting, mut seen) = (Vec::new(), BTreeSet::new());
            self.collect(walker.finish(), &mut waiting, &mut seen);
            reading.stage = Stage::Texts { waiting, seen };
        }
        self.read_texts(context, reading)
    }

    /// Collects the parts with text in `waiting`, and the texts that the headers of parts contain in `seen`.
    fn collect(&self, entity: Entity, waiting: &mut Vec<Entity>, seen: &mut BTreeSet<String>) {
        // The header of the message itself, at 0, is evaluated for its own keys.
        if entity.header.start > 0 {
            let header = Header::new(&entity.head);
            seen.extend(self.texts.iter().filter(|text| header.holds(text)).cloned());
        }
        match entity.kind {
            Kind::Multipart(parts) => parts.into_iter().for_each(|part| self.collect(part, waiting, seen)),
            Kind::Message(message) => self.collect(*message, waiting, seen),
            Kind::Leaf => {
                let kind = entity.content_type.media_type().map(|(kind, _)| kind.to_ascii_lowercase());
                let is_text = kind.is_none_or(|kind| kind == b"text" || kind == b"message");
                if is_text && !entity.body.is_empty() {
                    waiting.push(entity);
                }
            }
        }
    }

    /// Reads the next part with text, unless all texts have been found or no part is left.
    fn read_texts(&mut self, context: &mut Context<'_>, reading: Reading) -> Step {
        let Stage::Texts { waiting, seen } = &reading.stage else {
            return Step::Done(Completion::unexpected());
        };
        match waiting.last() {
            Some(part) if seen.len() < self.texts.len() => {
                let range = part.body.start..part.body.end.min(part.body.start + PART_BYTES);
                self.reading = Some(reading);
                Step::Ask(Question::ReadMessage(range))
            }
            _ => {
                let header = Header::new(&reading.head);
                let verdict = self.verdict(context, Known::All(&header, seen));
                verdict.unwrap_or_else(|| Step::Done(Completion::unexpected()))
            }
        }
    }

    /// Adds the texts that a part contains to `seen`.
    fn search_part(&self, part: &Entity, bytes: &[u8], seen: &mut BTreeSet<String>) {
        let encoding = header::transfer_encoding(&part.head);
        let text = body_text(bytes, encoding.as_deref(), &part.content_type).to_lowercase();
        seen.extend(self.texts.iter().filter(|wanted| text.contains(wanted.as_str())).cloned());
    }

    /// Evaluates the open message; `None` if it has to be read further.
    fn verdict(&mut self, context: &mut Context<'_>, known: Known<'_>) -> Option<Step> {
        let State::Selected(view) = &mut *context.state else {
            return Some(Step::Done(Completion::unexpected()));
        };
        let message = self.uids.get(self.next).and_then(|&uid| view.find(uid)).map(|(_, message)| message);
        let verdict = match message {
            Some(message) => self.search.key.evaluate(message, known)?,
            None => false,
        };
        self.record_verdict(view, verdict);
        Some(Step::Again)
    }

    /// The highest modification sequence of the messages returned (RFC 7162 section 3.1.10): with `ALL` and `COUNT` of
    /// all that were found, otherwise of those that `MIN` and `MAX` name.
    fn highest_modseq(&self) -> Option<u64> {
        let modseqs = || self.found.iter().map(|found| found.modseq.0);
        let Some(returns) = &self.search.returns else {
            return modseqs().max();
        };
        if returns.contains(&SearchReturn::All) || returns.contains(&SearchReturn::Count) {
            return modseqs().max();
        }
        let least = modseqs().next().filter(|_| returns.contains(&SearchReturn::Min));
        let greatest = modseqs().next_back().filter(|_| returns.contains(&SearchReturn::Max));
        least.max(greatest)
    }

    fn emit_results(&self, context: &mut Context<'_>) {
        let numbers: Vec<u32> = match self.search.numbering {
            Numbering::Sequence => self.found.iter().map(|found| found.number).collect(),
            Numbering::Uid => self.found.iter().map(|found| found.uid.get()).collect(),
        };
        let highest = self.highest_modseq().filter(|_| self.search.key.uses_modseq());
        let Some(returns) = &self.search.returns else {
            let list: Vec<String> = numbers.iter().map(u32::to_string).collect();
            let modseq = highest.map(|highest| format!(" (MODSEQ {highest})")).unwrap_or_default();
            let space = if list.is_empty() { "" } else { " " };
            return context.out.text(&format!("* SEARCH{space}{}{modseq}\r\n", list.join(" ")));
        };
        context.out.text("* ESEARCH (TAG ");
        context.out.bytes(&string(context.tag.as_bytes()));
        context.out.text(if self.search.numbering == Numbering::Uid { ") UID" } else { ")" });
        for wanted in returns {
            let item = match (wanted, numbers.first(), numbers.last()) {
                (SearchReturn::Min, Some(first), _) => format!(" MIN {first}"),
                (SearchReturn::Max, _, Some(last)) => format!(" MAX {last}"),
                (SearchReturn::All, Some(_), _) => format!(" ALL {}", write_set(numbers.iter().copied())),
                (SearchReturn::Count, _, _) => format!(" COUNT {}", numbers.len()),
                _ => String::new(),
            };
            context.out.text(&item);
        }
        let modseq = highest.map(|highest| format!(" MODSEQ {highest}")).unwrap_or_default();
        context.out.text(&format!("{modseq}\r\n"));
    }
}

impl Job for Searching {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match (event, self.begun) {
            (Event::Go, Begun::No) => self.begin(context),
            (Event::Go, Begun::Yes) => self.evaluate_from_view(context),
            (Event::Answer(answer), _) => self.answer(context, answer),
            _ => Step::Done(Completion::unexpected()),
        }
    }
}
