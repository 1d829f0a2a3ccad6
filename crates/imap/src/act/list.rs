//! `LIST` with its options (RFC 5258, 5819, 6154, 3348), `LSUB` and `NAMESPACE`.

use std::collections::{BTreeMap, VecDeque};

use super::job::{Context, Event, Job, Step};
use super::mailboxes::status_line;
use crate::command::{List, ListKind, ListReturn, ListSelect};
use crate::dialogue::{Answer, Question};
use crate::mail::{Existence, Mailbox, SpecialUse, Subscription};
use crate::mailbox_name::{MailboxName, SEPARATOR};
use crate::respond::{Completion, string};

/// The job of `LIST` and `LSUB`: lists names, then sends the status of each mailbox if that is asked for.
#[derive(Debug)]
pub(super) struct Listing {
    list: List,
    /// The mailboxes whose status is still to be sent.
    pending_status: VecDeque<MailboxName>,
}

/// A name in the hierarchy, with its attributes.
#[derive(Debug)]
struct Node {
    existence: Existence,
    subscription: Subscription,
    special_use: Option<SpecialUse>,
    children: Children,
}

/// Counts of the inferior names of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Children {
    /// Names of mailboxes that exist.
    existing: usize,
    /// Subscribed names that match no pattern, which only `CHILDINFO` or `\Noselect` reports.
    subscribed: usize,
    /// The same of names with a special use.
    special: usize,
}

impl Listing {
    pub(super) fn new(list: List) -> Self {
        Self { list, pending_status: VecDeque::new() }
    }

    fn emit_mailboxes(&mut self, context: &mut Context<'_>, mailboxes: Vec<Mailbox>) {
        let patterns: Vec<Vec<char>> =
            self.list.patterns.iter().map(|pattern| full_pattern(&self.list.reference, pattern)).collect();
        let matched = |name: &MailboxName| patterns.iter().any(|pattern| matches(pattern, name.as_str()));
        for (name, node) in hierarchy(mailboxes, matched) {
            if !matched(&name) {
                continue;
            }
            let line = match self.list.kind {
                ListKind::List => self.list_line(&name, &node),
                ListKind::Lsub => lsub_line(&name, &node),
            };
            let Some(line) = line else {
                continue;
            };
            context.out.bytes(&line);
            if !self.list.status.is_empty() && node.existence == Existence::Exists {
                self.pending_status.push_back(name);
            }
        }
    }

    /// RFC 5258 section 3: the line for a name, if the selection options let it through.
    fn list_line(&self, name: &MailboxName, node: &Node) -> Option<Vec<u8>> {
        let select = &self.list.select;
        let by_subscription = select.contains(&ListSelect::Subscribed);
        let by_use = select.contains(&ListSelect::SpecialUse);
        let chosen = (!by_subscription || node.subscription == Subscription::Subscribed)
            && (!by_use || node.special_use.is_some());
        let child_info = select.contains(&ListSelect::RecursiveMatch)
            && ((by_subscription && node.children.subscribed > 0) || (by_use && node.children.special > 0));
        let known = by_subscription || node.existence == Existence::Exists || node.children.existing > 0;
        if !known || !(chosen || child_info) {
            return None;
        }
        let mut attributes = Vec::new();
        if node.existence == Existence::NameOnly {
            // The first implies the second, which is what clients know that ask for no extension (RFC 5258 section 3).
            let extended = !select.is_empty() || !self.list.returns.is_empty();
            attributes.push(if extended { "\\NonExistent" } else { "\\Noselect" });
        }
        attributes.push(if node.children.existing > 0 { "\\HasChildren" } else { "\\HasNoChildren" });
        let tells = by_subscription || self.list.returns.contains(&ListReturn::Subscribed);
        if tells && node.subscription == Subscription::Subscribed {
            attributes.push("\\Subscribed");
        }
        attributes.extend(node.special_use.map(SpecialUse::attribute));
        let mut line = line("LIST", &attributes, name);
        if child_info {
            let info = if by_subscription { "\"SUBSCRIBED\"" } else { "\"SPECIAL-USE\"" };
            line.extend_from_slice(format!(" (CHILDINFO ({info}))").as_bytes());
        }
        line.extend_from_slice(b"\r\n");
        Some(line)
    }
}

impl Job for Listing {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Go if self.list.patterns.iter().all(String::is_empty) => {
                // RFC 3501 section 6.3.8: an empty pattern asks for the separator.
                let kind = if self.list.kind == ListKind::List { "LIST" } else { "LSUB" };
                context.out.text(&format!("* {kind} (\\Noselect) \"{SEPARATOR}\" \"\"\r\n"));
                return Step::Done(completed(self.list.kind));
            }
            Event::Go => return Step::Ask(Question::ListMailboxes),
            Event::Answer(Answer::Mailboxes(mailboxes)) => self.emit_mailboxes(context, mailboxes),
            Event::Answer(Answer::Status(status)) => {
                if let Some(mailbox) = self.pending_status.pop_front() {
                    context.out.bytes(&status_line(&mailbox, &self.list.status, &status));
                }
            }
            // A mailbox whose status cannot be read is passed over (RFC 5819 section 2).
            Event::Answer(Answer::Failed(_)) if !self.pending_status.is_empty() => {
                self.pending_status.pop_front();
            }
            Event::Answer(Answer::Failed(failure)) => return Step::Done(failure.into()),
            _ => return Step::Done(Completion::unexpected()),
        }
        match self.pending_status.front() {
            Some(mailbox) => Step::Ask(Question::Status(mailbox.clone())),
            None => Step::Done(completed(self.list.kind)),
        }
    }
}

fn completed(kind: ListKind) -> Completion {
    Completion::ok(match kind {
        ListKind::List => "List completed",
        ListKind::Lsub => "Lsub completed",
    })
}

