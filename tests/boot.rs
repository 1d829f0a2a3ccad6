//! The real image boots: on QEMU's own machine, on an emulated Pi, with a Zero 2 W's device tree, and through the real
//! U-Boot. The first boot makes the data partition, every later one keeps it.

use anyhow::Result;
use hearth_tests::boxes::{self, LIMIT, UBOOT_LIMIT, number_after, ready};
use lab::{Guest, GuestBuilder, Machine, Model};

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
fn the_pi_image_boots_through_its_own_u_boot() -> Result<()> {
    let guest = boxes::pi_image(Machine::UBoot(Model::ThreeB), "boot-uboot")?.start()?;
    guest.wait_for("Hearth: starting slot A", UBOOT_LIMIT)?;
    ready(&guest, UBOOT_LIMIT)?;
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
