//! The ways in which a server is awkward: at which stage it does what, and how often.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A point in a dialogue at which a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The connection to port 25.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// MAIL.
    Mail,
    /// RCPT.
    Recipient,
    /// DATA.
    Data,
    /// The final dot.
    End,
    /// `POST /mxdeliv`, after its body.
    Post,
}

/// A deviation from the usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Answers with this line; for [`Stage::Post`] the HTTP status and the body behind it.
    Answer(String),
    /// Cuts the connection without an answer; a message at [`Stage::End`] or [`Stage::Post`] is not taken.
    Cut,
    /// Takes the message and cuts the connection without an answer.
    TakeAndCut,
    /// Says nothing until the other side has enough.
    Silence,
    /// Waits and does the usual.
    Wait(Duration),
}

impl Action {
    /// An answer with this line.
    #[must_use]
    pub fn answer(line: &str) -> Self {
        Self::Answer(line.to_owned())
    }
}

/// The frequency of a deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Whenever the stage is reached.
    Always,
    /// At the first so many times, from the making of the rule on.
    First(u32),
    /// Each time after so many others, from the making of the rule on.
    Every(u32),
}

/// All rules of a server, and the count of each stage.
#[derive(Default)]
pub struct Rules(Mutex<State>);

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    met: BTreeMap<Stage, u32>,
}

struct Rule {
    stage: Stage,
    action: Action,
    times: Times,
    met: u32,
}

impl Rules {
    pub(super) fn add(&self, stage: Stage, action: Action, times: Times) {
        self.state().rules.push(Rule { stage, action, times, met: 0 });
    }

    pub(super) fn clear(&self) {
        self.state().rules.clear();
    }

    pub(super) fn met(&self, stage: Stage) -> u32 {
        self.state().met.get(&stage).copied().unwrap_or_default()
    }

    /// Counts that a stage is reached; gives what to do instead of the usual.
    pub(super) fn meet(&self, stage: Stage) -> Option<Action> {
        let mut state = self.state();
        *state.met.entry(stage).or_default() += 1;
        let mut action = None;
        for rule in state.rules.iter_mut().filter(|rule| rule.stage == stage) {
            rule.met += 1;
            if action.is_none() && rule.applies() {
                action = Some(rule.action.clone());
            }
        }
        action
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    fn applies(&self) -> bool {
        match self.times {
            Times::Always => true,
            Times::First(count) => self.met <= count,
            Times::Every(count) => self.met.is_multiple_of(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Rules, Stage, Times};

    #[test]
    fn rules_apply_as_often_as_they_say() {
        let rules = Rules::default();
        rules.add(Stage::Mail, Action::Cut, Times::First(1));
        rules.add(Stage::Mail, Action::Silence, Times::Every(3));
        let met: Vec<_> = (0..4).map(|_| rules.meet(Stage::Mail)).collect();
        assert_eq!(met, [Some(Action::Cut), None, Some(Action::Silence), None]);
        assert_eq!(rules.meet(Stage::Data), None);
        assert_eq!((rules.met(Stage::Mail), rules.met(Stage::Data), rules.met(Stage::End)), (4, 1, 0));
    }
}
