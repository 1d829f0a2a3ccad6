//! Numbers as people read them.

pub(super) use ipc::words::duration;

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
    use super::size;

    #[test]
    fn the_largest_unit_that_says_something_is_used() {
        assert_eq!([999, 1000, 31_457_280].map(size), ["999 B", "1 kB", "31 MB"]);
    }
}
