//! The factory reset of a box that nothing else would help: the button is held at its GPIO line, the countdown is seen at
//! the LED's, and the next boot is a new box's.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use boot_slot::layout::DATA_PARTITION;
use boot_slot::mbr::PartitionTable;
use hearth_tests::boxes::{self, LIMIT, has_said, ready, rhythm};
use hearth_tests::data_partition::DataPartition;
use hearth_tests::mail::Account;
use lab::Guest;
use pairing::LedState;

/// Long enough for the countdown, too short for the reset.
const HELD_TOO_SHORT: Duration = Duration::from_secs(5);
/// The line on the console after the erase.
const ERASED: &str = "hearth: everything is erased";

#[test]
fn a_box_whose_store_does_not_open_is_erased_and_no_earlier_than_after_ten_seconds() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let card = folder.path().join("card.img");
    let mut guest = boxes::virt_image("factory-reset-store")?.card(&card).start()?;
    let account = first_account(&guest)?;

    guest.cut_power();
    make_store_unreadable(&card)?;
    guest.power_on()?;
    guest.wait_for("The mail server has failed ", LIMIT)?;
    guest.wait_for_led(&rhythm(LedState::NeedsAttention), LIMIT)?;
    assert!(!has_said(&guest, "hearth: ready after "), "the server does not run");

    let mark = guest.mark();
    guest.press(HELD_TOO_SHORT)?;
    guest.wait_for("let go of the button to keep it", LIMIT)?;
    guest.wait_for("hearth: the button was let go: nothing is erased", LIMIT)?;
    guest.wait_for_led(&rhythm(LedState::NeedsAttention), LIMIT)?;
    let (lines, _) = guest.lines_after(mark);
    let screen = lines.iter().any(|line| line.text.contains("The mail server has failed "));
    assert!(screen, "the screen from before the countdown is back: {lines:?}");
    assert!(guest.has_power() && !has_said(&guest, "hearth: shutting down"));

    hold_until_erased(&mut guest)?;
    is_new(&mut guest, &account)
}

#[test]
fn a_box_whose_data_partition_is_damaged_is_erased() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let card = folder.path().join("card.img");
    let mut guest = boxes::virt_image("factory-reset-damage")?.card(&card).start()?;
    let account = first_account(&guest)?;

    guest.cut_power();
    damage_file_system(&card)?;
    guest.power_on()?;
    guest.wait_for("The data partition is not usable", LIMIT)?;
    guest.wait_for_led(&rhythm(LedState::NeedsAttention), LIMIT)?;

    hold_until_erased(&mut guest)?;
    is_new(&mut guest, &account)
}

/// Goes through the first boot's window.
fn first_account(guest: &Guest) -> Result<Account> {
    ready(guest, LIMIT)?;
    let account = Account::from_link(&guest.wait_for_pairing_link(None, LIMIT)?)?;
    account.log_in()?;
    Ok(account)
}

fn hold_until_erased(guest: &mut Guest) -> Result<()> {
    guest.hold()?;
    guest.wait_for_led(&rhythm(LedState::ResetCountdown), LIMIT)?;
    guest.wait_for(ERASED, LIMIT)?;
    Ok(guest.wait_for_end("the box to start again after the factory reset", LIMIT)?)
}

fn is_new(guest: &mut Guest, account: &Account) -> Result<()> {
    guest.power_on()?;
    guest.wait_for("hearth: data partition created", LIMIT)?;
    ready(guest, LIMIT)?;
    let second = Account::from_link(&guest.wait_for_pairing_link(None, LIMIT)?)?;
    assert!(account.log_in().is_err(), "the account from before the reset is gone");
    second.log_in()?;
    Ok(())
}

/// Makes the store's journals look as if a later version had written them, which this version must refuse: their header
/// is magic (8 bytes), version, oldest reader, position (8 bytes), CRC-32, in little-endian order.
fn make_store_unreadable(card: &Path) -> Result<()> {
    const STORE: &str = "/store/store";
    let data = DataPartition::open(card)?;
    for name in data.list(STORE)?.iter().filter(|name| name.starts_with("journal-")) {
        let path = format!("{STORE}/{name}");
        let mut journal = data.read_file(&path)?;
        journal[8..16].fill(0xff);
        let checksum = crc32fast::hash(&journal[..24]);
        journal[24..28].copy_from_slice(&checksum.to_le_bytes());
        data.put_file(&path, &journal)?;
    }
    data.save()
}

/// Overwrites the superblock and the copy of it that e2fsck is told to use.
fn damage_file_system(card: &Path) -> Result<()> {
    let file = File::options().read(true).write(true).open(card)?;
    let mut sector = [0; 512];
    (&file).read_exact(&mut sector)?;
    let table = PartitionTable::decode(&sector)?;
    let extent = table.partition(DATA_PARTITION).context("the card has a data partition")?.extent;
    for block in [0, 32768] {
        file.write_all_at(&[0xee; 4096], extent.start + block * 4096)?;
    }
    Ok(())
}
