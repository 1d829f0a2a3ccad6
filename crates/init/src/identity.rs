//! The name of the box. Pure: the sources are given, the name comes out.

/// The sources of a name, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// The name given at an earlier start: it is part of every address, so it never changes by itself.
    pub(super) saved: Option<String>,
    /// The board's serial number, as the device tree has it.
    pub(super) serial: Option<String>,
    /// The address of the first Ethernet interface.
    pub(super) mac: Option<[u8; 6]>,
    /// Two random bytes, when nothing else is known.
    pub(super) random: [u8; 2],
}

/// The box's name: `hearth-` and four hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BoxName(String);

impl BoxName {
    /// Chooses the name.
    pub(super) fn choose(sources: &Sources) -> Self {
        if let Some(name) = sources.saved.as_deref().and_then(Self::parse) {
            return name;
        }
        if let Some(digits) = sources.serial.as_deref().and_then(last_digits) {
            return Self(format!("{PREFIX}{digits}"));
        }
        let [high, low] = match sources.mac {
            Some([.., high, low]) => [high, low],
            None => sources.random,
        };
        Self(format!("{PREFIX}{high:02x}{low:02x}"))
    }

    /// True when the sources so far give a name that later, better sources cannot change.
    pub(super) fn is_certain(sources: &Sources) -> bool {
        sources.saved.as_deref().and_then(Self::parse).is_some()
            || sources.serial.as_deref().and_then(last_digits).is_some()
    }

    /// Reads a saved name; anything that is not one of ours is none.
    fn parse(text: &str) -> Option<Self> {
        let digits = text.trim_end().strip_prefix(PREFIX)?;
        let ours =
            digits.len() == DIGITS && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        ours.then(|| Self(format!("{PREFIX}{digits}")))
    }

    /// The name alone, as the host name.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as others in the household's network find it.
    pub(super) fn domain(&self) -> String {
        format!("{}.local", self.0)
    }
}

const PREFIX: &str = "hearth-";
const DIGITS: usize = 4;

/// The last four hexadecimal digits of a serial number; a number of zeroes alone is none (some emulators).
fn last_digits(serial: &str) -> Option<String> {
    let serial = serial.trim_end_matches(['\0', '\n']);
    if !serial.bytes().all(|digit| digit.is_ascii_hexdigit()) || serial.bytes().all(|digit| digit == b'0') {
        return None;
    }
    let start = serial.len().checked_sub(DIGITS)?;
    serial.get(start..).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::{BoxName, Sources};

    #[test]
    fn the_best_source_gives_the_name() {
        let all = Sources {
            saved: Some("hearth-0b0b\n".to_owned()),
            serial: Some("10000000ABCDEF12\0".to_owned()),
            mac: Some([0xb8, 0x27, 0xeb, 1, 2, 3]),
            random: [0xc0, 0xde],
        };
        let serial = Sources { saved: None, ..all.clone() };
        let mac = Sources { serial: None, ..serial.clone() };
        let random = Sources { mac: None, ..mac.clone() };
        for (sources, expected) in
            [(all, "hearth-0b0b"), (serial, "hearth-ef12"), (mac, "hearth-0203"), (random, "hearth-c0de")]
        {
            assert_eq!(BoxName::choose(&sources).as_str(), expected);
        }
    }

    #[test]
    fn a_source_that_makes_no_sense_is_passed_over() {
        for saved in ["", "hearth-", "hearth-12", "hearth-12345", "hearth-12G4", "HEARTH-1234", "box-1234"] {
            let sources = Sources { saved: Some(saved.to_owned()), random: [1, 2], ..Sources::default() };
            assert_eq!(BoxName::choose(&sources).as_str(), "hearth-0102", "{saved:?}");
        }
        for serial in ["", "\0", "123", "0000000000000000", "serial é", "not hex"] {
            let sources = Sources { serial: Some(serial.to_owned()), random: [1, 2], ..Sources::default() };
            assert_eq!(BoxName::choose(&sources).as_str(), "hearth-0102", "{serial:?}");
        }
    }

    #[test]
    fn the_domain_is_in_the_local_network() {
        let name = BoxName::choose(&Sources { random: [0, 0x1f], ..Sources::default() });
        assert_eq!(name.domain(), "hearth-001f.local");
    }
}
