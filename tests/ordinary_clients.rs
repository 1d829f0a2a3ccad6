//! An ordinary client, Python's own, against the daemon on this machine: it reads, searches, moves and deletes.

use std::process::Command;

use hearth_tests::product::Daemon;

#[test]
fn pythons_imaplib_reads_searches_moves_and_deletes() {
    let daemon = Daemon::start("open", "").unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/ordinary_client.py");
    let port = daemon.port("imaps").unwrap().to_string();
    let output = Command::new("python3")
        .args([script, "127.0.0.1", &port, "ordinary1@hearth.test", "a long password"])
        .output()
        .expect("python3 must be installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\nThe daemon's log ends with:{}", daemon.log_tail());
}
