//! `STORE` (RFC 3501 section 6.4.6, RFC 7162 section 3.1.3).

use std::sync::Arc;

use mail_types::{KeywordDictionary, ModSeq, Uid};

use super::job::{Context, Event, Job, Step};
use super::updates::emit_flags;
use crate::command::{Store, StoreResponse};
use crate::dialogue::{Answer, Question};
use crate::mail::{Access, MessageFlags};
use crate::respond::Completion;
use crate::sequence::{Numbering, write_set, write_uids};
use crate::state::{State, Tracking};

/// The job of `STORE`.
#[derive(Debug)]
pub(super) struct Storing {
    store: Store,
    /// The messages that the question named.
    uids: Vec<Uid>,
}

impl Storing {
    pub(super) fn new(store: Store) -> Self {
        Self { store, uids: Vec::new() }
    }

    fn begin(&mut self, context: &mut Context<'_>) -> Step {
        if self.store.unchanged_since.is_some() {
            context.track_modseqs();
        }
        let Some(view) = context.view() else {
            return Step::Done(Completion::unexpected());
        };
        if view.access == Access::ReadOnly {
            return Step::Done(Completion::read_only());
        }
        match view.resolve(&self.store.set, self.store.numbering) {
            Ok(uids) if uids.is_empty() => Step::Done(Completion::ok("Store completed")),
            Ok(uids) => {
                self.uids.clone_from(&uids);
                Step::Ask(Question::StoreFlags {
                    mailbox: view.mailbox.clone(),
                    uids,
                    change: self.store.change.clone(),
                    unchanged_since: self.store.unchanged_since,
                })
            }
            Err(_) => Step::Done(Completion::no_such_message()),
        }
    }

    fn finish(
        &self,
        context: &mut Context<'_>,
        keywords: Arc<KeywordDictionary>,
        messages: Vec<MessageFlags>,
        modified: &[Uid],
    ) -> Step {
        let State::Selected(view) = context.state else {
            return Step::Done(Completion::unexpected());
        };
        view.note_keywords(keywords);
        emit_flags(context.out, view);
        let own = view.keywords().compact(&self.store.change.flags);
        let gone = messages.len() + modified.len() < self.uids.len();
        for flags in messages {
            let uid = flags.uid;
            let expected =
                view.find(uid).map(|(_, message)| self.store.change.applied_to(message.flags, own));
            view.note_own_change(flags.modseq);
            view.set_flags(flags);
            let Some((number, message)) = view.find(uid) else {
                continue;
            };
            // RFC 3501 section 6.4.6: also with `.SILENT` a change by others, which came in between, is told.
            let tells_flags = self.store.response == StoreResponse::Flags || expected != Some(message.flags);
            let flags = tells_flags.then(|| view.flag_list(message));
            context.out.text(&self.line(number, uid, flags, message.modseq, *context.tracking));
        }
        let completion = Completion::ok("Store completed");
        if !modified.is_empty() {
            let set = match self.store.numbering {
                Numbering::Uid => write_uids(modified),
                Numbering::Sequence => {
                    write_set(modified.iter().filter_map(|&uid| u32::try_from(view.find(uid)?.0).ok()))
                }
            };
            return Step::Done(
                Completion::ok("Conditional store failed for some").code(format!("MODIFIED {set}")),
            );
        }
        Step::Done(if gone { completion.code("EXPUNGEISSUED") } else { completion })
    }

    /// The `FETCH` response; empty without flags, unless `CONDSTORE` demands the new `MODSEQ`, which it does for `.SILENT`
    /// too (RFC 7162 section 3.1.3).
    fn line(
        &self,
        number: usize,
        uid: Uid,
        flags: Option<String>,
        modseq: ModSeq,
        tracking: Tracking,
    ) -> String {
        if flags.is_none() && tracking < Tracking::Condstore {
            return String::new();
        }
        let mut items = Vec::new();
        if self.store.numbering == Numbering::Uid || tracking == Tracking::Qresync {
            items.push(format!("UID {}", uid.get()));
        }
        items.extend(flags.map(|flags| format!("FLAGS {flags}")));
        if tracking >= Tracking::Condstore {
            items.push(format!("MODSEQ ({})", modseq.0));
        }
        format!("* {number} FETCH ({})\r\n", items.join(" "))
    }
}

impl Job for Storing {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Go => self.begin(context),
            Event::Answer(Answer::Stored { keywords, messages, modified }) => {
                self.finish(context, keywords, messages, &modified)
            }
            Event::Answer(Answer::Failed(failure)) => Step::Done(failure.into()),
            _ => Step::Done(Completion::unexpected()),
        }
    }
}
