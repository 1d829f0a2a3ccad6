//! The road from a mirror to loadable modules, on Debian's real archive. It needs the network and a hundred megabytes,
//! so it runs only where `HEARTH_TEST_DEBIAN` is set, with the mirror, proxy and cache that a build would use.

use std::time::SystemTime;

use image_builder::debian::{
    Cache, Error, Kernel, Keyring, Lock, Mirror, MirrorSettings, Packages, Refresh, Wanted, ca_bundle,
    fetch_all, refresh_lock,
};
use image_builder::modules::{Load, ModuleList, close};
use image_builder::progress::Quiet;

#[test]
fn the_real_archive_gives_everything_a_card_needs() {
    let Some(packages) = packages(include_str!("../../../image/packages.toml")).unwrap() else { return };
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
    for load in [Load::Boot, Load::Tunnel, Load::Wifi] {
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

/// Newer kernels are split in several packages; the board that needs them comes later, the reader is ready.
#[test]
fn the_real_kernel_of_backports_is_understood() {
    let list = "architecture = \"arm64\"\n[[package]]\nname = \"linux-image-arm64\"\nsuite = \"trixie-backports\"\n\
                component = \"main\"\nfollow = [\"linux-image-\", \"linux-binary-\", \"linux-modules-\", \"linux-base-\"]\nreason = \"r\"\n";
    let Some(packages) = packages(list).unwrap() else { return };
    let names: Vec<_> = packages.iter().map(ToString::to_string).collect();
    let kernel = Kernel::find(&packages, "linux-image-arm64").unwrap();
    println!("{names:?}: {}", kernel.release());
    assert!(kernel.image().unwrap().len() > 10_000_000);
    kernel.device_tree("broadcom/bcm2712-rpi-5-b.dtb").unwrap();
    let list = ModuleList::parse(include_str!("../../../image/modules.toml")).unwrap();
    let set = close(&kernel, &list.modules).unwrap();
    println!("{} modules; built in: {:?}; absent: {:?}", set.modules.len(), set.built_in, set.absent);
}

/// The packages of a new lock of the list; `None` if `HEARTH_TEST_DEBIAN` is not set.
#[expect(
    clippy::disallowed_methods,
    reason = "the dates of real release files are checked against the real time"
)]
fn packages(list: &str) -> Result<Option<Packages>, Error> {
    if std::env::var_os("HEARTH_TEST_DEBIAN").is_none() {
        eprintln!("not run: HEARTH_TEST_DEBIAN is not set");
        return Ok(None);
    }
    let wanted = Wanted::parse(list)?;
    let keys = Keyring::parse(include_str!("../../../image/keys/debian-archive-trixie.asc"))?;
    let mirror = Mirror::find(MirrorSettings::default())?;
    let refresh =
        Refresh { wanted: &wanted, keys: &keys, mirror: &mirror, previous: None, now: SystemTime::now() };
    let lock = refresh_lock(&refresh, &Quiet)?;
    let text = lock.to_toml()?;
    assert_eq!(Lock::parse(&text)?, lock);
    lock.covers(&wanted)?;
    eprintln!("{text}");
    fetch_all(&lock, &mirror, &Cache::find()?, &Quiet).map(Some)
}
