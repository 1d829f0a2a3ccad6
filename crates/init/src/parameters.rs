//! Init's parameters on the kernel's command line, set by the boot loader. Reading `/proc/cmdline` is the caller's
//! business.

use std::fmt;
use std::str::FromStr;

/// The parameters that concern init; all others are the kernel's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// `hearth.boot=`: the slot that was booted, and with it the disk.
    pub(super) boot: Option<PartitionIdentity>,
    /// `hearth.watchdog=off`: leave the watchdog device alone.
    pub(super) watchdog: WatchdogChoice,
}

/// The use of the watchdog device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum WatchdogChoice {
    /// Open it, if there is one.
    #[default]
    Use,
    /// Never open it: that resets some emulators.
    LeaveAlone,
}

/// A partition by what is written in its disk's table, the way the kernel's `PARTUUID` names it: `1ab50001-02`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartitionIdentity {
    /// The disk signature of the MBR.
    pub(super) disk: u32,
    /// The partition's number, from 1.
    pub(super) number: u8,
}

impl Parameters {
    /// Reads a kernel command line. Of a parameter given twice the last counts; one that makes no sense counts as
    /// absent and is returned as a complaint.
    pub(super) fn parse(line: &str) -> (Self, Vec<String>) {
        let mut parameters = Self::default();
        let mut complaints = Vec::new();
        for word in line.split_ascii_whitespace() {
            match word.split_once('=') {
                Some(("hearth.boot", value)) => match value.parse() {
                    Ok(identity) => parameters.boot = Some(identity),
                    Err(NotAnIdentity) => complaints.push(format!(
                        "{word} is no partition identity; one looks like hearth.boot=1ab50001-02"
                    )),
                },
                // The slot that U-Boot started. Nothing here depends on it: only updates will.
                Some(("hearth.slot", "A" | "B")) => {}
                Some(("hearth.watchdog", "off")) => parameters.watchdog = WatchdogChoice::LeaveAlone,
                Some(("hearth.watchdog", "on")) => parameters.watchdog = WatchdogChoice::Use,
                Some((name, _)) if name.starts_with("hearth.") => {
                    complaints.push(format!("{word} is not understood by this version"));
                }
                _ => {}
            }
        }
        (parameters, complaints)
    }
}

/// The text has not the form `1ab50001-02`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAnIdentity;

impl FromStr for PartitionIdentity {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        let (disk, number) = text.split_once('-').ok_or(NotAnIdentity)?;
        let hex =
            |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex(disk, 8) || !hex(number, 2) {
            return Err(NotAnIdentity);
        }
        let disk = u32::from_str_radix(disk, 16).map_err(|_| NotAnIdentity)?;
        let number = u8::from_str_radix(number, 16).map_err(|_| NotAnIdentity)?;
        if number == 0 { Err(NotAnIdentity) } else { Ok(Self { disk, number }) }
    }
}

impl fmt::Display for PartitionIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:02x}", self.disk, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::{Parameters, PartitionIdentity, WatchdogChoice};

    #[test]
    fn parameters_are_found_among_the_kernels_own() {
        let (parameters, complaints) = Parameters::parse(
            "console=tty1 hearth.boot=1ab50001-02 quiet hearth.slot=A hearth.watchdog=off console=ttyS1\n",
        );
        assert_eq!(parameters.boot, Some(PartitionIdentity { disk: 0x1ab5_0001, number: 2 }));
        assert_eq!(parameters.watchdog, WatchdogChoice::LeaveAlone);
        assert!(complaints.is_empty());
    }

    #[test]
    fn without_parameters_the_watchdog_is_used_and_the_disk_unknown() {
        assert_eq!(Parameters::parse("quiet root=/dev/vda"), (Parameters::default(), vec![]));
    }

    #[test]
    fn nonsense_is_complained_about_and_counts_as_absent() {
        for word in [
            "hearth.boot=",
            "hearth.boot=1ab50001",
            "hearth.boot=1ab50001-00",
            "hearth.boot=+ab50001-02",
            "hearth.boot=1ab500012-02",
            "hearth.boot=1ab50001-é",
            "hearth.watchdog=perhaps",
            "hearth.colour=blue",
        ] {
            let (parameters, complaints) = Parameters::parse(word);
            assert_eq!(parameters, Parameters::default(), "{word}");
            assert_eq!(complaints.len(), 1, "{word}");
        }
    }

    #[test]
    fn an_identity_is_written_as_it_is_read() {
        let text = "0000a0f1-04";
        assert_eq!(text.parse::<PartitionIdentity>().unwrap().to_string(), text);
    }
}
