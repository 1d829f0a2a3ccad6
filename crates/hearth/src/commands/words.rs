//! Numbers as people read them.

/// A time span in seconds, in its largest unit: `40 s`, `5 min`, `2 h`, `3 days`.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A size in bytes: `900 B`, `12 kB`, `3 MB`.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::{duration, size};

    #[test]
    fn the_largest_unit_that_says_something_is_used() {
        let spans = [119, 120, 7199, 7200, 172_799, 172_800].map(duration);
        assert_eq!(spans, ["119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]);
        assert_eq!([999, 1000, 31_457_280].map(size), ["999 B", "1 kB", "31 MB"]);
    }
}
