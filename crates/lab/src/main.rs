//! The `lab` program: a Hearth box in QEMU, used from a terminal.

mod boot_command;
mod events;
mod terminal;
mod try_command;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use lab::{Guest, GuestBuilder, Machine, Model};

/// Boots Hearth card images in QEMU: no Pi, no root rights, nothing leaves this machine.
#[derive(Debug, Parser)]
#[command(name = "lab", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  lab try                                                    start the Pi's image, show the pairing code, press the button with `b`
  lab try --machine raspi3b                                  the same on an emulated Pi 3
  lab try --once --json                                      for programs: print link and ports, switch off, end
  lab boot target/image/hearth-rpi.img                       show the console on QEMU's quick machine
  lab boot target/image/hearth-rpi.img --machine uboot       load everything through the card's U-Boot, as a Pi does
  lab boot my.img --card /tmp/card.img --until 'hearth: ready'   keep the card; end when a line appears";

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a box and shows its status and pairing code; the button is a key.
    Try {
        /// The card image.
        #[arg(default_value = "target/image/hearth-rpi.img")]
        image: PathBuf,
        #[command(flatten)]
        guest: GuestOptions,
        /// Switch off and end once the first pairing link is there.
        #[arg(long)]
        once: bool,
        /// Print one JSON object instead of words.
        #[arg(long)]
        json: bool,
    },
    /// Starts a box and shows its console until it switches itself off.
    Boot {
        /// The card image.
        image: PathBuf,
        #[command(flatten)]
        guest: GuestOptions,
        /// End well when the console shows a line with this text.
        #[arg(long, value_name = "TEXT")]
        until: Option<String>,
        /// Words to add to the kernel's command line.
        #[arg(long, value_name = "WORDS", default_value = "")]
        append: String,
    },
}

#[derive(Clone, Debug, Args)]
struct GuestOptions {
    /// The emulated machine.
    #[arg(long, value_enum, default_value_t = MachineName::Virt)]
    machine: MachineName,
    /// Keep the card in this file, and start from it when it is there; otherwise every start begins with a fresh card.
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// The size of a fresh card in MiB, a power of two.
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = card_size)]
    card_size: u64,
    /// Keep everything the console shows in this file.
    #[arg(long, value_name = "FILE")]
    console_log: Option<PathBuf>,
    /// Give up when the box is not ready after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    limit: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MachineName {
    /// QEMU's own machine: quick.
    Virt,
    /// A Raspberry Pi 3B, started as by its firmware and U-Boot.
    Raspi3b,
    /// A Raspberry Pi 3B with the device tree of a Zero 2 W.
    Zero2w,
    /// A Raspberry Pi 3B, started by the card's U-Boot itself: minutes.
    Uboot,
}

impl From<MachineName> for Machine {
    fn from(name: MachineName) -> Self {
        match name {
            MachineName::Virt => Self::Virt,
            MachineName::Raspi3b => Self::Raspi3b(Model::ThreeB),
            MachineName::Zero2w => Self::Raspi3b(Model::ZeroTwoW),
            MachineName::Uboot => Self::UBoot(Model::ThreeB),
        }
    }
}

impl GuestOptions {
    fn builder(&self, image: PathBuf) -> GuestBuilder {
        let builder =
            Guest::builder(image).machine(self.machine.into()).card_size(self.card_size * 1024 * 1024);
        let builder = match &self.card {
            Some(card) => builder.card(card),
            None => builder,
        };
        match &self.console_log {
            Some(log) => builder.console_log(log),
            None => builder,
        }
    }
}

fn card_size(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(size) if size.is_power_of_two() && (256..=65536).contains(&size) => Ok(size),
        _ => Err("say a power of two from 256 to 65536".into()),
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Try { image, guest, once, json } => {
            try_command::run(image, &guest, try_command::Mode { once: once.into(), form: json.into() })
        }
        Command::Boot { image, guest, until, append } => {
            boot_command::run(image, &guest, until.as_deref(), &append)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::note(&format!("lab: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
