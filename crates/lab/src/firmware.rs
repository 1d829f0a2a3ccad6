//! The settings of `config.txt` that the Pi's firmware applies on a board. Pure.
//!
//! Only what our own `config.txt` uses is understood: filters by model, `kernel=` and `dtoverlay=`.

/// The boards that QEMU's `raspi3b` can stand in for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    /// Raspberry Pi 3 Model B.
    #[default]
    ThreeB,
    /// Raspberry Pi Zero 2 W.
    ZeroTwoW,
}

impl Model {
    /// The device tree the firmware loads with `upstream_kernel=1`.
    pub(crate) fn device_tree(self) -> &'static str {
        match self {
            Self::ThreeB => "bcm2837-rpi-3-b.dtb",
            Self::ZeroTwoW => "bcm2837-rpi-zero-2-w.dtb",
        }
    }

    /// The filters of `config.txt` that apply: the documentation's "conditional filters".
    fn filters(self) -> &'static [&'static str] {
        match self {
            Self::ThreeB => &["all", "pi3"],
            Self::ZeroTwoW => &["all", "pi02", "pi3"],
        }
    }
}

/// The settings that apply to a board.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The program the firmware starts: U-Boot.
    pub(crate) kernel: String,
    /// The overlays it applies, as file names of the boot partition.
    pub(crate) overlays: Vec<String>,
}

impl Config {
    /// Reads `config.txt` as the firmware of `model` would.
    pub(crate) fn parse(text: &str, model: Model) -> Self {
        let mut config = Self { kernel: "kernel8.img".into(), overlays: Vec::new() };
        let mut applies = true;
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(filter) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                applies = model.filters().contains(&filter);
            } else if applies {
                config.set(line);
            }
        }
        config
    }

    fn set(&mut self, line: &str) {
        match line.split_once('=') {
            Some(("kernel", name)) => name.clone_into(&mut self.kernel),
            Some(("dtoverlay", overlay)) => {
                let name = overlay.split(',').next().unwrap_or_default();
                if !name.is_empty() {
                    self.overlays.push(format!("overlays/{name}.dtbo"));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sections_of_the_board_count() {
        let text = "arm_64bit=1\nkernel=u-boot.bin # chooses the slot\n[pi4]\ndtoverlay=four\n[pi02]\ndtoverlay=zero\n\
                    [all]\ndtoverlay=hearth,led=17\ndtoverlay=\n";
        let config = |overlays: &[&str]| Config {
            kernel: "u-boot.bin".into(),
            overlays: overlays.iter().map(|&name| name.to_owned()).collect(),
        };
        assert_eq!(Config::parse(text, Model::ThreeB), config(&["overlays/hearth.dtbo"]));
        let zero = config(&["overlays/zero.dtbo", "overlays/hearth.dtbo"]);
        assert_eq!(Config::parse(text, Model::ZeroTwoW), zero);
    }
}