/// RFC 3501 section 6.3.9: subscribed names, and as `\Noselect` names above those that match no pattern.
fn lsub_line(name: &MailboxName, node: &Node) -> Option<Vec<u8>> {
    let attributes: &[&str] = match node.subscription {
        Subscription::Subscribed => &[],
        Subscription::Unsubscribed if node.children.subscribed > 0 => &["\\Noselect"],
        Subscription::Unsubscribed => return None,
    };
    let mut line = line("LSUB", attributes, name);
    line.extend_from_slice(b"\r\n");
    Some(line)
}

/// The untagged response without options at its end (RFC 3501 section 7.2.2).
fn line(kind: &str, attributes: &[&str], name: &MailboxName) -> Vec<u8> {
    let start = format!("* {kind} ({}) \"{SEPARATOR}\" ", attributes.join(" "));
    [start.as_bytes(), &string(name.to_wire().as_bytes())].concat()
}

impl Node {
    /// A name that is only superior to others.
    fn unlisted() -> Self {
        Self {
            existence: Existence::NameOnly,
            subscription: Subscription::Unsubscribed,
            special_use: None,
            children: Children::default(),
        }
    }
}

/// All names, with superior names that are not listed themselves.
fn hierarchy(mailboxes: Vec<Mailbox>, matched: impl Fn(&MailboxName) -> bool) -> BTreeMap<MailboxName, Node> {
    let mut nodes: BTreeMap<MailboxName, Node> = BTreeMap::new();
    for mailbox in mailboxes {
        let hidden = !matched(&mailbox.name);
        let mut above = mailbox.name.parent();
        while let Some(name) = above {
            above = name.parent();
            let children = &mut nodes.entry(name).or_insert_with(Node::unlisted).children;
            children.existing += usize::from(mailbox.existence == Existence::Exists);
            children.subscribed += usize::from(hidden && mailbox.subscription == Subscription::Subscribed);
            children.special += usize::from(hidden && mailbox.special_use.is_some());
        }
        let node = nodes.entry(mailbox.name).or_insert_with(Node::unlisted);
        node.existence = mailbox.existence;
        node.subscription = mailbox.subscription;
        node.special_use = mailbox.special_use;
    }
    nodes
}

/// The pattern appended to the reference name, with `INBOX` in upper case at its beginning.
fn full_pattern(reference: &str, pattern: &str) -> Vec<char> {
    let full = format!("{reference}{pattern}");
    let (first, rest) = match full.split_once(SEPARATOR) {
        Some((first, rest)) => (first, format!("{SEPARATOR}{rest}")),
        None => (full.as_str(), String::new()),
    };
    let first = if first.eq_ignore_ascii_case("INBOX") { "INBOX" } else { first };
    format!("{first}{rest}").chars().collect()
}

/// RFC 3501 section 6.3.8: `*` stands for anything, `%` for anything but the separator. Simulates the
/// pattern as a nondeterministic automaton, in time proportional to pattern times name: backtracking could be
/// exponential.
fn matches(pattern: &[char], name: &str) -> bool {
    // `reached[n]`: the characters of the name so far can match the first n symbols of the pattern.
    let mut reached = vec![false; pattern.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    skip_wildcards(pattern, &mut reached);
    for c in name.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (place, &symbol) in pattern.iter().enumerate() {
            if !reached.get(place).copied().unwrap_or(false) {
                continue;
            }
            // A wildcard consumes the character and may consume more; any other symbol must equal it.
            let stays = symbol == '*' || (symbol == '%' && c != SEPARATOR);
            let target = if stays { next.get_mut(place) } else { next.get_mut(place + 1) };
            if let Some(target) = target.filter(|_| stays || symbol == c) {
                *target = true;
            }
        }
        skip_wildcards(pattern, &mut next);
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

/// Marks the positions behind wildcards too: a wildcard may match the empty text.
fn skip_wildcards(pattern: &[char], reached: &mut [bool]) {
    for (place, &symbol) in pattern.iter().enumerate() {
        let here = reached.get(place).copied().unwrap_or(false);
        if here
            && (symbol == '*' || symbol == '%')
            && let Some(next) = reached.get_mut(place + 1)
        {
            *next = true;
        }
    }
}

impl SpecialUse {
    /// The attribute (RFC 6154 section 2).
    fn attribute(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }
}

/// The job of `NAMESPACE` (RFC 2342): one personal namespace, no others.
#[derive(Debug)]
pub(super) struct Namespace;

impl Job for Namespace {
    fn step(&mut self, context: &mut Context<'_>, _: Event) -> Step {
        context.out.text(&format!("* NAMESPACE ((\"\" \"{SEPARATOR}\")) NIL NIL\r\n"));
        Step::Done(Completion::ok("Namespace completed"))
    }
}

#[cfg(test)]
mod tests {
    use super::{full_pattern, matches};

    #[test]
    fn patterns_match_names() {
        let check = |reference: &str, pattern: &str, name: &str, expected: bool| {
            assert_eq!(
                matches(&full_pattern(reference, pattern), name),
                expected,
                "{reference} {pattern} {name}"
            );
        };
        check("", "*", "a/b/c", true);
        check("", "%", "a", true);
        check("", "%", "a/b", false);
        check("", "a/%", "a/b", true);
        check("a/", "%", "a/b", true);
        check("", "%/%", "a/b", true);
        check("", "*b%", "a/b/bc", true);
        check("", "*b%", "a/b/c", false);
        check("", "inbox", "INBOX", true);
        check("", "inbox/%", "INBOX/x", true);
        check("", "i%", "INBOX", false);
        check("", &"*a".repeat(200), &"a".repeat(399), true);
    }
}
