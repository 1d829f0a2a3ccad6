//! The two GPIO lines of a Hearth box, as QEMU's test port reaches them: the status LED's and the button's.
//!
//! On `virt` the GPIO chip has real inputs. The emulated Pi's has none: but its level register gives back what was last
//! written to the set and clear registers, whatever function a pin has, and the product polls the level.

use serde_json::json;

use crate::error::{Error, Result};
use crate::led::Level;
use crate::machine::Machine;
use crate::qmp::Qmp;
use crate::qtest::Qtest;

/// The GPIO controller of a machine.
#[derive(Clone, Debug)]
pub(crate) enum GpioLines {
    /// A PL061 at this path of QEMU's object tree.
    Virt(String),
    /// The BCM2837's GPIO block.
    Pi,
}

const VIRT_LED_LINE: u32 = 5;
const VIRT_BUTTON_LINE: u32 = 6;
const PI_LED_LINE: u32 = 17;
const PI_BUTTON_LINE: u32 = 27;
const PI_CHIP: &str = "/machine/soc/peripherals/gpio";
/// Physical addresses of two registers of the BCM2837's GPIO block, BCM2835 ARM Peripherals, section 6.1.
const PI_GPSET0: u64 = 0x3f20_001c;
const PI_GPCLR0: u64 = 0x3f20_0028;
/// QEMU numbers its nameless devices from 0; `virt` has far fewer than this.
const MAX_UNATTACHED_DEVICES: u32 = 100;

impl GpioLines {
    /// The number of the LED's line.
    pub(crate) fn led_line(machine: Machine) -> u32 {
        if machine.is_pi() { PI_LED_LINE } else { VIRT_LED_LINE }
    }

    /// Finds the controller, sets the button's line high, and has QEMU report the LED's edges. Must happen before the
    /// guest runs: all lines begin low, and a low line is a pressed button.
    pub(crate) fn connect(machine: Machine, qmp: &mut Qmp, qtest: &Qtest) -> Result<Self> {
        let lines = if machine.is_pi() { Self::Pi } else { Self::Virt(find_pl061(qmp)?) };
        lines.set_button(qtest, Level::High)?;
        qtest.intercept(match &lines {
            Self::Virt(chip) => chip,
            Self::Pi => PI_CHIP,
        })?;
        Ok(lines)
    }

    /// Sets the button's line.
    pub(crate) fn set_button(&self, qtest: &Qtest, level: Level) -> Result<()> {
        match (self, level) {
            (Self::Virt(chip), level) => qtest.drive(chip, VIRT_BUTTON_LINE, level),
            (Self::Pi, Level::High) => qtest.write(PI_GPSET0, 1 << PI_BUTTON_LINE),
            (Self::Pi, Level::Low) => qtest.write(PI_GPCLR0, 1 << PI_BUTTON_LINE),
        }
    }
}

/// The path of the PL061 in QEMU's object tree, which has no name of its own there.
fn find_pl061(qmp: &mut Qmp) -> Result<String> {
    for number in 0..MAX_UNATTACHED_DEVICES {
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
