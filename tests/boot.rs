//! The real image boots: on QEMU's own machine, on an emulated Pi, with a Zero 2 W's device tree, and through the real
//! U-Boot, where the display has a picture too. The first boot makes the data partition, every later one keeps it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hearth_tests::boxes::{self, LIMIT, UBOOT_LIMIT, number_after, ready};
use hearth_tests::codes::codes;
use hearth_tests::hdmi::{Picture, status_on_line};
use hearth_tests::waiting::poll;
use lab::{Guest, GuestBuilder, Machine, Model};
use pairing::ScreenSize;

/// A card of 512 MiB has 328 MiB behind the slots; the file system keeps a little for itself.
const DATA_MIB: std::ops::RangeInclusive<f64> = 300.0..=328.0;

#[test]
fn the_pi_image_boots_on_virt_and_keeps_its_data() -> Result<()> {
    boots_twice(boxes::pi_image(Machine::Virt, "boot-virt")?)
}

#[test]
fn the_image_for_virt_boots() -> Result<()> {
    let guest = boxes::virt_image("boot-virt-image")?.start()?;
    ready(&guest, LIMIT)?;
    Ok(())
}

#[test]
fn the_pi_image_boots_on_a_pi_3_and_keeps_its_data() -> Result<()> {
    boots_twice(boxes::pi_image(Machine::Raspi3b(Model::ThreeB), "boot-raspi3b")?)
}

#[test]
fn the_pi_image_boots_with_the_device_tree_of_a_zero_2_w() -> Result<()> {
    let guest = boxes::pi_image(Machine::Raspi3b(Model::ZeroTwoW), "boot-zero2w")?.start()?;
    ready(&guest, LIMIT)?;
    Ok(())
}

#[test]
fn the_pi_image_boots_through_its_own_u_boot_and_fills_its_display() -> Result<()> {
    let mut guest = boxes::pi_image(Machine::UBoot(Model::ThreeB), "boot-uboot")?.start()?;
    guest.wait_for("Hearth: starting slot A", UBOOT_LIMIT)?;
    ready(&guest, UBOOT_LIMIT)?;
    guest.wait_for_pairing_link(None, UBOOT_LIMIT)?;
    let picture = guest.console_log().with_file_name("boot-uboot.display.ppm");
    // The display is drawn at the same time as the slow serial line.
    let mut difference = None;
    let shown = poll(LIMIT, "the display shows the same as the serial line", || {
        match display_is_right(&mut guest, &picture) {
            Ok(()) => return Ok(Some(())),
            Err(error) => difference = Some(error),
        }
        Ok(None)
    });
    shown.with_context(|| format!("{}: {difference:?}", picture.display()))
}

/// The display shows name, state and address, and the code of the link on the serial line, all laid out for its size,
/// and no line of any log.
fn display_is_right(guest: &mut Guest, file: &Path) -> Result<()> {
    let status = status_on_line(&guest.lines())?;
    guest.picture(file)?;
    let picture = Picture::read(file)?;
    let (columns, lines) = picture.size();
    let size = ScreenSize::of_terminal(u16::try_from(columns)?, u16::try_from(lines)?);
    let expected = pairing::status_lines(&status, size);
    let words = expected.join(" ");
    let address = status.addresses.iter().find(|address| address.is_ipv4()).context("an IPv4 address")?;
    for part in [&status.name, status.led.words(), &address.to_string()] {
        ensure!(words.contains(part), "no {part} in {expected:#?}");
    }
    picture.shows(&expected)?;
    let link = status.code.map(|code| code.link);
    let codes = codes(file)?;
    ensure!(codes.iter().eq(&link), "the display's codes are {codes:?}, not {link:?}");
    Ok(())
}

fn boots_twice(builder: GuestBuilder) -> Result<()> {
    let mut guest = builder.start()?;
    first_boot(&guest)?;
    guest.cut_power();
    guest.power_on()?;
    ready(&guest, LIMIT)?;
    assert!(!boxes::has_said(&guest, "data partition created"), "the second boot must not begin anew");
    assert!(!boxes::has_said(&guest, "data partition grown"), "there is nothing left to grow");
    Ok(())
}

fn first_boot(guest: &Guest) -> Result<()> {
    guest.wait_for("hearth: data partition created", LIMIT)?;
    let grown = number_after(guest, "hearth: data partition grown to ", LIMIT)?;
    assert!(DATA_MIB.contains(&grown), "grown to {grown} MiB");
    let to_ready = ready(guest, LIMIT)?;
    let began = guest.wait_for("hearth: ready after ", LIMIT)?.at.as_secs_f64() - to_ready;
    guest.wait_for_pairing_link(None, LIMIT)?;
    let link = guest.pairing_link_at().map_or(f64::NAN, |at| at.as_secs_f64() - began);
    println!("guest seconds since the kernel's start: ready {to_ready:.1}, pairing code {link:.1}");
    Ok(())
}
