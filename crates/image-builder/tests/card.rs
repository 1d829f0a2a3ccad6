//! A whole card from made-up parts: the same bytes wherever it is built, and readable by everything that reads cards.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use boot_slot::layout::{Layout, MIB};
use boot_slot::{BootState, Slot};
use image_builder::assemble::{Card, Inputs, assemble};
use image_builder::card::{CardReader, CopyReport, inspect};
use image_builder::compress::{Effort, gunzip};
use image_builder::describe::Project;
use image_builder::flash::drives::{System, Target};
use image_builder::flash::flash;
use image_builder::modules::{Load, Module};
use image_builder::parts::Parts;
use image_builder::progress::Quiet;
use image_builder::{Error, output, uboot};
use ipc::owner::TunnelImport;
use network::wireguard;

/// Stands for Debian: every file is its own name, some of them long.
struct MadeUp;

impl Parts for MadeUp {
    fn file(&self, package: &str, path: &str) -> Result<Vec<u8>, Error> {
        Ok(format!("{package}: {path}\n").repeat(path.len() * 20).into_bytes())
    }

    fn kernel_release(&self) -> &str {
        "6.12.0-test"
    }

    fn kernel(&self) -> Result<Vec<u8>, Error> {
        Ok((0..400_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect())
    }

    fn device_tree(&self, name: &str) -> Result<Vec<u8>, Error> {
        Ok(name.as_bytes().to_vec())
    }

    fn modules(&self, sections: &[String]) -> Result<Vec<Module>, Error> {
        let module = |name: &str, load| Module {
            name: name.to_owned(),
            path: format!("kernel/{name}.ko"),
            bytes: format!("{name} for {}", sections.join(" ")).into_bytes(),
            depends: Vec::new(),
            load,
            reason: "a test".to_owned(),
        };
        Ok(vec![module("jbd2", Load::Boot), module("ext4", Load::Boot), module("brcmfmac", Load::Wifi)])
    }

    fn certificate_roots(&self) -> Result<Vec<u8>, Error> {
        Ok(b"-----BEGIN CERTIFICATE-----\n".to_vec())
    }

    fn licences(&self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        Ok(vec![("raspi-firmware".to_owned(), b"only on a Raspberry Pi".to_vec())])
    }
}

fn project() -> Project {
    Project::find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn build(board: &str, scratch: &Path, time: u64) -> Card {
    let project = project();
    let board = project.board(board).unwrap();
    let inputs = Inputs {
        project: &project,
        board: &board,
        parts: &MadeUp,
        binary: b"\x7fELF hearth",
        version: "0.1.0",
        time,
        effort: Effort::Draft,
        scratch,
    };
    assemble(&inputs, &Quiet).unwrap()
}

fn write(card: &Card, folder: &Path) -> PathBuf {
    output::image(card, &folder.join("card.img")).unwrap().finish().unwrap()
}

/// The Pi's card, plain and compressed, built once for all tests, which only read it.
fn shared() -> &'static (PathBuf, PathBuf) {
    static SHARED: OnceLock<(tempfile::TempDir, (PathBuf, PathBuf))> = OnceLock::new();
    let (_, paths) = SHARED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let card = build("rpi", folder.path(), TIME);
        let mut image = output::image(&card, &folder.path().join("card.img")).unwrap();
        let compressed = folder.path().join("card.img.xz");
        let compressed = output::compressed(&mut image, &compressed, &Quiet).unwrap().finish().unwrap();
        let image = image.finish().unwrap();
        (folder, (image, compressed))
    });
    paths
}

const TIME: u64 = 1_780_000_000;

#[test]
fn the_same_inputs_give_the_same_bytes_in_another_folder() {
    let there = tempfile::tempdir().unwrap();
    let (image, _) = shared();
    let again = write(&build("rpi", there.path(), TIME), there.path());
    assert!(std::fs::read(image).unwrap() == std::fs::read(again).unwrap(), "the images differ");
    let later = build("rpi", there.path(), TIME + 1);
    assert_ne!(later.manifest.build_id, inspect(image).unwrap().slots[&Slot::A].manifest.build_id);
}

#[test]
fn a_card_is_laid_out_as_documented_and_whole() {
    let (image, _) = shared();
    let report = inspect(image).unwrap();
    assert!(std::fs::metadata(image).unwrap().len() <= 128 * MIB);
    let places: Vec<_> = report.partitions.values().map(|p| (p.kind, p.active, p.start / MIB)).collect();
    assert_eq!(places, [(0x0c, true, 16), (0x0e, false, 56), (0x0e, false, 120)]);
    assert_eq!(report.boot_state, BootState::fresh());
    assert_eq!(report.boot_state_copies, [const { CopyReport::Good(BootState::fresh()) }; 2]);
    assert_eq!(report.active_slot, Slot::A);
    assert!(report.slots[&Slot::A].damaged.is_empty());
    assert!(!report.slots.contains_key(&Slot::B));
    let build_id = &report.slots[&Slot::A].manifest.build_id;
    assert!(build_id.starts_with(&report.disk_id), "the card's identity comes from its content");
    let slot: Vec<_> = report.partitions[&2].files.keys().map(String::as_str).collect();
    assert_eq!(slot, ["Image.gz", "manifest.json", "os.cpio.zst"]);
    for name in [
        "bootcode.bin",
        "start.elf",
        "start4.elf",
        "fixup4.dat",
        "u-boot.bin",
        "uboot.env",
        "boot.scr",
        "config.txt",
        "cmdline.txt",
        "overlays/hearth.dtbo",
        "bcm2837-rpi-zero-2-w.dtb",
        "bcm2711-rpi-4-b.dtb",
        "licences/raspi-firmware.txt",
    ] {
        assert!(report.partitions[&1].files.contains_key(name), "{name} is missing");
    }
}

