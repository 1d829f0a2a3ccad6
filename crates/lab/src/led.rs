//! Blink patterns of an LED, recognised in the edges of its GPIO line. Pure.

use std::time::Duration;

/// The level of a GPIO line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// 3.3 V on a Pi: an LED is lit, a button is released.
    High,
    /// 0 V: an LED is dark, a button is pressed.
    Low,
}

/// A change of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Time from QEMU's start.
    pub at: Duration,
    /// The level after the edge.
    pub level: Level,
}

/// A repeated sequence of `(level, milliseconds)` steps; a pattern of one step is a steady level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<(Level, u64)>);

/// Complete rounds of a rhythm in a row that identify it.
const REQUIRED_ROUNDS: usize = 2;
/// A level that holds for this time is steady: longer than any step of the product's rhythms.
const STEADY_TIME: Duration = Duration::from_millis(2500);
/// The constant part of a step's tolerance; an emulated guest on a busy host is also late by a fraction of the step.
const STEP_TOLERANCE: Duration = Duration::from_millis(45);

impl Pattern {
    /// A pattern of `(level, milliseconds)` steps.
    pub fn new(steps: impl IntoIterator<Item = (Level, u64)>) -> Self {
        Self(steps.into_iter().collect())
    }

    /// Whether `edges` end in this pattern, `quiet` being the time since the last edge: two rounds of a
    /// rhythm, or a level that held for 2.5 s.
    #[must_use]
    pub fn shown(&self, edges: &[Edge], quiet: Duration) -> bool {
        match self.0.as_slice() {
            [] => false,
            // Before the first edge a line is low.
            [(level, _)] => {
                quiet >= STEADY_TIME && edges.last().map_or(Level::Low, |edge| edge.level) == *level
            }
            steps => (0..steps.len()).any(|start| rhythm(steps, start, edges, quiet)),
        }
    }
}

/// Whether the last complete steps, of which the first is step `start`, are [`REQUIRED_ROUNDS`] rounds of the rhythm, and the
/// step that still runs has not run for longer than it should.
fn rhythm(steps: &[(Level, u64)], start: usize, edges: &[Edge], quiet: Duration) -> bool {
    let needed = steps.len() * REQUIRED_ROUNDS;
    let Some(recent) = edges.len().checked_sub(needed + 1).and_then(|first| edges.get(first..)) else {
        return false;
    };
    // A step's length is known only when the next edge has come, so a window of complete steps has one edge more.
    let mut expected = steps.iter().cycle().skip(start);
    for (edge, next) in recent.iter().zip(recent.iter().skip(1)) {
        let Some(&(level, milliseconds)) = expected.next() else { return false };
        if edge.level != level
            || !is_close(next.at.saturating_sub(edge.at), Duration::from_millis(milliseconds))
        {
            return false;
        }
    }
    expected
        .next()
        .is_some_and(|&(_, milliseconds)| quiet <= longest(Duration::from_millis(milliseconds)) + STEADY_TIME)
}

fn is_close(seen: Duration, wanted: Duration) -> bool {
    let least = wanted.mul_f64(0.7).saturating_sub(STEP_TOLERANCE);
    (least..=longest(wanted)).contains(&seen)
}

fn longest(wanted: Duration) -> Duration {
    wanted.mul_f64(1.3) + STEP_TOLERANCE
}

#[cfg(test)]
mod tests {
    use Level::{High, Low};

    use super::*;

    fn edges(first: Level, milliseconds: &[u64]) -> Vec<Edge> {
        let mut level = first;
        let mut at = 0;
        let mut edges = vec![Edge { at: Duration::ZERO, level }];
        for step in milliseconds {
            at += step;
            level = if level == High { Low } else { High };
            edges.push(Edge { at: Duration::from_millis(at), level });
        }
        edges
    }

    fn shown(pattern: &[(Level, u64)], edges: &[Edge], after: u64) -> bool {
        Pattern::new(pattern.iter().copied()).shown(edges, Duration::from_millis(after))
    }

    #[test]
    fn a_rhythm_is_known_wherever_it_is_entered() {
        let blink = [(High, 200), (Low, 200)];
        assert!(shown(&blink, &edges(High, &[203, 190, 210, 201]), 10));
        assert!(shown(&blink, &edges(Low, &[203, 190, 210, 201, 200]), 10));
        let double = [(High, 150), (Low, 150), (High, 150), (Low, 1550)];
        assert!(shown(&double, &edges(Low, &[1600, 150, 160, 150, 1500, 140, 150, 150]), 10));
    }

    #[test]
    fn another_rhythm_or_too_few_rounds_is_not_it() {
        let blink = [(High, 200), (Low, 200)];
        assert!(!shown(&blink, &edges(High, &[200, 200, 200]), 10));
        assert!(!shown(&blink, &edges(High, &[500, 500, 500, 500]), 10));
        assert!(!shown(&blink, &edges(High, &[50, 50, 50, 50, 50, 50]), 10));
        assert!(!shown(&blink, &edges(High, &[200, 200, 200, 200]), 4000), "it stopped long ago");
    }

    #[test]
    fn a_level_is_steady_when_it_held_for_longer_than_any_pause() {
        let lit = [(High, 1000)];
        assert!(shown(&lit, &edges(Low, &[100]), 3000));
        assert!(!shown(&lit, &edges(Low, &[100]), 1000));
        assert!(!shown(&lit, &edges(High, &[100]), 3000));
        assert!(shown(&[(Low, 1)], &[], 3000), "a line that never rose is dark");
    }
}
