//! Waiting for other programs in real time: a condition is looked at again and again until it holds or a limit is over.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The pause between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Looks until there is something to see; the error of a look, or of a limit that is over, ends the wait. `what` names
/// the condition in that error.
pub fn poll<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = now() + limit;
    loop {
        // The time before the look counts: a condition that came true in time is seen, however slow the look is.
        let over = now() >= end;
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        if over {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        std::thread::park_timeout(POLL_INTERVAL);
    }
}

/// Keeps another program waiting: for a server that a test plays as a slow one.
pub fn pause(time: Duration) {
    let end = now() + time;
    while let Some(left) = end.checked_duration_since(now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// The clock of limits and measurements.
#[expect(clippy::disallowed_methods, reason = "an end-to-end test waits for other programs in real time")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::poll;

    #[test]
    fn what_comes_true_is_seen_and_what_does_not_is_named() {
        let mut looks = 0;
        let third = poll(Duration::from_secs(60), "the third look", || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(third.unwrap(), 3);
        let never = poll(Duration::ZERO, "a miracle", || Ok(None::<()>)).unwrap_err();
        assert_eq!(never.to_string(), "a miracle: not within 0 s");
    }
}