#[test]
fn the_owners_files_are_samples_that_change_nothing_and_whose_every_key_is_right() {
    let (image, _) = shared();
    let boot = Layout::new().boot;
    let bytes = std::fs::read(image).unwrap();
    let at = |offset: u64| usize::try_from(offset).unwrap();
    let volume = &bytes[at(boot.start)..at(boot.end())];
    let names = [owner_file::SETTINGS, owner_file::TUNNEL];
    let [found, tunnel] = owner_file::read(std::io::Cursor::new(volume), names);
    let sample = found.text.unwrap();
    assert_eq!(found.problem, None);
    assert!(sample.is_ascii() && sample.lines().all(|line| line.len() <= 80));
    assert_eq!(sample.matches('\n').count(), sample.matches("\r\n").count());
    let base = config::Base::parse("registration = \"pairing\"").unwrap();
    assert_eq!(base.with_owner(&sample).unwrap(), base.resolve().unwrap());

    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    let all = sample.lines().map(line).collect::<Vec<_>>().join("\r\n");
    let (config, findings) = base.with_owner(&all).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(config.domain.to_string(), "smith.dedyn.io");
    assert_eq!(config::owner::unmasked_secrets(&all), ["type or paste the token here"]);

    assert_eq!(wireguard::import(&tunnel, ""), TunnelImport::default());
    let sample = tunnel.text.unwrap();
    assert!(sample.is_ascii() && sample.lines().all(|line| line.len() <= 80));
    let all = sample.lines().map(|sample| line(sample) + "\r\n").collect::<String>();
    let key = |byte: &str| format!("{}=", byte.repeat(43));
    let all = all.replace("the key of the box", &key("I")).replace("the key of the other end", &key("E"));
    let (_, remarks) = wireguard::Conf::parse(&all).unwrap();
    assert_eq!(remarks, []);

    let mut reader = CardReader::open(image).unwrap().boot().unwrap();
    let report = reader.read("hearth-errors.txt").unwrap();
    assert_eq!((report.len(), report.trim_ascii_end()), (8192, &b"Nothing to report yet."[..]));
}

#[test]
fn the_boot_script_keeps_the_map_of_the_card() {
    let script = project().text("image/u-boot/boot.cmd").unwrap();
    let [copy_1, copy_2] = Layout::new().boot_state.map(|copy| format!("{:#x}", copy.start / 512));
    let length = format!("{:#x}", Layout::new().boot_state[0].length / 512);
    assert!(script.contains(&format!("for state_block in {copy_1} {copy_2}; do")));
    for (verb, copy) in [("read", "${state_block}"), ("write", &copy_1), ("write", &copy_2)] {
        assert!(script.contains(&format!("mmc {verb} ${{state_addr}} {copy} {length}")), "{verb} {copy}");
    }
    for slot in [Slot::A, Slot::B] {
        let partition = format!("setenv slot_partition {}", Layout::partition_number(slot));
        assert!(script.contains(&partition));
    }
    // Every key that the Rust side writes is read and written back, or it would be lost during a trial.
    let block = BootState::fresh().encode().unwrap();
    let environment = boot_slot::Environment::decode(&block).unwrap();
    for (key, value) in environment.iter() {
        let value = if key == "ORDER" { format!("\"{value}\"") } else { value.to_owned() };
        assert!(script.contains(&format!("setenv {key} {value}\n")), "a fresh card's {key}");
    }
    assert_eq!(script.matches("FORMAT ORDER A_LEFT B_LEFT TRIAL;").count(), 2);
}

#[test]
fn what_the_firmware_reads_is_what_the_repository_says() {
    let (image, _) = shared();
    let card = CardReader::open(image).unwrap();
    let mut boot = card.boot().unwrap();
    let script = boot.read("boot.scr").unwrap();
    assert_eq!(uboot::script_text(&script).unwrap(), project().text("image/u-boot/boot.cmd").unwrap());
    let environment = boot_slot::Environment::decode(&boot.read("uboot.env").unwrap()).unwrap();
    assert_eq!(environment.value("bootdelay"), Some("-2"));
    assert!(environment.value("bootcmd").unwrap().contains("load mmc ${devnum_tried}:1"));
    assert_eq!(boot.read("config.txt").unwrap(), project().bytes("board/rpi/config.txt").unwrap());
    assert!(
        boot.read("cmdline.txt").unwrap().starts_with(b"console=tty1 console=ttyS1,115200 rdinit=/init ")
    );
}

