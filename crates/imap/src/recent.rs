//! `\Recent` (RFC 3501 section 2.3.2): the UIDs that this session was the first to be notified of. The driver says from
//! which UID on no session was notified; these ranges remember it for as long as the mailbox is open.

use std::ops::Range;

use mail_types::Uid;

/// Ranges of UIDs, ascending, with a gap between each two.
#[derive(Debug, Default)]
pub(crate) struct Recent(Vec<Range<u32>>);

impl Recent {
    /// Adds the messages from `from` on and before `next`, of which this session is the first to be notified. Neither
    /// bound ever decreases.
    pub(crate) fn add(&mut self, from: Uid, next: Uid) {
        let (from, next) = (from.get(), next.get());
        if from >= next {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.end >= from => last.end = last.end.max(next),
            _ => self.0.push(from..next),
        }
    }

    /// True if the message has `\Recent`.
    pub(crate) fn contains(&self, uid: Uid) -> bool {
        let after = self.0.partition_point(|range| range.start <= uid.get());
        after.checked_sub(1).and_then(|last| self.0.get(last)).is_some_and(|range| uid.get() < range.end)
    }

    /// All ranges, ascending.
    pub(crate) fn ranges(&self) -> &[Range<u32>] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use mail_types::Uid;

    use super::Recent;

    #[test]
    fn ranges_grow_and_leave_gaps() {
        let mut recent = Recent::default();
        let mut check = |from, next, ranges: &[(u32, u32)]| {
            let ranges: Vec<_> = ranges.iter().map(|&(from, next)| from..next).collect();
            recent.add(Uid::new(from).unwrap(), Uid::new(next).unwrap());
            assert_eq!(recent.ranges(), ranges.as_slice());
            for uid in 1..40 {
                let expected = ranges.iter().any(|range| range.contains(&uid));
                assert_eq!(recent.contains(Uid::new(uid).unwrap()), expected, "{uid}");
            }
        };
        check(5, 5, &[]);
        check(5, 8, &[(5, 8)]);
        check(8, 10, &[(5, 10)]);
        check(5, 12, &[(5, 12)]);
        check(20, 25, &[(5, 12), (20, 25)]);
        check(30, 30, &[(5, 12), (20, 25)]);
    }
}
