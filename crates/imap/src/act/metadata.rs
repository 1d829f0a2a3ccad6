//! `GETMETADATA` and `SETMETADATA` (RFC 5464), with Dovecot's texts and literals, which relay's own tests expect.

use super::job::{Context, Event, Job, Step};
use crate::command::{GetMetadata, SetMetadata};
use crate::dialogue::{Answer, CommandFailure, Question};
use crate::mail::MetadataDepth;
use crate::respond::{Completion, literal, string};

/// The job of `GETMETADATA` (RFC 5464 section 4.2).
#[derive(Debug)]
pub(super) struct Get(pub(super) GetMetadata);

impl Get {
    /// Sends the values in the order of the command. Delta Chat expects a list that is not empty, and the mailbox name
    /// as it sent it.
    fn emit_values(
        &self,
        context: &mut Context<'_>,
        mut values: Vec<(String, Option<Vec<u8>>)>,
    ) -> Completion {
        // With other depths the names that exist are not known from the command.
        if self.0.depth == MetadataDepth::Zero {
            for entry in &self.0.entries {
                if !values.iter().any(|(name, _)| name == entry) {
                    values.push((entry.clone(), None));
                }
            }
            values.sort_by_key(|(name, _)| self.0.entries.iter().position(|entry| entry == name));
        }
        let limit = self.0.max_size.map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(usize::MAX));
        let mut longest = 0;
        let mut items: Vec<Vec<u8>> = Vec::new();
        for (name, value) in values {
            let value = match value {
                Some(value) if value.len() > limit => {
                    longest = longest.max(value.len());
                    continue;
                }
                // RFC 5464 section 5: value = nstring / literal8, and only the latter has a NUL in it.
                Some(value) if value.contains(&0) => [b"~".to_vec(), literal(&value)].concat(),
                Some(value) => literal(&value),
                None => b"NIL".to_vec(),
            };
            items.push([name.as_bytes(), b" ", &value].concat());
        }
        if !items.is_empty() {
            context.out.text("* METADATA ");
            context.out.bytes(&string(&self.0.name));
            context.out.text(" (");
            context.out.bytes(&items.join(&b' '));
            context.out.text(")\r\n");
        }
        let completion = Completion::ok("Getmetadata completed");
        if longest > 0 { completion.code(format!("METADATA LONGENTRIES {longest}")) } else { completion }
    }
}

impl Job for Get {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Go => Step::Ask(Question::ReadMetadata {
                of: self.0.of.clone(),
                entries: self.0.entries.clone(),
                depth: self.0.depth,
            }),
            Event::Answer(Answer::Metadata(values)) => Step::Done(self.emit_values(context, values)),
            Event::Answer(Answer::Failed(failure)) => Step::Done(failure.into()),
            _ => Step::Done(Completion::unexpected()),
        }
    }
}

/// The job of `SETMETADATA` (RFC 5464 section 4.3).
#[derive(Debug)]
pub(super) struct Set(pub(super) Option<SetMetadata>);

impl Job for Set {
    fn step(&mut self, _: &mut Context<'_>, event: Event) -> Step {
        match (event, self.0.take()) {
            (Event::Go, Some(SetMetadata { of, entries })) => {
                Step::Ask(Question::WriteMetadata { of, entries })
            }
            (Event::Answer(Answer::Done), _) => Step::Done(Completion::ok("Setmetadata completed")),
            // RFC 5464 section 4.3 has codes of its own.
            (Event::Answer(Answer::Failed(CommandFailure::Limit)), _) => {
                Step::Done(Completion::no("Too many entries").code("METADATA TOOMANY"))
            }
            (Event::Answer(Answer::Failed(failure)), _) => Step::Done(failure.into()),
            _ => Step::Done(Completion::unexpected()),
        }
    }
}
