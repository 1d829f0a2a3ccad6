//! The road from a mirror to loadable modules, on Debian's real archive. It needs the network and a hundred megabytes,
//! so it runs only where `HEARTH_TEST_DEBIAN` is set, with the mirror, proxy and cache that a build would use.

use std::time::SystemTime;

use image_builder::debian::{
    Cache, Kernel, Keyring, Lock, Mirror, MirrorSettings, Refresh, Wanted, ca_bundle, fetch_all, refresh_lock,
};
use image_builder::modules::{Load, ModuleList, close};
use image_builder::progress::Quiet;

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the dates of real release files are checked against the real time"
)]
fn the_real_archive_gives_everything_a_card_needs() {
    if std::env::var_os("HEARTH_TEST_DEBIAN").is_none() {
        println!("not run: HEARTH_TEST_DEBIAN is not set");
        return;
    }
    let wanted = Wanted::parse(include_str!("../../../image/packages.toml")).unwrap();
    let keys = Keyring::parse(include_str!("../../../image/keys/debian-archive-trixie.asc")).unwrap();
    let mirror = Mirror::find(MirrorSettings::default()).unwrap();
    let refresh =
        Refresh { wanted: &wanted, keys: &keys, mirror: &mirror, previous: None, now: SystemTime::now() };
    let lock = refresh_lock(&refresh, &Quiet).unwrap();
    let text = lock.to_toml().unwrap();
    assert_eq!(Lock::parse(&text).unwrap(), lock);
    lock.covers(&wanted).unwrap();
    println!("{text}");

    let packages = fetch_all(&lock, &mirror, &Cache::find().unwrap(), &Quiet).unwrap();
    let bundle = ca_bundle(packages.one("ca-certificates").unwrap()).unwrap();
    assert!(bundle.len() > 100_000, "{} bytes of roots", bundle.len());
    for (package, path) in [
        ("raspi-firmware", "usr/lib/raspi-firmware/start4.elf"),
        ("u-boot-rpi", "usr/lib/u-boot/rpi_arm64/u-boot.bin"),
        ("wireless-regdb", "usr/lib/firmware/regulatory.db-debian"),
        ("e2fsck-static", "usr/sbin/e2fsck.static"),
        ("firmware-brcm80211", "usr/lib/firmware/brcm/brcmfmac43455-sdio.raspberrypi,4-model-b.txt"),
    ] {
        assert!(!packages.one(package).unwrap().read(path).unwrap().is_empty(), "{package} {path}");
    }

    let kernel = Kernel::find(&packages, "linux-image-arm64").unwrap();
    assert!(kernel.image().unwrap().len() > 10_000_000);
    kernel.device_tree("broadcom/bcm2837-rpi-3-b.dtb").unwrap();
    let list = ModuleList::parse(include_str!("../../../image/modules.toml")).unwrap();
    let set = close(&kernel, &list.modules).unwrap();
    for load in [Load::Boot, Load::Wifi] {
        let names: Vec<_> = set.loaded_at(load).map(|module| module.name.as_str()).collect();
        println!("{load:?}: {} modules: {}", names.len(), names.join(" "));
    }
    println!("{} bytes; built in: {:?}; absent: {:?}", set.size(), set.built_in, set.absent);
    let place = |name: &str| set.modules.iter().position(|module| module.name == name).unwrap();
    assert!(place("crc32c_generic") < place("ext4") && place("mdio-bcm-unimac") < place("genet"));
    for (at, module) in set.modules.iter().enumerate() {
        assert!(module.depends.iter().all(|other| place(other) < at), "{} is loaded too early", module.name);
    }
    assert_eq!(close(&kernel, &list.modules).unwrap(), set);
}
