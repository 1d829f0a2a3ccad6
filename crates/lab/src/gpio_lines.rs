//! The two wires of a Hearth box, as QEMU's test port reaches them: the status LED's line and the button's.
//!
//! On `virt` the GPIO chip has real inputs. The emulated Pi's has none: but its level register gives back what was last
//! written to the set and clear registers, whatever a pin is for, and the product polls the level.

use serde_json::json;

use crate::error::{Error, Result};
use crate::led::Level;
use crate::machine::Machine;
use crate::qmp::Qmp;
use crate::qtest::Qtest;

/// How to drive the button and watch the LED of a machine.
#[derive(Clone, Debug)]
pub(crate) enum Wires {
    /// A PL061 at this path of QEMU's object tree.
    Virt(String),
    /// The BCM2837's GPIO block.
    Pi,
}

const VIRT_LED: u32 = 5;
const VIRT_BUTTON: u32 = 6;
const PI_LED: u32 = 17;
const PI_BUTTON: u32 = 27;
const PI_CHIP: &str = "/machine/soc/peripherals/gpio";
/// GPSET0 and GPCLR0 of the BCM2837.
const PI_SET: u64 = 0x3f20_001c;
const PI_CLEAR: u64 = 0x3f20_0028;
/// QEMU numbers its nameless devices; `virt` has far fewer than this.
const DEVICES: u32 = 100;

impl Wires {
    /// The line whose edges are the LED's.
    pub(crate) fn led_line(machine: Machine) -> u32 {
        if machine.is_pi() { PI_LED } else { VIRT_LED }
    }

    /// Finds the chip, lets the button's line idle high, and begins to watch the LED. Must happen before the guest
    /// runs: all lines begin low, and a low line is a pressed button.
    pub(crate) fn connect(machine: Machine, qmp: &mut Qmp, qtest: &Qtest) -> Result<Self> {
        let wires = if machine.is_pi() { Self::Pi } else { Self::Virt(pl061(qmp)?) };
        wires.button(qtest, Level::High)?;
        qtest.watch(match &wires {
            Self::Virt(chip) => chip,
            Self::Pi => PI_CHIP,
        })?;
        Ok(wires)
    }

    /// Sets the button's line.
    pub(crate) fn button(&self, qtest: &Qtest, level: Level) -> Result<()> {
        match (self, level) {
            (Self::Virt(chip), level) => qtest.drive(chip, VIRT_BUTTON, level),
            (Self::Pi, Level::High) => qtest.write(PI_SET, 1 << PI_BUTTON),
            (Self::Pi, Level::Low) => qtest.write(PI_CLEAR, 1 << PI_BUTTON),
        }
    }
}

fn pl061(qmp: &mut Qmp) -> Result<String> {
    for number in 0..DEVICES {
        let path = format!("/machine/unattached/device[{number}]");
        match qmp.execute("qom-get", &json!({ "path": path, "property": "type" })) {
            Ok(kind) if kind == "pl061" => return Ok(path),
            Ok(_) | Err(Error::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Unsupported(
        "this QEMU's virt machine has no PL061 GPIO chip: the lab needs QEMU 7.2 or newer",
    ))
}
