//! Families pull plugs: QEMU is killed (SIGKILL) right after the box has said `250`. After the next boot the account and
//! the message are there.
//!
//! A killed QEMU loses nothing that reached the host, so this shows what an orderly disk would keep, no more.

use anyhow::Result;
use hearth_tests::boxes::{self, LIMIT, ready};
use hearth_tests::mail::Account;
use lab::{Guest, HostCache, Machine, Model};

#[test]
fn accounts_and_acknowledged_messages_survive_a_pulled_plug_on_virt() -> Result<()> {
    survives(boxes::pi_image(Machine::Virt, "power-cut-virt")?.start()?, 3)
}

#[test]
#[ignore = "long: three boots of an emulated Pi"]
fn accounts_and_acknowledged_messages_survive_a_pulled_plug_on_a_pi_3() -> Result<()> {
    survives(boxes::pi_image(Machine::Raspi3b(Model::ThreeB), "power-cut-raspi3b")?.start()?, 2)
}

#[test]
#[ignore = "long: a hundred boots"]
fn a_hundred_pulled_plugs_lose_nothing_acknowledged() -> Result<()> {
    let guest = boxes::pi_image(Machine::Virt, "power-cut-hundred")?.host_cache(HostCache::Off);
    survives(guest.start()?, 100)
}

#[test]
fn an_orderly_shutdown_keeps_everything_and_the_next_boot_opens_no_window() -> Result<()> {
    let mut guest = boxes::pi_image(Machine::Virt, "power-off")?.start()?;
    let account = Account::from_link(&guest.wait_for_pairing_link(None, LIMIT)?)?;
    account.log_in()?;
    account.submit_to_self("orderly@test")?;
    guest.power_off(LIMIT)?;
    guest.power_on()?;
    ready(&guest, LIMIT)?;
    assert_eq!(account.log_in()?.message_ids()?, ["orderly@test"]);
    assert!(guest.pairing_link()?.is_none(), "the box has an account: only the button opens the window");
    assert!(account.stranger().log_in().is_err());
    Ok(())
}

fn survives(mut guest: Guest, cuts: usize) -> Result<()> {
    let account = Account::from_link(&guest.wait_for_pairing_link(None, LIMIT)?)?;
    account.log_in()?;
    let mut acknowledged = Vec::new();
    for cut in 0..cuts {
        let id = format!("cut-{cut}@test");
        account.submit_to_self(&id)?;
        guest.cut_power();
        acknowledged.push(id);
        guest.power_on()?;
        ready(&guest, LIMIT)?;
        assert_eq!(account.log_in()?.message_ids()?, acknowledged, "after cut {cut}");
    }
    Ok(())
}
