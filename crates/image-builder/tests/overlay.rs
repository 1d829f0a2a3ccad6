//! Our overlay on the device trees of every board, with the tool that does what the Pi's firmware does. The trees come from
//! the image that `scripts/image` built; without one there is nothing to test.

use std::path::Path;
use std::process::Command;

use image_builder::card::CardReader;
use image_builder::overlay;

#[test]
fn the_overlay_applies_to_the_device_tree_of_every_board() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let image = root.join("target/image/hearth-rpi.img");
    if !image.exists() {
        println!("not run: {} does not exist; scripts/image builds it", image.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = std::fs::read_to_string(root.join("board/rpi/overlays/hearth.dtso")).unwrap();
    let blob = folder.path().join("hearth.dtbo");
    std::fs::write(&blob, overlay::compile("hearth", &source).unwrap()).unwrap();
    let mut boot = CardReader::open(&image).unwrap().boot().unwrap();
    for board in ["bcm2837-rpi-3-b", "bcm2837-rpi-3-b-plus", "bcm2837-rpi-zero-2-w", "bcm2711-rpi-4-b"] {
        let base = folder.path().join("base.dtb");
        std::fs::write(&base, boot.read(&format!("{board}.dtb")).unwrap()).unwrap();
        let result = folder.path().join("result.dtb");
        let applied =
            Command::new("fdtoverlay").arg("-i").arg(&base).arg("-o").arg(&result).arg(&blob).output();
        let applied = applied.unwrap();
        assert!(applied.status.success(), "{board}: {}", String::from_utf8_lossy(&applied.stderr));
        for (node, property, expected) in [
            ("/hearth-leds/status", "label", "hearth:status"),
            ("/hearth-keys", "compatible", "gpio-keys-polled"),
            ("/hearth-keys/button", "linux,code", "408"),
            ("/soc/syscon@7e100020/reboot-mode", "compatible", "syscon-reboot-mode"),
        ] {
            let output = Command::new("fdtget").arg(&result).args([node, property]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{board} {node} {property}");
        }
    }
}