#[test]
fn the_initramfs_holds_what_the_first_program_needs() {
    let folder = tempfile::tempdir().unwrap();
    let image = write(&build("qemu-virt", folder.path(), TIME), folder.path());
    let mut slot = CardReader::open(&image).unwrap().slot(Slot::A).unwrap();
    let kernel = gunzip("kernel", &slot.read("Image.gz").unwrap(), 64 * MIB).unwrap();
    assert!(kernel == MadeUp.kernel().unwrap());
    let archive = zstd::stream::decode_all(slot.read("os.cpio.zst").unwrap().as_slice()).unwrap();
    let text = String::from_utf8_lossy(&archive);
    for path in [
        "init",
        "sbin/hearth",
        "sbin/e2fsck",
        "dev/console",
        "data",
        "etc/passwd",
        "etc/group",
        "etc/hearth/build.json",
        "etc/ssl/certs/ca-certificates.crt",
        "lib/firmware/regulatory.db",
        "lib/modules/ext4.ko",
        "lib/modules/order",
        "usr/share/hearth/data.ext4.gz",
    ] {
        assert!(text.contains(&format!("{path}\0")), "{path} is missing");
    }
    assert!(text.contains("jbd2.ko\next4.ko\n"), "the order of loading");
    assert!(text.contains("\"build_time\": 1780000000"));
    assert!(text.contains("hearth:x:1000:1000:"));
}

#[test]
fn a_damaged_slot_is_noticed_and_a_damaged_state_falls_back() {
    let folder = tempfile::tempdir().unwrap();
    let image = write(&build("rpi", folder.path(), TIME), folder.path());
    let file = std::fs::File::options().write(true).open(&image).unwrap();
    // Inside the kernel, which is the first file of the slot.
    file.write_all_at(b"rotten", 56 * MIB + 600_000).unwrap();
    file.write_all_at(&[0xff; 512], 8 * MIB).unwrap();
    let report = inspect(&image).unwrap();
    assert_eq!(report.slots[&Slot::A].damaged, ["Image.gz"]);
    assert!(matches!(report.boot_state_copies[0], CopyReport::Bad(_)));
    assert_eq!(report.boot_state, BootState::fresh());
}

#[test]
fn flashing_a_file_writes_the_image_and_reads_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let (image, compressed) = shared();
    for (source, name) in [(image, "one"), (compressed, "two")] {
        let target = Target::judge(&System::default(), &folder.path().join(name)).unwrap();
        let flashed = flash(source, &target, &Quiet).unwrap();
        let written = std::fs::read(target.path()).unwrap();
        assert_eq!(flashed.bytes, written.len() as u64);
        assert!(written == std::fs::read(image).unwrap(), "{name} differs from the image");
    }
}

#[test]
fn what_is_no_image_is_not_flashed_and_a_cut_one_leaves_no_card() {
    let folder = tempfile::tempdir().unwrap();
    let (_, compressed) = shared();
    let target = Target::judge(&System::default(), &folder.path().join("target")).unwrap();
    let zeros = folder.path().join("zeros");
    std::fs::write(&zeros, vec![0; 2 << 20]).unwrap();
    let error = flash(&zeros, &target, &Quiet).unwrap_err().to_string();
    assert!(error.contains("is not a card image"), "{error}");
    assert!(!target.path().exists(), "nothing was written");
    // Half a download: the target must not look like a card afterwards.
    let whole = std::fs::read(compressed).unwrap();
    let cut = folder.path().join("cut.img.xz");
    std::fs::write(&cut, &whole[..whole.len() - 1000]).unwrap();
    let error = flash(&cut, &target, &Quiet).unwrap_err().to_string();
    assert!(error.contains("is it whole"), "{error}");
    assert!(matches!(CardReader::open(target.path()), Err(Error::Map(boot_slot::Error::NoPartitionTable))));
}

#[test]
fn an_unfinished_image_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let card = build("qemu-virt", folder.path(), TIME);
    drop(output::image(&card, &folder.path().join("card.img")).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_used_card_may_hold_anything_in_slot_b() {
    let folder = tempfile::tempdir().unwrap();
    let image = write(&build("qemu-virt", folder.path(), TIME), folder.path());
    let file = std::fs::File::options().read(true).write(true).open(&image).unwrap();
    // The boot sector of slot A over noise: it looks like a volume and is none.
    let mut sector = [0; 512];
    file.read_exact_at(&mut sector, 56 * MIB).unwrap();
    let noise: Vec<u8> = (0..2 * MIB).map(|n| (n * 37 % 251) as u8).collect();
    file.write_all_at(&noise, 120 * MIB).unwrap();
    file.write_all_at(&sector, 120 * MIB).unwrap();
    let report = inspect(&image).unwrap();
    assert!(!report.slots.contains_key(&Slot::B));
    assert!(report.slots[&Slot::A].damaged.is_empty());
}
