//! Sequence sets (RFC 3501 section 9) as values, and numbers written as sequence sets.

use mail_types::Uid;

/// The kind of number by which a command names messages (RFC 3501 section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbering {
    /// Message sequence numbers.
    Sequence,
    /// Unique identifiers: the `UID` form of a command.
    Uid,
}

/// One end of a range: `seq-number` of RFC 3501 section 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// A number.
    Number(u32),
    /// `*`: the largest number in use.
    Star,
}

impl Bound {
    /// The number, `largest` for `*`.
    fn number(self, largest: Option<u32>) -> Option<u32> {
        match self {
            Self::Number(number) => Some(number),
            Self::Star => largest,
        }
    }
}

/// A set of message sequence numbers or UIDs: ranges in the order of the command, either end first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SequenceSet(pub(crate) Vec<(Bound, Bound)>);

impl SequenceSet {
    /// The set as ascending ranges with gaps between them, `largest` in place of `*`. In an empty mailbox, where
    /// `largest` is `None`, a range with `*` in it is empty.
    pub(crate) fn ranges(&self, largest: Option<u32>) -> Vec<(u32, u32)> {
        let numbers = self.0.iter().filter_map(|(a, b)| Some((a.number(largest)?, b.number(largest)?)));
        let mut ranges: Vec<(u32, u32)> = numbers.map(|(a, b)| (a.min(b), a.max(b))).collect();
        ranges.sort_unstable();
        // Ascending by start: a range overlaps or touches the last merged one, or begins a new one behind it.
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            match merged.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        merged
    }

    /// True if a range of the set lies wholly beyond `last`, which one with `*` never does. The ranges are taken as the
    /// client wrote them: merging would hide one.
    pub(crate) fn has_range_beyond(&self, last: u32) -> bool {
        self.0.iter().any(|range| matches!(*range, (Bound::Number(a), Bound::Number(b)) if a.min(b) > last))
    }

    /// True if the number is in the set, `largest` in place of `*`.
    pub(crate) fn contains(&self, number: u32, largest: Option<u32>) -> bool {
        self.ranges(largest).iter().any(|&(from, to)| (from..=to).contains(&number))
    }
}

/// Ascending numbers as a sequence set: `1:3,7`.
pub(crate) fn write_set(numbers: impl IntoIterator<Item = u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some(last) if last.1.checked_add(1) == Some(number) => last.1 = number,
            _ => ranges.push((number, number)),
        }
    }
    let written =
        ranges.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}:{to}") });
    written.collect::<Vec<_>>().join(",")
}

/// Ascending UIDs as a sequence set.
pub(crate) fn write_uids<'a>(uids: impl IntoIterator<Item = &'a Uid>) -> String {
    write_set(uids.into_iter().map(|uid| uid.get()))
}

#[cfg(test)]
mod tests {
    use super::Bound::{Number, Star};
    use super::{SequenceSet, write_set};

    #[test]
    fn ranges_are_ordered_and_merged() {
        let check = |set: &[_], largest, expected: &[_]| {
            assert_eq!(SequenceSet(set.to_vec()).ranges(largest), expected);
        };
        check(&[(Number(5), Number(3)), (Number(1), Number(2))], Some(9), &[(1, 5)]);
        check(&[(Number(12), Star)], Some(9), &[(9, 12)]);
        check(&[(Number(1), Star)], None, &[]);
        check(&[(Number(u32::MAX), Star), (Number(7), Number(7))], Some(9), &[(7, 7), (9, u32::MAX)]);
    }

    #[test]
    fn numbers_are_written_as_ranges() {
        assert_eq!(write_set([1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(write_set([]), "");
    }
}
