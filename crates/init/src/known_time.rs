//! Words about the knowledge of the time, for the log.

use ipc::network::{ClockSource, Synchronised};

/// A synchronisation in words, for the log.
pub(super) fn in_words(synchronised: Synchronised) -> String {
    let Synchronised { source, offset, agreeing, servers } = synchronised;
    let seconds = offset.unsigned_abs().div_ceil(1000);
    let direction = if offset < 0 { "ahead" } else { "behind" };
    match source {
        ClockSource::TimeServers => format!(
            "the clock is right: {agreeing} of {servers} time servers agree that it was {seconds} s {direction}"
        ),
        ClockSource::WebServers => format!(
            "the clock is right to about a second: by the dates of {agreeing} of {servers} web servers it was {seconds} s \
             {direction}; no time server is believed (if none answers: does the router let UDP port 123 through?)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{ClockSource, Synchronised, in_words};

    #[test]
    fn a_coarse_time_is_called_so() {
        let synchronised =
            |source, offset| in_words(Synchronised { source, offset, agreeing: 2, servers: 3 });
        assert_eq!(
            synchronised(ClockSource::TimeServers, -1200),
            "the clock is right: 2 of 3 time servers agree that it was 2 s ahead"
        );
        let coarse = synchronised(ClockSource::WebServers, 864_000_000);
        let begin = "the clock is right to about a second: by the dates of 2 of 3 web servers it was 864000 s behind; ";
        assert!(coarse.starts_with(begin) && coarse.contains("UDP port 123"), "{coarse}");
    }
}
