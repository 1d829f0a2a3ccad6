//! The machines a guest can be, as QEMU command lines. What differs between them is here and in `gpio_lines.rs`.

use std::path::{Path, PathBuf};

use crate::card::Card;
use crate::error::{Result, file};
use crate::firmware::{Config, Model};
use crate::tools;

/// A globally administered address, like a real Pi's: with a local one the kernel names the interface differently.
const MAC: &str = "b8:27:eb:01:02:03";

/// The emulated machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// QEMU's `virt`: no Pi, but quick, with interrupts, a clock and fast disk and network.
    Virt,
    /// A Pi whose firmware and U-Boot the lab stands in for.
    Raspi3b(Model),
    /// A Pi whose firmware the lab stands in for, and which loads everything else through the card's own U-Boot. Slow:
    /// the emulated card reads 1 to 3 MB/s.
    UBoot(Model),
}

impl Machine {
    /// Whether it is an emulated Pi.
    pub(crate) fn is_pi(self) -> bool {
        !matches!(self, Self::Virt)
    }
}

/// The files that QEMU loads before the first instruction, in the places that firmware and U-Boot would use.
#[derive(Debug)]
pub(crate) struct Loaded {
    kernel: PathBuf,
    initramfs: Option<PathBuf>,
    tree: PathBuf,
    arguments: String,
}

impl Loaded {
    /// Stands in for the firmware (and, but for [`Machine::UBoot`], for U-Boot): copies the files from the card into
    /// `folder`. `extra` is appended to the kernel's command line.
    pub(crate) fn from_card(card: &Card, machine: Machine, folder: &Path, extra: &str) -> Result<Self> {
        let cmdline = String::from_utf8_lossy(&card.boot_file("cmdline.txt")?).into_owned();
        let mut arguments = cmdline.lines().next().unwrap_or_default().trim().to_owned();
        let mut append = |more: &str| {
            if !more.is_empty() {
                arguments.push(' ');
                arguments.push_str(more);
            }
        };
        append(extra);
        if machine.is_pi() {
            // Opening the emulated Pi's watchdog resets it at once.
            append("hearth.watchdog=off");
        }
        let save = |name: &str, content: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, content).map_err(file("writing", &path)).map(|()| path)
        };
        let (kernel, initramfs, tree) = match machine {
            Machine::Virt | Machine::Raspi3b(_) => {
                let system = card.boot()?;
                append(&system.arguments);
                let tree = match machine {
                    Machine::Raspi3b(model) | Machine::UBoot(model) => pi_tree(card, model, folder)?,
                    Machine::Virt => tools::virt_tree(folder, &base(machine))?,
                };
                (save("kernel", &system.kernel)?, Some(save("initramfs", &system.initramfs)?), tree)
            }
            Machine::UBoot(model) => {
                let program = config(card, model)?.kernel;
                (save("u-boot.bin", &card.boot_file(&program)?)?, None, pi_tree(card, model, folder)?)
            }
        };
        if machine == Machine::Virt {
            // The last console is the one that /dev/console means.
            append("console=ttyAMA0");
        }
        Ok(Self { kernel, initramfs, tree, arguments })
    }

    /// QEMU's arguments for these files.
    pub(crate) fn qemu(&self) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        let mut arguments = vec!["-kernel".into(), text(&self.kernel), "-dtb".into(), text(&self.tree)];
        if let Some(initramfs) = &self.initramfs {
            arguments.extend(["-initrd".into(), text(initramfs)]);
        }
        arguments.extend(["-append".into(), self.arguments.clone()]);
        arguments
    }
}

/// QEMU's arguments for the machine itself.
pub(crate) fn base(machine: Machine) -> Vec<String> {
    let arguments: &[&str] = match machine {
        Machine::Virt => &["-M", "virt", "-cpu", "cortex-a53", "-m", "512", "-smp", "1"],
        // One thread for all four processors: the three that idle would otherwise each burn one of the host's.
        Machine::Raspi3b(_) | Machine::UBoot(_) => &["-M", "raspi3b", "-accel", "tcg,thread=single"],
    };
    arguments.iter().map(ToString::to_string).collect()
}

/// QEMU's arguments for card, network and serial port. `network` is its network's kind with its options.
pub(crate) fn devices(machine: Machine, disk: &str, network: &str) -> Vec<String> {
    let network = format!("{network},id=network");
    let (drive, more) = match machine {
        Machine::Virt => (
            format!("if=none,id=card,{disk}"),
            vec![
                "-device".into(),
                "virtio-blk-pci,drive=card".into(),
                "-device".into(),
                format!("virtio-net-pci,netdev=network,romfile=,mac={MAC}"),
            ],
        ),
        Machine::Raspi3b(_) | Machine::UBoot(_) => (
            format!("if=sd,id=card,{disk}"),
            vec!["-device".into(), format!("usb-net,netdev=network,mac={MAC}")],
        ),
    };
    let mut arguments = vec!["-drive".into(), drive, "-netdev".into(), network];
    arguments.extend(more);
    if machine.is_pi() {
        // The first serial port is the Bluetooth chip's; the header's is the second.
        arguments.extend(["-serial".into(), "null".into()]);
    }
    arguments.extend(["-serial".into(), "chardev:console".into()]);
    arguments
}

fn config(card: &Card, model: Model) -> Result<Config> {
    let text = card.boot_file("config.txt")?;
    Ok(Config::parse(&String::from_utf8_lossy(&text), model))
}

fn pi_tree(card: &Card, model: Model, folder: &Path) -> Result<PathBuf> {
    let base = folder.join("board.dtb");
    std::fs::write(&base, card.boot_file(model.device_tree())?).map_err(file("writing", &base))?;
    let mut overlays = Vec::new();
    for (number, name) in config(card, model)?.overlays.iter().enumerate() {
        let path = folder.join(format!("overlay-{number}.dtbo"));
        std::fs::write(&path, card.boot_file(name)?).map_err(file("writing", &path))?;
        overlays.push(path);
    }
    if overlays.is_empty() { Ok(base) } else { tools::apply_overlays(folder, &base, &overlays) }
}
