//! The cost of a message for the card: counted by the disk itself, index and all.

use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use mail_types::{Address, Flags, Secret, UnixTime};
use store::{Announce, Delivered, Store, Target};

use crate::HONEST;
use crate::medium::{Cost, Medium};
use crate::mount::mount;

const NOW: UnixTime = UnixTime(1_800_000_000);
const COUNT: usize = 200;

/// The lifecycle of each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifecycle {
    Delivered,
    DeliveredFetchedDeleted,
    /// To an account with two devices, which are notified.
    DeliveredAndAnnounced,
}

/// The cost of `COUNT` messages of this size, one after the other.
fn cost(lifecycle: Lifecycle, size: usize) -> Cost {
    let medium = Arc::new(Mutex::new(Medium::new(1, HONEST)));
    let place = tempfile::tempdir().unwrap();
    let (tell, _cut) = channel();
    let session = mount(&medium, place.path(), tell).unwrap();
    let (store, _) = Store::open(place.path().join("store")).unwrap();
    let address: Address = "anna@box.test".parse().unwrap();
    store.create_account(&address, Secret::new("hash"), NOW).unwrap();
    let mailbox = store.inbox(&address).unwrap();
    for device in ["phone", "tablet"] {
        store.register_push_token(&address, &device.repeat(200), NOW).unwrap();
    }
    let announce =
        if lifecycle == Lifecycle::DeliveredAndAnnounced { Announce::ToDevices } else { Announce::ToNobody };
    let before = medium.lock().unwrap().cost;
    for _ in 0..COUNT {
        let mut spool = store.spool(1 << 30);
        spool.write_all(&vec![b'x'; size]).unwrap();
        let target = Target { mailbox, flags: Flags::default(), internal_date: NOW, arrived: NOW, announce };
        let Delivered::Stored { uid, .. } = store.deliver(spool, &[target]).unwrap()[0] else {
            unreachable!()
        };
        if lifecycle == Lifecycle::DeliveredFetchedDeleted {
            let mut text = Vec::new();
            store.body(mailbox, uid).unwrap().read_to_end(&mut text).unwrap();
            store.expunge(mailbox, &[uid]).unwrap();
        }
        if let Some(push) = store.pending_push(&address).unwrap() {
            store.finish_push(&push).unwrap();
        }
    }
    let after = medium.lock().unwrap().cost;
    drop(store);
    drop(session);
    Cost {
        bytes: (after.bytes - before.bytes) / COUNT,
        synced_bytes: (after.synced_bytes - before.synced_bytes) / COUNT,
        // A few more come from the index, which syncs now and then by itself, and from new directories.
        syncs: (after.syncs - before.syncs) / COUNT,
    }
}

#[test]
fn a_small_message_costs_one_sync_and_deleting_it_another() {
    for size in [500, 10_000] {
        let delivered = cost(Lifecycle::Delivered, size);
        let deleted = cost(Lifecycle::DeliveredFetchedDeleted, size);
        println!("{size} bytes delivered: {delivered:?}; delivered, fetched and deleted: {deleted:?}");
        assert_eq!((delivered.syncs, deleted.syncs), (1, 2));
        assert!(delivered.bytes < size + 400, "the envelope of a message grew");
        assert!(deleted.bytes < size + 700, "deleting a message became dear");
    }
}

#[test]
fn notifying_the_devices_of_a_message_costs_no_sync_of_its_own() {
    let silent = cost(Lifecycle::Delivered, 10_000);
    let announced = cost(Lifecycle::DeliveredAndAnnounced, 10_000);
    println!("10000 bytes delivered: {silent:?}; and announced: {announced:?}");
    assert_eq!(announced.syncs, 1);
    assert!((1..100).contains(&(announced.bytes - silent.bytes)), "a pending push is a few numbers");
}

#[test]
fn a_large_message_costs_three_syncs() {
    let delivered = cost(Lifecycle::Delivered, 300_000);
    println!("300000 bytes delivered: {delivered:?}");
    assert_eq!(delivered.syncs, 3, "the file, its name, the journal");
    assert!(delivered.bytes < 300_700);
}
