//! The clock that is corrected.

use std::io;
use std::time::Duration;

use host::clock;
use time_sync::Nanoseconds;

/// The machine's clock, or one that only shows what would be done.
pub trait LocalClock {
    /// The calendar's time.
    fn calendar(&self) -> Nanoseconds;
    /// Sets the calendar forward, or back if negative.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    fn step(&mut self, by: Nanoseconds) -> io::Result<()>;
    /// Lets the calendar run at another rate than the crystal's, by so many parts per million.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    fn set_rate(&mut self, ppm: f64) -> io::Result<()>;
    /// Tells the kernel that the calendar is right within this error.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    fn mark_synchronised(&mut self, error: Duration) -> io::Result<()>;
}

/// The kernel's clock. Needs `CAP_SYS_TIME`.
#[derive(Clone, Copy, Debug)]
pub struct KernelClock;

impl LocalClock for KernelClock {
    fn calendar(&self) -> Nanoseconds {
        Nanoseconds::of(clock::since_1970())
    }

    fn step(&mut self, by: Nanoseconds) -> io::Result<()> {
        let (seconds, nanoseconds) = by.split();
        clock::step(seconds, nanoseconds)
    }

    fn set_rate(&mut self, ppm: f64) -> io::Result<()> {
        clock::set_rate(ppm)
    }

    fn mark_synchronised(&mut self, error: Duration) -> io::Result<()> {
        clock::mark_synchronised(error)
    }
}

/// A clock beside the kernel's, which stays as it is: it takes steps and no rates.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrialClock {
    ahead: Nanoseconds,
}

impl LocalClock for TrialClock {
    fn calendar(&self) -> Nanoseconds {
        KernelClock.calendar().plus(self.ahead)
    }

    fn step(&mut self, by: Nanoseconds) -> io::Result<()> {
        self.ahead = self.ahead.plus(by);
        Ok(())
    }

    fn set_rate(&mut self, _: f64) -> io::Result<()> {
        Ok(())
    }

    fn mark_synchronised(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}
