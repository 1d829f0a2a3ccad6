//! The agreement of several servers (Marzullo's algorithm, as in RFC 5905, section 11.2.1): each claims an interval in
//! which the truth lies, and the truth is where most intervals overlap.

use std::time::Duration;

use crate::nanoseconds::Nanoseconds;
use crate::sample::Sample;

/// The calendar by the servers that agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The time at which the machine started: the middle of the overlap.
    pub start: Nanoseconds,
    /// Half of the overlap's length.
    pub uncertainty: Duration,
    /// The number of servers that agree.
    pub servers: usize,
}

impl Agreement {
    /// The calendar's time at this uptime.
    #[must_use]
    pub fn at(&self, uptime: Duration) -> Nanoseconds {
        self.start.plus(Nanoseconds::of(uptime))
    }
}

/// The calendar by the majority: more than half of the samples, and at least two. None if there is no such majority.
#[must_use]
pub fn majority(samples: &[Sample]) -> Option<Agreement> {
    overlap(samples).filter(|found| found.servers >= 2 && found.servers * 2 > samples.len())
}

/// The first of the overlaps of most intervals.
fn overlap(samples: &[Sample]) -> Option<Agreement> {
    // At the same place a beginning comes before an end: intervals that touch overlap.
    let mut edges: Vec<(Nanoseconds, Edge)> = samples
        .iter()
        .flat_map(|sample| {
            let reach = Nanoseconds::of(sample.uncertainty);
            [(sample.start.minus(reach), Edge::Begin), (sample.start.plus(reach), Edge::End)]
        })
        .collect();
    edges.sort_unstable();
    let (mut open, mut most, mut best) = (0_usize, 0, None);
    for (at, edge) in &edges {
        match edge {
            Edge::Begin => open += 1,
            Edge::End => {
                // The first end after the last beginning closes the overlap that this beginning opened.
                if open > most {
                    most = open;
                    best = Some(*at);
                }
                open = open.saturating_sub(1);
            }
        }
    }
    let end = best?;
    // The overlap begins with the last beginning before its end.
    let begins = edges.iter().filter(|(at, edge)| *edge == Edge::Begin && *at <= end);
    let begin = begins.map(|(at, _)| *at).max()?;
    let uncertainty = end.minus(begin).magnitude() / 2;
    Some(Agreement { start: begin.midpoint(end), uncertainty, servers: most })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    Begin,
    End,
}

#[cfg(test)]
mod tests {
    use super::{Agreement, Duration, Nanoseconds, Sample, majority};

    /// Claims in milliseconds, with their uncertainties.
    fn agree(claims: &[(i64, u64)]) -> Option<Agreement> {
        let sample = |&(start, uncertainty): &(i64, u64)| Sample {
            start: Nanoseconds(start * 1_000_000),
            uncertainty: Duration::from_millis(uncertainty),
        };
        majority(&claims.iter().map(sample).collect::<Vec<_>>())
    }

    #[track_caller]
    fn check(claims: &[(i64, u64)], expected: Option<(i64, usize)>) {
        let found = agree(claims).map(|found| (found.start.as_milliseconds(), found.servers));
        assert_eq!(found, expected, "{claims:?}");
    }

    #[test]
    fn more_than_half_and_at_least_two_must_agree() {
        check(&[], None);
        check(&[(0, 10)], None);
        check(&[(0, 10), (8, 10)], Some((4, 2)));
        check(&[(0, 10), (1000, 10)], None);
        check(&[(0, 10), (1000, 10), (4, 10)], Some((2, 2)));
        check(&[(0, 10), (1000, 10), (4, 10), (1004, 10)], None);
        check(&[(0, 10), (1000, 10), (4, 10), (1004, 10), (2, 10)], Some((2, 3)));
        check(&[(0, 10), (1000, 10), (2000, 10)], None);
        check(&[(0, 10), (20, 10)], Some((10, 2)));
    }

    #[test]
    fn a_liar_who_claims_to_be_uncertain_moves_nothing() {
        let found = agree(&[(0, 10), (2000, 2500), (2, 10)]).unwrap();
        assert_eq!((found.start.as_milliseconds(), found.servers), (1, 3));
        assert_eq!(found.uncertainty, Duration::from_millis(9));
    }

    #[test]
    fn order_does_not_matter() {
        for claims in
            [[(0, 10), (4, 10), (900, 10)], [(900, 10), (4, 10), (0, 10)], [(4, 10), (900, 10), (0, 10)]]
        {
            check(&claims, Some((2, 2)));
        }
    }
}
